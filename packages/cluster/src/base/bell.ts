/**
 * How a loop waits: for a time, or until somebody rings. A ring while nobody waits is kept until `clear`, which a loop calls
 * before it looks at what there is to do; so nothing that happens while it looks is slept over. Used by the claim loop, the
 * session, the coordinators and the duties.
 */
import type { Clock, Timer } from '@boi/core';

export class Bell {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #rung = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends every wait under way, and the next one unless it is cleared before. */
  ring(): void {
    this.#rung = true;
    if (this.#waiting.size > 0) for (const wake of [...this.#waiting]) wake();
  }

  /** Forgets what has rung so far. */
  clear(): void {
    this.#rung = false;
  }

  /** Resolves after `delayMs`, or when it rings or has rung; without a time only then. */
  async wait(delayMs?: number): Promise<void> {
    if (this.#rung) return;
    await new Promise<void>((resolve) => {
      let timer: Timer | undefined;
      const done = () => {
        timer?.cancel();
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
      if (delayMs !== undefined) timer = this.#clock.timer(delayMs, done);
    });
  }
}
