/** Chance from the operating system behind {@link Random}: fit for nonces and identifiers. */
import { randomBytes } from 'node:crypto';
import type { Random } from '@boi/core';

export const systemRandom: Random = {
  /** 53 random bits, as many as a double holds below 1. */
  next: () => {
    const bytes = randomBytes(8);
    return ((bytes.readUInt32BE(0) >>> 5) * 2 ** 26 + (bytes.readUInt32BE(4) >>> 6)) / 2 ** 53;
  },
  bytes: (length) => randomBytes(length),
};
