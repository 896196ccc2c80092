/**
 * Writes the log of one running task. Bytes are queued, written in order by one write at a time, and the caller is told to
 * pause its pipe when more than a little waits: memory stays flat however much a task prints and however slow the disk.
 *
 * States: open → (failed) → ended. After a disk error everything further is dropped and `failed` resolves; the task is
 * ended by whoever listens, the daemon goes on.
 *
 * Beyond the cap the first half is kept, then a marker stands as a line of the log itself, then the newest part; the
 * oldest of what follows the marker is removed as more arrives. Offsets never change: they count what was ever written.
 */
import { close, constants, open as openDescriptor, write } from 'node:fs';
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '@boi/core';
import { cutLog, type Part } from './cut-log.ts';
import { encodeMarks, type LogStream, type Mark, type MarkKind } from './log-index.ts';

/** More than this waits for the disk: the pipe is paused. Four reads of a pipe. */
const QUEUE_BYTES_MAX = 262_144;
/** A new mark for the time after this long of one stream. */
const MARK_MS = 100;
/** Marks wait in memory for a reader, this many, or this long. */
const MARKS_PENDING_MAX = 256;
const MARKS_PENDING_MS_MAX = 1_000;
/** 16 MiB of marks; beyond, what alternates faster is shown as the stream of the last mark. */
const MARKS_MAX = 1_048_576;
/** The newest half is kept in this many files, so that removing the oldest is cheap. */
const PARTS = 4;
/** By descriptor: each task has marks to append, and a handle of `node:fs/promises` costs several times as much. */
const file = { open: promisify(openDescriptor), write: promisify(write), close: promisify(close) };
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

export interface LogWriterOptions {
  /** Directory of the spec's logs; made when missing. */
  readonly dir: string;
  /** {@link logName} of the place. */
  readonly name: string;
  readonly bytesMax: number;
  readonly clock: Clock;
}

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #headBytesMax: number;
  readonly #parts: Part[] = [{ start: 0, bytes: 0 }];
  #file: FileHandle | undefined;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** Offset after all that was queued; after all that was written. */
  #queuedTo = 0;
  #writtenTo = 0;
  #marked = false;
  #marks: Mark[] = [];
  #marksWritten = 0;
  #marksFlushedMs: number;
  #last: Mark | undefined;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> = Promise.resolve();
  #ended = false;
  #error: Error | undefined;
  #drained: (() => void)[] = [];
  #changed: (() => void)[] = [];
  /** Resolves when the disk refused a write. */
  readonly failed: Promise<Error>;
  #onFailed: (error: Error) => void = () => undefined;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#headBytesMax = Math.max(1, Math.floor(options.bytesMax / 2));
    this.#marksFlushedMs = options.clock.mono();
    this.failed = new Promise((resolve) => {
      this.#onFailed = resolve;
    });
  }

  /** One that goes on at `size`, behind what an earlier life wrote; what is there beyond is cut off. Rejects if there is less. */
  static async resume(options: LogWriterOptions, size: number): Promise<LogWriter> {
    const writer = new LogWriter(options);
    const { parts, last } = await cutLog(options.dir, options.name, size);
    if (parts.length > 0) writer.#parts.splice(0, 1, ...parts);
    writer.#queuedTo = size;
    writer.#writtenTo = size;
    writer.#marked = size >= writer.#headBytesMax;
    writer.#marksWritten = last === undefined ? 0 : last.count;
    writer.#last = last?.mark;
    return writer;
  }

  /** Bytes on disk, those removed by the cap included. */
  get size(): number {
    return this.#writtenTo;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  /** Parts that exist, oldest first. */
  get parts(): readonly Readonly<Part>[] {
    return this.#parts;
  }

  /** Queues bytes. False: wait for {@link drained} before the next. */
  write(stream: LogStream, bytes: Buffer): boolean {
    if (bytes.length === 0 || this.#error !== undefined || this.#ended) return true;
    const room = this.#headBytesMax - this.#queuedTo;
    if (!this.#marked && bytes.length >= room) {
      this.#marked = true;
      this.#enqueue(stream, bytes.subarray(0, room));
      this.#enqueue('system', Buffer.from(marker(this.#options.bytesMax)));
      this.#enqueue(stream, bytes.subarray(room));
    } else this.#enqueue(stream, bytes);
    this.#writing ??= this.#flush();
    return this.#queuedBytes < QUEUE_BYTES_MAX;
  }

  /** Resolves when there is room again, or nothing more will be written. */
  drained(): Promise<void> {
    if (this.#queuedBytes < QUEUE_BYTES_MAX || this.#error !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Resolves when all that was queued is written, or the disk has refused. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Resolves at the next growth or the end. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#changed.push(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  /** Writes what waits and the end mark, closes. Never rejects; a disk error is in {@link error}. */
  async end(): Promise<void> {
    await this.flushed();
    if (this.#ended) return;
    this.#mark('end', this.#writtenTo);
    this.#ended = true;
    await this.syncMarks();
    await this.#file?.close().catch((error: Error) => this.#fail(error));
    this.#file = undefined;
    this.#wake();
  }

  /** Puts pending marks on disk: for a reader, and from time to time. One append at a time keeps them in order. */
  syncMarks(): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#appendPending());
    return this.#syncing;
  }

  async #appendPending(): Promise<void> {
    if (this.#marks.length === 0) return;
    const bytes = encodeMarks(this.#marks);
    this.#marks = [];
    this.#marksFlushedMs = this.#options.clock.mono();
    const { dir, name } = this.#options;
    try {
      await inDirectory(dir, () => append(join(dir, `${name}.idx`), bytes));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #enqueue(stream: LogStream, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const nowMs = this.#options.clock.now();
    if (this.#last?.kind !== stream || nowMs - this.#last.at >= MARK_MS) this.#mark(stream, this.#queuedTo);
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#queuedTo += bytes.length;
  }

  #mark(kind: MarkKind, offset: number): void {
    if (kind !== 'end' && this.#marksWritten >= MARKS_MAX) return;
    this.#marksWritten++;
    this.#last = { kind, offset, at: this.#options.clock.now() };
    this.#marks.push(this.#last);
  }

  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0 && this.#error === undefined) {
        const part = this.#parts.at(-1) as Part;
        const room = this.#limitOf(part) - part.bytes;
        if (room <= 0) {
          await this.#roll();
          continue;
        }
        await this.#append(part, this.#take(room));
        this.#settle();
        const pendingMs = this.#options.clock.mono() - this.#marksFlushedMs;
        if (this.#marks.length >= MARKS_PENDING_MAX || pendingMs > MARKS_PENDING_MS_MAX) await this.syncMarks();
      }
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#writing = undefined;
    }
  }

  /** Up to `room` bytes from the head of the queue. */
  #take(room: number): Buffer[] {
    const taken: Buffer[] = [];
    let left = room;
    while (left > 0) {
      const head = this.#queue[0];
      if (head === undefined) break;
      if (head.length <= left) {
        this.#queue.shift();
        taken.push(head);
        left -= head.length;
      } else {
        taken.push(head.subarray(0, left));
        this.#queue[0] = head.subarray(left);
        left = 0;
      }
    }
    return taken;
  }

  async #append(part: Part, buffers: Buffer[]): Promise<void> {
    const { dir, name } = this.#options;
    this.#file ??= await openAppend(dir, part.start === 0 ? `${name}.log` : `${name}.log.${part.start}`);
    let left = buffers;
    while (left.length > 0) {
      const { bytesWritten } = await this.#file.writev(left);
      part.bytes += bytesWritten;
      this.#writtenTo += bytesWritten;
      this.#queuedBytes -= bytesWritten;
      left = rest(left, bytesWritten);
    }
  }

  #limitOf(part: Part): number {
    if (part.start === 0) return this.#headBytesMax + Buffer.byteLength(marker(this.#options.bytesMax));
    return Math.max(1, Math.floor((this.#options.bytesMax - this.#headBytesMax) / PARTS));
  }

  /** Begins a new part, and drops the oldest but the head when those after it are too many. */
  async #roll(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.#parts.push({ start: this.#writtenTo, bytes: 0 });
    if (this.#parts.length <= PARTS + 2) return;
    const [dropped] = this.#parts.splice(1, 1);
    const { dir, name } = this.#options;
    if (dropped !== undefined) await unlink(join(dir, `${name}.log.${dropped.start}`));
  }

  #settle(): void {
    if (this.#queuedBytes < QUEUE_BYTES_MAX) for (const resolve of this.#drained.splice(0)) resolve();
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }

  #fail(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#onFailed(error);
    this.#settle();
  }
}

function marker(bytesMax: number): string {
  return `\n[boi] the output reached its cap of ${bytesMax} bytes; from here on only the newest part is kept\n`;
}

function rest(buffers: Buffer[], written: number): Buffer[] {
  let skip = written;
  const left: Buffer[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length;
    else {
      left.push(buffer.subarray(skip));
      skip = 0;
    }
  }
  return left;
}

function openAppend(dir: string, name: string): Promise<FileHandle> {
  return inDirectory(dir, () => open(join(dir, name), APPEND, 0o600));
}

async function append(path: string, bytes: Buffer): Promise<void> {
  const fd = await file.open(path, APPEND, 0o600);
  try {
    for (let left = bytes; left.length > 0; ) left = left.subarray((await file.write(fd, left)).bytesWritten);
  } finally {
    await file.close(fd);
  }
}

/** The directory is made when the first file of a spec finds none. */
async function inDirectory<T>(dir: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return make();
  }
}
