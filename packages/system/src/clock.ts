/** The host's clock behind {@link Clock}: `performance.now` for durations, `Date.now` for timestamps, Node's timers. */
import { performance } from 'node:perf_hooks';
import type { Clock, Timer } from '@boi/core';

/** Longest delay Node's timers take; a longer one would fire at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export interface SystemClockOptions {
  /** Pending timers do not keep the process alive. Default false. */
  readonly unref?: boolean;
}

/** A clock of the host. Timers of any length; none fires before its delay has passed on the monotonic clock. */
export function createSystemClock(options: SystemClockOptions = {}): Clock {
  return {
    now: () => Date.now(),
    mono: () => performance.now(),
    timer: (delayMs, fn) => new HostTimer(delayMs, fn, options.unref === true),
  };
}

export const systemClock: Clock = createSystemClock();

class HostTimer implements Timer {
  readonly #dueMs: number;
  readonly #fn: () => void;
  readonly #unref: boolean;
  #handle: NodeJS.Timeout;

  constructor(delayMs: number, fn: () => void, unref: boolean) {
    this.#dueMs = performance.now() + Math.max(0, delayMs);
    this.#fn = fn;
    this.#unref = unref;
    this.#handle = this.#arm(delayMs);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #arm(delayMs: number): NodeJS.Timeout {
    const handle = setTimeout(() => this.#due(), Math.min(Math.max(0, Math.ceil(delayMs)), TIMEOUT_MS_MAX));
    if (this.#unref) handle.unref();
    return handle;
  }

  /** Node counts in whole milliseconds of its loop's time, so it can be a fraction early. */
  #due(): void {
    const leftMs = this.#dueMs - performance.now();
    if (leftMs > 0) this.#handle = this.#arm(leftMs);
    else this.#fn();
  }
}
