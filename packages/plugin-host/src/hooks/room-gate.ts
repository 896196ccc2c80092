/**
 * Who may emit now, and who waits: at most so many events outstanding, those who wait let in in the order in which they came, so
 * that causes stay before effects. Knows when that has lasted: *saturated* from {@link SATURATED_AFTER_MS} without a moment of
 * room until half of the room is free, so that a plugin that is merely slower than a burst is no episode, and one that stands
 * still is one episode however long it does.
 */
import type { Clock, Timer } from '@boi/core';
import { Wakeup } from './source.ts';

export const SATURATED_AFTER_MS = 2_000;

export interface RoomGateOptions {
  readonly clock: Clock;
  readonly outstandingMax: number;
  readonly outstanding: () => number;
  readonly onSaturated: (saturated: boolean) => void;
}

export class RoomGate {
  readonly #options: RoomGateOptions;
  readonly #waiting: (() => void)[] = [];
  readonly #wakeup = new Wakeup();
  #full: Timer | undefined;
  #saturated = false;
  #closed = false;

  constructor(options: RoomGateOptions) {
    this.#options = options;
  }

  /** Whether the next to come would be let in at once. */
  get isOpen(): boolean {
    return this.#waiting.length === 0 && this.#hasRoom();
  }

  /** Resolves when the gate may be open, or the signal aborts. */
  async untilOpen(signal: AbortSignal): Promise<void> {
    while (!this.isOpen && !signal.aborted) await this.#wakeup.next(signal);
  }

  /** Calls `enter`, which takes the room, at this one's turn. Rejects when the signal aborts before. */
  enter(enter: () => void, signal: AbortSignal): Promise<void> {
    if (this.isOpen) {
      enter();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const left = () => {
        const at = this.#waiting.indexOf(admitted);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
        this.look();
      };
      const admitted = () => {
        signal.removeEventListener('abort', left);
        enter();
        resolve();
      };
      this.#waiting.push(admitted);
      signal.addEventListener('abort', left, { once: true });
    });
  }

  /** What is outstanding has changed. */
  look(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) this.#waiting.shift()?.();
    const open = this.isOpen;
    if (open) this.#wakeup.wake();
    this.#notice(open);
  }

  close(): void {
    this.#closed = true;
    this.#full?.cancel();
    this.#full = undefined;
  }

  #hasRoom(): boolean {
    return this.#options.outstanding() < this.#options.outstandingMax;
  }

  #notice(open: boolean): void {
    const { clock, outstanding, outstandingMax, onSaturated } = this.#options;
    if (this.#closed) return;
    if (open) {
      this.#full?.cancel();
      this.#full = undefined;
      if (this.#saturated && outstanding() <= outstandingMax / 2) {
        this.#saturated = false;
        onSaturated(false);
      }
    } else if (!this.#saturated) {
      this.#full ??= clock.timer(SATURATED_AFTER_MS, () => {
        this.#full = undefined;
        this.#saturated = true;
        onSaturated(true);
      });
    }
  }
}
