/** What a deliverer takes events from: the audit trail or a best-effort queue. */
import type { SequencedEvent } from '@boi/proto';

export interface DeliverySource {
  /** Events with a sequence above `sequence`, in order, at most `max`. */
  after(sequence: number, max: number): readonly SequencedEvent[];
  /** The plugin needs nothing up to and including this sequence again. */
  acknowledge(sequence: number): void;
  /** The last acknowledged sequence. */
  readonly acknowledged: number;
  /** The last sequence there is. */
  readonly last: number;
  /** Resolves when there is something above `sequence`. */
  more(sequence: number, signal: AbortSignal): Promise<void>;
}

/** Wakes those who wait for a condition; each looks again for itself. */
export class Wakeup {
  readonly #waiting = new Set<() => void>();

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Resolves at the next `wake`, or when the signal aborts. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
      if (signal?.aborted) done();
    });
  }
}
