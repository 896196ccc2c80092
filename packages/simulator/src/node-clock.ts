/**
 * One node's view of the simulation's clock: its own wall-clock offset, its own rate, and a process that can be frozen
 * (SIGSTOP) or gone. Timers that come due in a frozen process fire when it is thawed, in their order; time goes on meanwhile.
 * Timers of a process that is gone never fire. What belongs to the host (task processes, their guard) uses {@link host}.
 */
import type { Clock, Timer } from '@boi/core';

export interface NodeClockOptions {
  readonly clock: Clock;
  /** Milliseconds added to the wall clock. */
  readonly wallOffsetMs: number;
  /** Monotonic milliseconds here per millisecond there: 1 ± a few thousandths. */
  readonly rate: number;
}

export class NodeClock implements Clock {
  readonly #clock: Clock;
  #wallOffsetMs: number;
  readonly #rate: number;
  #held: (() => void)[] | undefined;
  #dead = false;

  constructor(options: NodeClockOptions) {
    this.#clock = options.clock;
    this.#wallOffsetMs = options.wallOffsetMs;
    this.#rate = options.rate;
  }

  now(): number {
    return this.#clock.now() + this.#wallOffsetMs;
  }

  mono(): number {
    return this.#clock.mono() * this.#rate;
  }

  /** The wall clock only, as when somebody sets it. */
  setWall(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs;
  }

  timer(delayMs: number, fn: () => void): Timer {
    return this.#timer(delayMs, () => this.run(fn));
  }

  /** The same time, for what goes on when the process is frozen. */
  get host(): Clock {
    return { now: () => this.now(), mono: () => this.mono(), timer: (delayMs, fn) => this.#timer(delayMs, fn) };
  }

  get frozen(): boolean {
    return this.#held !== undefined;
  }

  freeze(): void {
    this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const fn of held ?? []) if (!this.#dead) fn();
  }

  kill(): void {
    this.#dead = true;
    this.#held = undefined;
  }

  /** Now, or when thawed; never in a process that is gone. */
  run(fn: () => void): void {
    if (this.#dead) return;
    if (this.#held !== undefined) this.#held.push(fn);
    else fn();
  }

  #timer(delayMs: number, fn: () => void): Timer {
    return this.#clock.timer(delayMs / this.#rate, fn);
  }
}
