/** Cuts the log of an earlier life to a size, so that it can be gone on with: its parts, and the marks beside them. */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeMarks, MARK_BYTES, type Mark } from './log-index.ts';
import { parseLogFile } from './log-place.ts';

const EXISTING = constants.O_RDWR | constants.O_NOFOLLOW;

export interface Part {
  readonly start: number;
  bytes: number;
}

export interface CutLog {
  /** Oldest first. Those that the cap has removed are missing. */
  readonly parts: Part[];
  /** The last mark, and how many there are. */
  readonly last: { readonly mark: Mark; readonly count: number } | undefined;
}

/** Rejects if the log has fewer bytes than `size`. */
export async function cutLog(dir: string, name: string, size: number): Promise<CutLog> {
  const parts = await cutParts(dir, name, size);
  const last = parts.at(-1);
  const there = last === undefined ? 0 : last.start + last.bytes;
  if (there !== size) throw new Error(`its log has ${there} bytes of the ${size} that were kept`);
  return { parts, last: await cutMarks(join(dir, `${name}.idx`), size) };
}

async function cutParts(dir: string, name: string, size: number): Promise<Part[]> {
  const parts: Part[] = [];
  const names = await readdir(dir).catch(noneIfMissing);
  for (const file of names.filter((one) => one.startsWith(`${name}.log`))) {
    const start = parseLogFile(file)?.start;
    if (start === undefined) continue;
    const path = join(dir, file);
    if (start > 0 && start >= size) await unlink(path);
    else parts.push({ start, bytes: await using(path, (handle) => cut(handle, size - start)) });
  }
  return parts.sort((a, b) => a.start - b.start);
}

/** Marks are in order of offset; what is at `size` is said again with what comes there. */
async function cutMarks(path: string, size: number): Promise<CutLog['last']> {
  try {
    return await using(path, async (handle) => {
      const marks = decodeMarks(await handle.readFile());
      const end = marks.findIndex(({ kind, offset }) => kind === 'end' || offset >= size);
      const kept = end < 0 ? marks : marks.slice(0, end);
      await handle.truncate(kept.length * MARK_BYTES);
      const mark = kept.at(-1);
      return mark && { mark, count: kept.length };
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function cut(file: FileHandle, bytesMax: number): Promise<number> {
  const { size } = await file.stat();
  if (size > bytesMax) await file.truncate(bytesMax);
  return Math.min(size, bytesMax);
}

async function using<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, EXISTING);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function noneIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
