/**
 * What the reads of one reader of a log share: memory, the list of the log's parts and the files themselves, so that not every
 * read looks for them and opens them. Whoever makes one closes it. What is read is decided by log-store.ts.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { BoiError } from '@boi/core';

export class LogReading {
  /** Of an ended log, once they are known. */
  parts: readonly { readonly start: number; readonly bytes: number }[] | undefined;
  readonly #name: string;
  readonly #bytesMax: number;
  readonly #open: (file: string) => Promise<FileHandle | undefined>;
  #memory: Buffer | undefined;
  #part: { readonly start: number; readonly file: FileHandle } | undefined;
  #index: FileHandle | undefined;

  constructor(name: string, bytesMax: number, open: (file: string) => Promise<FileHandle | undefined>) {
    this.#name = name;
    this.#bytesMax = bytesMax;
    this.#open = open;
  }

  /** Memory for that much, or as much as there may be. What was read into it before is lost. */
  room(bytes: number): Buffer {
    const size = Math.min(bytes, this.#bytesMax);
    if (this.#memory === undefined || this.#memory.length < size) this.#memory = Buffer.allocUnsafe(size);
    return this.#memory.subarray(0, size);
  }

  /** The part that begins at `start`, open; undefined: it is not there. */
  async part(start: number): Promise<FileHandle | undefined> {
    if (this.#part?.start === start) return this.#part.file;
    await this.#part?.file.close();
    this.#part = undefined;
    const file = await this.#open(start === 0 ? `${this.#name}.log` : `${this.#name}.log.${start}`);
    if (file !== undefined) this.#part = { start, file };
    return file;
  }

  async index(): Promise<FileHandle | undefined> {
    this.#index ??= await this.#open(`${this.#name}.idx`);
    return this.#index;
  }

  async close(): Promise<void> {
    await this.#part?.file.close();
    await this.#index?.close();
  }
}

/** Fills `bytes` from `position` on; fewer where the file ends. */
export async function readAt(file: FileHandle, position: number, bytes: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** Undefined: there is no such file. A link or a special file is an error. */
export async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new BoiError('log-unavailable', `the log cannot be opened (${code})`, { cause: error });
  }
}

/** As {@link openFile}. */
export async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T | undefined> {
  const file = await openFile(path);
  try {
    return file && (await use(file));
  } finally {
    await file?.close();
  }
}
