import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogFrames } from './log-frames.ts';

const TIME = (n: number) => `2026-11-21T19:42:49.${String(n).padStart(9, '0')}Z `;

function framed(stream: 1 | 2, time: number, data: string): Buffer {
  const body = Buffer.from(TIME(time) + data);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

/** Where this engine cuts a line; a real one does at 16 KiB. */
const CUT = 4;

/** The messages that an engine makes of a stream; an old one loses the ends of lines that it cut. */
function messages(stream: 1 | 2, text: string, isOld: boolean, firstTime: number): Buffer[] {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const isEnded = i < lines.length - 1;
    const parts: string[] = line.match(new RegExp(`.{1,${CUT}}`, 'g')) ?? [];
    // A full buffer is given on before it is known what comes next.
    if (isEnded && line.length % CUT === 0) parts.push('');
    const end = isEnded && !(isOld && parts.length > 1) ? '\n' : '';
    return parts.map((part, n) => framed(stream, firstTime + i, n === parts.length - 1 ? part + end : part));
  });
}

function read(bytes: Buffer, cuts: Iterator<number>): Record<1 | 2, string> {
  const frames = new LogFrames();
  const said = { 1: '', 2: '' };
  for (let at = 0; at < bytes.length; ) {
    const length = cuts.next().value as number;
    for (const { stream, data } of frames.feed(bytes.subarray(at, at + length))) {
      expect(data.length).toBeGreaterThan(0);
      said[stream] += data.toString();
    }
    at += length;
  }
  return said;
}

const texts = fc.string({ unit: fc.constantFrom('x', 'y', ' ', '\n'), maxLength: 40 });
const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 60 }));

/** Both, each in its order, as `choices` say. */
function woven(one: Buffer[], two: Buffer[], choices: Iterator<boolean>): Buffer {
  const out: Buffer[] = [];
  const [a, b] = [[...one], [...two]];
  while (a.length + b.length > 0)
    out.push((b.length === 0 || (a.length > 0 && choices.next().value) ? a : b).shift() as Buffer);
  return Buffer.concat(out);
}

describe('a log', () => {
  test('is the bytes of each stream, wherever what comes is cut, and however long its lines are', () => {
    fc.assert(
      fc.property(texts, texts, cuts, fc.infiniteStream(fc.boolean()), (out, err, lengths, choices) => {
        const log = woven(messages(1, out, false, 0), messages(2, err, false, 500), choices);
        expect(read(log, lengths)).toEqual({ 1: out, 2: err });
      }),
    );
  });

  test('of an old engine is the same, but for the end of a long line that is the last', () => {
    fc.assert(
      fc.property(texts, texts, cuts, fc.infiniteStream(fc.boolean()), (out, err, lengths, choices) => {
        const log = woven(messages(1, out, true, 0), messages(2, err, true, 500), choices);
        const last = (text: string) => text.split('\n').at(-2) ?? '';
        const known = (text: string) =>
          text.endsWith('\n') && last(text).length > CUT && last(text).length % CUT !== 0 ? text.slice(0, -1) : text;
        expect(read(log, lengths)).toEqual({ 1: known(out), 2: known(err) });
      }),
    );
  });

  test('has neighbours of one stream in one piece', () => {
    const lines = ['a\n', 'b\n', 'c\n'].map((line, i) => framed(1, i, line));
    const pieces = new LogFrames().feed(Buffer.concat([...lines, framed(2, 3, 'e\n')]));
    expect(pieces.map(({ stream, data }) => [stream, data.toString()])).toEqual([
      [1, 'a\nb\nc\n'],
      [2, 'e\n'],
    ]);
  });
});
