/**
 * One scan of `/proc` for all tasks that ask at about the same time. A request is answered by a scan that began after it,
 * so what it shows is never older than the question. The first question after a quiet spell is answered at once; under
 * load scans keep a distance of ten times what one takes, so that they never cost more than a tenth of a CPU.
 */
import type { Clock } from '@boi/core';
import { ProcessScanner, type ProcessSnapshot } from './process-scan.ts';

const DISTANCE_MS_MIN = 2;
const DISTANCE_MS_MAX = 20;
const DISTANCE_FACTOR = 10;
/** How fast what a scan is thought to take may grow, so that being preempted once is not taken for being slow. */
const GROWTH = 1.25;

export class ProcessTable {
  readonly #clock: Clock;
  readonly #scanner = new ProcessScanner();
  #waiting: ((snapshot: ProcessSnapshot) => void)[] = [];
  #lastBeganMs = Number.NEGATIVE_INFINITY;
  /** A lower envelope of what scans took. */
  #takesMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The processes of the host, as of a moment after this call. */
  snapshot(): Promise<ProcessSnapshot> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length > 1) return;
      const distanceMs = Math.min(DISTANCE_MS_MAX, Math.max(DISTANCE_MS_MIN, DISTANCE_FACTOR * this.#takesMs));
      const waitMs = this.#lastBeganMs + distanceMs - this.#clock.mono();
      if (waitMs > 0) this.#clock.timer(waitMs, () => this.#scan());
      else setImmediate(() => this.#scan());
    });
  }

  #scan(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#lastBeganMs = this.#clock.mono();
    const snapshot = this.#scanner.scan(this.#lastBeganMs);
    const tookMs = this.#clock.mono() - this.#lastBeganMs;
    this.#takesMs = this.#takesMs === 0 ? tookMs : Math.min(tookMs, GROWTH * this.#takesMs);
    for (const resolve of waiting) resolve(snapshot);
  }
}
