/**
 * The best-effort tier: a bounded queue in memory. Whoever emits never waits. When the queue is full the oldest event goes: what a
 * plugin sees after an outage is then the newest, and the gap in the sequence tells it that something is missing.
 */
import type { BoiEvent } from '@boi/core';
import type { SequencedEvent } from '@boi/proto';
import { type DeliverySource, Wakeup } from './source.ts';

/** A few seconds of a busy node. */
export const BEST_EFFORT_EVENTS_MAX = 1_000;

export class BestEffortQueue implements DeliverySource {
  readonly #eventsMax: number;
  readonly #wakeup = new Wakeup();
  #events: SequencedEvent[] = [];
  #last = 0;
  #acknowledged = 0;
  #dropped = 0;

  constructor(eventsMax = BEST_EFFORT_EVENTS_MAX) {
    this.#eventsMax = eventsMax;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }
  get last(): number {
    return this.#last;
  }
  /** Events that wait. */
  get backlog(): number {
    return this.#events.length;
  }
  /** Events that went for want of room. */
  get dropped(): number {
    return this.#dropped;
  }

  push(event: BoiEvent): void {
    this.#events.push({ sequence: ++this.#last, event });
    if (this.#events.length > this.#eventsMax) {
      const gone = this.#events.shift();
      this.#dropped++;
      // Nobody will acknowledge it any more.
      this.#acknowledged = Math.max(this.#acknowledged, gone?.sequence ?? 0);
    }
    this.#wakeup.wake();
  }

  after(sequence: number, max: number): readonly SequencedEvent[] {
    const begin = this.#events.findIndex((candidate) => candidate.sequence > sequence);
    return begin < 0 ? [] : this.#events.slice(begin, begin + max);
  }

  acknowledge(sequence: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
    const keep = this.#events.findIndex((candidate) => candidate.sequence > sequence);
    this.#events = keep < 0 ? [] : this.#events.slice(keep);
  }

  async more(sequence: number, signal: AbortSignal): Promise<void> {
    while (this.#last <= sequence && !signal.aborted) await this.#wakeup.next(signal);
  }
}
