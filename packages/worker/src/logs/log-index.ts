/**
 * The marks beside a log: from this offset on, this stream, at this time. 16 bytes each, appended, in order of offset, so
 * that the mark for any offset is found by halving. The last mark of a whole log is `end`.
 *
 * Layout: kind (1 byte), 0, wall-clock milliseconds (6 bytes, big endian), 0 0, offset (6 bytes, big endian).
 */
import type { FileHandle } from 'node:fs/promises';

export type LogStream = 'stdout' | 'stderr' | 'system';
export type MarkKind = LogStream | 'end';

export interface Mark {
  readonly kind: MarkKind;
  /** Wall clock, milliseconds since the epoch. */
  readonly at: number;
  readonly offset: number;
}

export const MARK_BYTES = 16;
const CODES: Readonly<Record<MarkKind, number>> = { stdout: 1, stderr: 2, system: 3, end: 16 };
const KINDS = new Map<number, MarkKind>(Object.entries(CODES).map(([kind, code]) => [code, kind as MarkKind]));

export function encodeMarks(marks: readonly Mark[]): Buffer {
  const bytes = Buffer.alloc(marks.length * MARK_BYTES);
  for (const [i, mark] of marks.entries()) {
    bytes.writeUInt8(CODES[mark.kind], i * MARK_BYTES);
    bytes.writeUIntBE(Math.max(0, Math.floor(mark.at)), i * MARK_BYTES + 2, 6);
    bytes.writeUIntBE(mark.offset, i * MARK_BYTES + 10, 6);
  }
  return bytes;
}

export function decodeMarks(bytes: Buffer): Mark[] {
  const marks: Mark[] = [];
  for (let i = 0; i + MARK_BYTES <= bytes.length; i += MARK_BYTES) {
    const kind = KINDS.get(bytes.readUInt8(i));
    if (kind !== undefined) marks.push({ kind, at: bytes.readUIntBE(i + 2, 6), offset: bytes.readUIntBE(i + 10, 6) });
  }
  return marks;
}

/** Marks that say something about [from, to): the last one at or before `from`, and all that lie within. */
export async function readMarks(file: FileHandle, from: number, to: number): Promise<Mark[]> {
  const count = Math.floor((await file.stat()).size / MARK_BYTES);
  const first = Math.max(0, (await firstAfter(file, count, from)) - 1);
  const last = await firstAfter(file, count, to - 1);
  const bytes = Buffer.alloc((last - first) * MARK_BYTES);
  await file.read(bytes, 0, bytes.length, first * MARK_BYTES);
  return decodeMarks(bytes).filter((mark) => mark.kind !== 'end');
}

/** When the log was ended properly; undefined: its daemon died before. */
export async function readEnd(file: FileHandle): Promise<Mark | undefined> {
  const count = Math.floor((await file.stat()).size / MARK_BYTES);
  if (count === 0) return undefined;
  const bytes = Buffer.alloc(MARK_BYTES);
  await file.read(bytes, 0, MARK_BYTES, (count - 1) * MARK_BYTES);
  const [mark] = decodeMarks(bytes);
  return mark?.kind === 'end' ? mark : undefined;
}

/** Index of the first mark whose offset is greater than `offset`. */
async function firstAfter(file: FileHandle, count: number, offset: number): Promise<number> {
  const bytes = Buffer.alloc(6);
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    await file.read(bytes, 0, 6, middle * MARK_BYTES + 10);
    if (bytes.readUIntBE(0, 6) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
