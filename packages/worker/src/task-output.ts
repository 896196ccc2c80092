/** What a task writes on its way to its log: masked, the end of it kept for the result, the writer held back by a slow disk. */
import type { LogPlace } from './logs/log-place.ts';
import type { LogStore } from './logs/log-store.ts';
import type { LogWriter } from './logs/log-writer.ts';
import { Masker } from './masker.ts';
import { OutputTail, TAIL_KEPT_BYTES } from './output-tail.ts';

type Stream = 'stdout' | 'stderr';

export class TaskOutput {
  readonly #logs: LogStore;
  readonly #place: LogPlace;
  readonly #log: LogWriter;
  readonly #tail = new OutputTail();
  /** One per stream, since their bytes interleave; the first is used for single texts too. */
  #maskers = { stdout: new Masker([]), stderr: new Masker([]) };

  /** `log`: one that goes on. Else a new one, from the start, so that a follower who comes before the first byte is served. */
  constructor(logs: LogStore, place: LogPlace, log = logs.create(place)) {
    this.#logs = logs;
    this.#place = place;
    this.#log = log;
  }

  /** Goes on with an earlier life's log from `size` on; what is behind that is cut off, and comes again. Rejects if it is shorter. */
  static async resume(logs: LogStore, place: LogPlace, size: number): Promise<TaskOutput> {
    const output = new TaskOutput(logs, place, await logs.resume(place, size));
    const offset = Math.max(0, size - TAIL_KEPT_BYTES);
    if (offset < size) {
      const { bytes, segments, ...chunk } = await logs.read({ ...place, offset, limit: TAIL_KEPT_BYTES });
      for (const [i, segment] of segments.entries()) {
        const end = segments[i + 1]?.offset;
        const part = bytes.subarray(segment.offset - chunk.offset, end && end - chunk.offset);
        if (segment.stream !== 'system') output.#tail.add(part);
      }
    }
    return output;
  }

  /** How long the log is with all that came so far in its files; undefined: some is held back, since it may begin a secret. */
  async settled(): Promise<number | undefined> {
    await this.#log.flushed();
    const { stdout, stderr } = this.#maskers;
    return stdout.holds || stderr.holds ? undefined : this.#log.size;
  }

  /** From here on these values are not shown. */
  hide(secrets: readonly string[]): void {
    this.#maskers = { stdout: new Masker(secrets), stderr: new Masker(secrets) };
  }

  /** The next bytes are to come when the promise resolves; undefined: at once. */
  write(stream: Stream, raw: Buffer): Promise<void> | undefined {
    return this.#keep(stream, this.#maskers[stream].push(raw));
  }

  /** What the maskers held back: a program has ended, and with it both of its streams. */
  flush(): void {
    for (const stream of ['stdout', 'stderr'] as const) this.#keep(stream, this.#maskers[stream].flush());
  }

  /** A line of the node's own. */
  note(line: string): void {
    this.#log.write('system', Buffer.from(`${this.mask(line)}\n`));
  }

  mask(text: string): string {
    return this.#maskers.stdout.text(text);
  }

  /** Resolves when the log cannot be written. */
  get failed(): Promise<Error> {
    return this.#log.failed;
  }

  get error(): Error | undefined {
    return this.#log.error;
  }

  get tail(): string {
    return this.#tail.text();
  }

  /** Answers how many bytes the log has. */
  async close(): Promise<number> {
    await this.#log.end();
    this.#logs.forget(this.#place);
    return this.#log.size;
  }

  #keep(stream: Stream, masked: Buffer): Promise<void> | undefined {
    if (masked.length === 0) return undefined;
    this.#tail.add(masked);
    return this.#log.write(stream, masked) === false ? this.#log.drained() : undefined;
  }
}
