/**
 * Logs of tasks on this node's disk: opens writers for running tasks, reads any log at any offset, follows one as it grows.
 *
 * A reader reads from the files, never from the writer's queue, and is woken by the writer of a running task: however slow
 * it is, the task does not wait for it and nothing piles up. Directories and files are opened without following links.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BoiError, type Clock, type SpecId, type TaskId } from '@boi/core';
import { type LogStream, type Mark, readEnd, readMarks } from './log-index.ts';
import { type LogPlace, logName, logsRoot, parseLogFile } from './log-place.ts';
import { LogReading, openFile, readAt, withFile } from './log-reading.ts';
import { LogWriter } from './log-writer.ts';

/** What one read of many takes, which waits in memory for a slow reader. */
const SCAN_BYTES = 524_288;
const READ_BYTES_MAX = 4 * 1_048_576;

export interface LogSegment {
  /** In the log. It lasts until the next one, or the end of the chunk. */
  readonly offset: number;
  readonly stream: LogStream;
  /** Wall clock, milliseconds since the epoch. Absent: not recorded (the daemon died). */
  readonly at?: number;
}

export interface LogChunk {
  /** Where `bytes` begin. Greater than asked for when bytes in between are gone: see `gap`. */
  readonly offset: number;
  readonly bytes: Buffer;
  readonly segments: readonly LogSegment[];
  /** Bytes that the cap has removed, before this chunk. */
  readonly gap?: { readonly offset: number; readonly to: number };
}

export interface LogState {
  /** Bytes ever written. */
  readonly size: number;
  /** Nothing more will be written. */
  readonly ended: boolean;
  /** It was closed properly; false for an ended log: its daemon died while the task ran. */
  readonly complete: boolean;
}

export interface LogStoreOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  /** Cap of one log. Default 1 GiB. */
  readonly bytesMax?: number;
}

const BYTES_MAX = 2 ** 30;

export class LogStore {
  readonly #options: LogStoreOptions;
  readonly #root: string;
  readonly #live = new Map<string, LogWriter>();

  constructor(options: LogStoreOptions) {
    this.#options = options;
    this.#root = logsRoot(options.dataDir);
  }

  get root(): string {
    return this.#root;
  }

  /** The writer of a task that starts now; it counts as running until its `end`. */
  create(place: LogPlace): LogWriter {
    const name = logName(place);
    const writer = new LogWriter({
      dir: join(this.#root, place.spec),
      name,
      bytesMax: this.#options.bytesMax ?? BYTES_MAX,
      clock: this.#options.clock,
    });
    this.#live.set(name, writer);
    return writer;
  }

  /** The writer of a log that an earlier life began, from `size` on: what is behind that is cut off. Rejects if it is shorter. */
  async resume(place: LogPlace, size: number): Promise<LogWriter> {
    const name = logName(place);
    const { bytesMax = BYTES_MAX, clock } = this.#options;
    const writer = await LogWriter.resume({ dir: join(this.#root, place.spec), name, bytesMax, clock }, size);
    this.#live.set(name, writer);
    return writer;
  }

  /** To be called after the writer's `end`: readers of the files take over from here. */
  forget(place: LogPlace): void {
    this.#live.delete(logName(place));
  }

  isLive(place: LogPlace): boolean {
    return this.#live.has(logName(place));
  }

  /** Attempts and deliveries of a task that have a log here, oldest first. */
  async attempts(spec: SpecId, task: TaskId): Promise<readonly { attempt: number; delivery: number }[]> {
    logName({ spec, task, attempt: 1, delivery: 1 });
    const known = new Map<string, { attempt: number; delivery: number }>();
    const names = await readdir(join(this.#root, spec)).catch(emptyIfMissing);
    for (const name of [...names, ...[...this.#live.keys()].map((base) => `${base}.log`)]) {
      const file = parseLogFile(name);
      if (file?.task !== task) continue;
      known.set(`${file.attempt}.${file.delivery}`, { attempt: file.attempt, delivery: file.delivery });
    }
    return [...known.values()].sort((a, b) => a.attempt - b.attempt || a.delivery - b.delivery);
  }

  /** Size and whether it has ended. Throws `log-unavailable` if there is no such log here. */
  async state(place: LogPlace): Promise<LogState> {
    const live = this.#live.get(logName(place));
    if (live !== undefined) return { size: live.size, ended: live.ended, complete: live.ended };
    return this.#inDirectory(place, async (at) => {
      const parts = await this.#parts(place, at);
      const last = parts.at(-1);
      const end = await withFile(at(`${logName(place)}.idx`), readEnd);
      if (last === undefined && end === undefined) throw unavailable(place);
      return { size: last === undefined ? 0 : last.start + last.bytes, ended: true, complete: end !== undefined };
    });
  }

  /**
   * Up to `limit` bytes from `offset` on (both in bytes of the log); empty at the end. Throws `log-unavailable`.
   */
  async read(place: LogPlace & { readonly offset: number; readonly limit: number }): Promise<LogChunk> {
    if (!Number.isSafeInteger(place.offset) || place.offset < 0 || !(place.limit > 0)) {
      throw new BoiError('bad-request', 'offset is a whole number from 0, limit one from 1');
    }
    const reading = this.#reading(place, Math.min(place.limit, READ_BYTES_MAX));
    return await this.#read(place, reading).finally(() => reading.close());
  }

  /**
   * What there is in [offset, to), at most `limit` bytes of it. The bytes of a chunk are good until the next is asked for: all
   * are read into the same memory.
   */
  async *scan(
    place: LogPlace & {
      readonly offset: number;
      readonly to: number;
      readonly limit?: number;
      readonly signal: AbortSignal;
    },
  ): AsyncGenerator<LogChunk, void> {
    let { offset } = place;
    let left = place.limit ?? Number.POSITIVE_INFINITY;
    const reading = this.#reading(place, Math.min(SCAN_BYTES, left));
    try {
      while (offset < place.to && left > 0) {
        place.signal.throwIfAborted();
        const chunk = await this.#read({ ...place, offset, limit: Math.min(left, place.to - offset) }, reading);
        if (chunk.bytes.length === 0 && chunk.gap === undefined) return;
        yield chunk;
        offset = chunk.offset + chunk.bytes.length;
        left -= chunk.bytes.length;
      }
    } finally {
      await reading.close();
    }
  }

  /**
   * Chunks from `offset` on as they come, until the log has ended and all was read, or `signal` aborts (then it throws). Their
   * bytes are good until the next is asked for.
   */
  async *follow(
    place: LogPlace & { readonly offset: number; readonly signal: AbortSignal },
  ): AsyncGenerator<LogChunk, LogState> {
    const { signal } = place;
    let { offset } = place;
    for (;;) {
      signal.throwIfAborted();
      const live = this.#live.get(logName(place));
      const state = await this.state(place);
      const before = offset;
      for await (const chunk of this.scan({ ...place, offset, to: state.size })) {
        offset = chunk.offset + chunk.bytes.length;
        yield chunk;
      }
      if (offset > before) continue;
      if (state.ended) return state;
      // Nothing comes between this look and the wait, so no growth is slept through.
      if (live !== undefined && !live.ended && live.size <= offset) await live.changed(signal);
    }
  }

  #reading(place: LogPlace, bytesMax: number): LogReading {
    const open = (file: string) => this.#inDirectory(place, (at) => openFile(at(file)));
    return new LogReading(logName(place), bytesMax, open);
  }

  async #read(
    place: LogPlace & { readonly offset: number; readonly limit: number },
    by: LogReading,
  ): Promise<LogChunk> {
    const live = this.#live.get(logName(place));
    await live?.syncMarks();
    for (;;) {
      // The parts of an ended log are looked for once: a spec's directory can be a long one.
      if (live === undefined) by.parts ??= await this.#inDirectory(place, (at) => this.#parts(place, at));
      const part = (live?.parts ?? by.parts)?.find((p) => place.offset < p.start + p.bytes);
      if (part === undefined) return { offset: place.offset, bytes: Buffer.alloc(0), segments: [] };
      const { start } = part;
      const offset = Math.max(place.offset, start);
      const length = Math.min(place.limit, start + part.bytes - offset);
      const file = await by.part(start);
      // Removed by the cap since the list was taken: look again, there is a gap now.
      if (file === undefined && live !== undefined) continue;
      if (file === undefined) throw unavailable(place);
      const bytes = await readAt(file, offset - start, by.room(length));
      const index = await by.index();
      const marks = index === undefined ? [] : await readMarks(index, offset, offset + bytes.length);
      const gap = offset > place.offset ? { gap: { offset: place.offset, to: offset } } : {};
      return { offset, bytes, segments: segmentsOf(marks, offset), ...gap };
    }
  }

  /** Runs `use` with a way to name files of the spec's directory that no symbolic link can turn elsewhere. */
  async #inDirectory<T>(place: LogPlace, use: (at: (name: string) => string) => Promise<T>): Promise<T> {
    let directory: FileHandle;
    try {
      directory = await open(
        join(this.#root, place.spec),
        constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
      );
    } catch (error) {
      if (this.isLive(place) && (error as NodeJS.ErrnoException).code === 'ENOENT')
        return use((name) => `/nonexistent/${name}`);
      throw unavailable(place, error);
    }
    try {
      return await use((name) => `/proc/self/fd/${directory.fd}/${name}`);
    } finally {
      await directory.close();
    }
  }

  async #parts(place: LogPlace, at: (name: string) => string): Promise<{ start: number; bytes: number }[]> {
    const prefix = `${logName(place)}.log`;
    const parts: { start: number; bytes: number }[] = [];
    for (const name of await readdir(at('.')).catch(emptyIfMissing)) {
      const start = name.startsWith(prefix) ? parseLogFile(name)?.start : undefined;
      if (start === undefined) continue;
      const bytes = await withFile(at(name), async (file) => (await file.stat()).size);
      if (bytes !== undefined) parts.push({ start, bytes });
    }
    return parts.sort((a, b) => a.start - b.start);
  }
}

function segmentsOf(marks: readonly Mark[], offset: number): LogSegment[] {
  const segments = marks.map(
    (mark): LogSegment => ({
      offset: Math.max(mark.offset, offset),
      stream: mark.kind === 'end' ? 'system' : mark.kind,
      at: mark.at,
    }),
  );
  // Marks that died with their daemon: the bytes are there, their stream is not known.
  if (segments[0]?.offset !== offset) segments.unshift({ offset, stream: 'stdout' });
  return segments;
}

function emptyIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

function unavailable(place: LogPlace, cause?: unknown): BoiError {
  const which = `attempt ${place.attempt}, delivery ${place.delivery} of ${place.task}`;
  return new BoiError('log-unavailable', `this node has no log of ${which}; it may have been removed by age or size`, {
    cause,
  });
}
