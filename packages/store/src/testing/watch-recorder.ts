/** A watch listener for tests: keeps what it was told and lets a test await more of it, without looking at a clock. */
import type { Revision, WatchEvent, WatchListener } from '../port.ts';

export class WatchRecorder implements WatchListener {
  readonly events: WatchEvent[] = [];
  readonly calls: { readonly events: readonly WatchEvent[]; readonly revision: Revision }[] = [];
  lost: { readonly reason: 'compacted' | 'refused'; readonly message: string } | undefined;
  #waiting: (() => void)[] = [];

  onEvents(events: readonly WatchEvent[], revision: Revision): void {
    this.calls.push({ events, revision });
    this.events.push(...events);
    this.#tell();
  }

  onLost(reason: 'compacted' | 'refused', message: string): void {
    this.lost = { reason, message };
    this.#tell();
  }

  /** Resolves once `done()` holds, looked at now and after every call of the store. */
  async until(done: (recorder: this) => boolean): Promise<void> {
    while (!done(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** One line per event, for comparison: `put key=value` or `delete key`. */
  lines(): string[] {
    return this.events.map((event) =>
      event.type === 'put' ? `put ${event.kv.key}=${event.kv.value}` : `delete ${event.key}`,
    );
  }

  #tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
