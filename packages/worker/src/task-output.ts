/** What a task writes on its way to its log: masked, the end of it kept for the result, the writer held back by a slow disk. */
import type { LogPlace } from './logs/log-place.ts';
import type { LogStore } from './logs/log-store.ts';
import type { LogWriter } from './logs/log-writer.ts';
import { Masker } from './masker.ts';
import { OutputTail } from './output-tail.ts';

type Stream = 'stdout' | 'stderr';

export class TaskOutput {
  readonly #logs: LogStore;
  readonly #place: LogPlace;
  readonly #log: LogWriter;
  readonly #tail = new OutputTail();
  /** One per stream, since their bytes interleave; the first is used for single texts too. */
  #maskers = { stdout: new Masker([]), stderr: new Masker([]) };

  constructor(logs: LogStore, place: LogPlace) {
    this.#logs = logs;
    this.#place = place;
    // From the start, so that a follower who comes before the first byte is served.
    this.#log = logs.create(place);
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
