/** Chance from the operating system behind {@link Random}: fit for nonces and identifiers. */
import { randomBytes } from 'node:crypto';
import type { Random } from '@boi/core';

/** Asked for at once: a call takes 2.7 µs whatever its length, and every task needs several short ones. */
const STOCK_BYTES = 4_096;
let stock = Buffer.alloc(0);

/** Never handed out twice; a new stock is new memory, so that what somebody keeps stays as it is. */
function draw(length: number): Buffer {
  if (length > STOCK_BYTES / 4) return randomBytes(length);
  if (length > stock.length) stock = randomBytes(STOCK_BYTES);
  const drawn = stock.subarray(0, length);
  stock = stock.subarray(length);
  return drawn;
}

export const systemRandom: Random = {
  /** 53 random bits, as many as a double holds below 1. */
  next: () => {
    const bytes = draw(8);
    return ((bytes.readUInt32BE(0) >>> 5) * 2 ** 26 + (bytes.readUInt32BE(4) >>> 6)) / 2 ** 53;
  },
  bytes: draw,
};
