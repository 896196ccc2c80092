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
/** 16 KiB. */
const MARKS_AT_ONCE = 1024;
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
  // Halved on disk until one read takes what is left: with most logs that is at once.
  let low = 0;
  let high = count;
  while (high - low > MARKS_AT_ONCE) {
    const middle = (low + high) >> 1;
    if (countUpTo(await readAt(file, middle, middle + 1), from) > 0) low = middle;
    else high = middle;
  }
  const marks: Mark[] = [];
  for (let at = low; at < count; at += MARKS_AT_ONCE) {
    const bytes = await readAt(file, at, Math.min(count, at + MARKS_AT_ONCE));
    const first = Math.max(0, countUpTo(bytes, from) - 1);
    const end = countUpTo(bytes, to - 1);
    marks.push(...decodeMarks(bytes.subarray(first * MARK_BYTES, end * MARK_BYTES)));
    if (end * MARK_BYTES < bytes.length) break;
  }
  return marks.filter((mark) => mark.kind !== 'end');
}

/** When the log was ended properly; undefined: its daemon died before. */
export async function readEnd(file: FileHandle): Promise<Mark | undefined> {
  const count = Math.floor((await file.stat()).size / MARK_BYTES);
  if (count === 0) return undefined;
  const [mark] = decodeMarks(await readAt(file, count - 1, count));
  return mark?.kind === 'end' ? mark : undefined;
}

/** The marks with numbers [from, to), as they are on disk. */
async function readAt(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc((to - from) * MARK_BYTES);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, from * MARK_BYTES);
  return bytes.subarray(0, bytesRead);
}

/** How many of these marks have an offset of at most `offset`. */
function countUpTo(marks: Buffer, offset: number): number {
  let low = 0;
  let high = Math.floor(marks.length / MARK_BYTES);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (marks.readUIntBE(middle * MARK_BYTES + 10, 6) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
