/**
 * The file: lines, each a JSON document of one event, only ever appended to, each event once. What a crash left half at the end
 * is cut off at the next start; what is delivered again is recognized by its id among the last lines.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { SequencedEvent } from '@boi/plugin-sdk';

/** Enough for everything that can be unacknowledged, and so delivered again. */
const REMEMBERED_IDS = 1_000;
const TAIL_BYTES = 1_048_576;

export class EventFile {
  readonly #file: FileHandle;
  readonly #known: Set<string>;
  #bytes: number;

  private constructor(file: FileHandle, bytes: number, known: Set<string>) {
    this.#file = file;
    this.#bytes = bytes;
    this.#known = known;
  }

  static async open(path: string): Promise<EventFile> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const tail = Buffer.alloc(size - start);
    await file.read(tail, 0, tail.length, start);
    const end = tail.lastIndexOf(10) + 1;
    const bytes = start + end;
    if (bytes < size) {
      process.stderr.write(`${size - bytes} bytes of an unfinished line were cut off ${path}\n`);
      await file.truncate(bytes);
    }
    const lines = tail.subarray(0, end).toString('utf8').split('\n').slice(0, -1);
    const whole = start > 0 ? lines.slice(1) : lines;
    const ids = whole.slice(-REMEMBERED_IDS).flatMap((line) => idIn(line) ?? []);
    return new EventFile(file, bytes, new Set(ids));
  }

  /** Resolves when the events are on the disk. */
  async append(events: readonly SequencedEvent[]): Promise<void> {
    const fresh = events.filter(({ event }) => !this.#known.has(event.id));
    if (fresh.length === 0) return;
    const lines = fresh.map(({ sequence, event }) => `${JSON.stringify({ sequence, ...event })}\n`);
    const bytes = Buffer.from(lines.join(''));
    // At a position of its own choice: after a write that failed half-way the next one begins where it began.
    for (let done = 0; done < bytes.length; )
      done += (await this.#file.write(bytes, done, bytes.length - done, this.#bytes + done)).bytesWritten;
    await this.#file.datasync();
    this.#bytes += bytes.length;
    for (const { event } of fresh) this.#known.add(event.id);
    for (const id of this.#known) {
      if (this.#known.size <= REMEMBERED_IDS) break;
      this.#known.delete(id);
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function idIn(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { readonly id?: string }).id;
  } catch {
    return undefined;
  }
}
