import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogFrames } from './log-frames.ts';

const framed = (stream: 1 | 2, data: Buffer) => {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
};
/** By byte: pieces of one stream may be joined or cut. */
const bytesOf = (pieces: readonly { readonly stream: 1 | 2; readonly data: Uint8Array }[]) =>
  pieces.flatMap(({ stream, data }) => [...data].map((byte) => `${stream} ${byte}`));

describe('frames of a log', () => {
  test('are the same bytes of the same streams in the same order, wherever what comes is cut', () => {
    const frame = fc.record({
      stream: fc.constantFrom(1 as const, 2 as const),
      data: fc.uint8Array({ maxLength: 20 }),
    });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
        (said, cuts) => {
          const bytes = Buffer.concat(said.map(({ stream, data }) => framed(stream, Buffer.from(data))));
          const frames = new LogFrames();
          const read: ReturnType<LogFrames['feed']> = [];
          for (let at = 0; at < bytes.length; ) {
            const length = cuts.next().value as number;
            read.push(...frames.feed(bytes.subarray(at, at + length)));
            at += length;
          }
          expect(bytesOf(read)).toEqual(bytesOf(said));
          expect(read.every(({ data }) => data.length > 0)).toBe(true);
        },
      ),
    );
  });

  test('that are neighbours of one stream come as one', () => {
    const lines = ['a\n', 'b\n', 'c\n'].map((line) => framed(1, Buffer.from(line)));
    const pieces = new LogFrames().feed(Buffer.concat([...lines, framed(2, Buffer.from('e\n'))]));
    expect(pieces.map(({ stream, data }) => [stream, data.toString()])).toEqual([
      [1, 'a\nb\nc\n'],
      [2, 'e\n'],
    ]);
  });
});
