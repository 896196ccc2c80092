/**
 * One watch of a {@link FaultyStore}: hands over what the wrapped store tells, in order, as late as the plan says; while
 * suspended nothing, and on `resume` from the revision after the last one handed over.
 */
import type { Clock } from '@boi/core';
import { nextRevision, type Revision, type Store, type Watch, type WatchEvent, type WatchListener } from '../port.ts';

export interface WatchFault {
  /** Milliseconds until this delivery is handed over; later ones wait behind it. */
  readonly delayMs?: number;
  /** The watch ends instead, as by a compaction. */
  readonly lose?: boolean;
}

export interface FaultyWatchOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly range: { readonly start: string; readonly end: string; readonly fromRevision: Revision };
  readonly listener: WatchListener;
  readonly fault: (revision: Revision) => WatchFault | undefined;
  readonly onEnd: () => void;
}

export class FaultyWatch {
  readonly #options: FaultyWatchOptions;
  #next: Revision;
  #inner: Watch | undefined;
  /** Grows with each suspension: what was on its way then never arrives. */
  #connection = 0;
  /** Monotonic time before which nothing may be handed over, to keep the order. */
  #notBefore = 0;
  /** Deliveries whose timer has not fired. */
  #pending = 0;
  #ended = false;

  constructor(options: FaultyWatchOptions) {
    this.#options = options;
    this.#next = options.range.fromRevision;
  }

  resume(): void {
    if (this.#ended || this.#inner !== undefined) return;
    const connection = this.#connection;
    this.#notBefore = 0;
    const later = (delayMs: number, then: () => void) => this.#deliver(connection, delayMs, then);
    this.#inner = this.#options.store.watch(
      { ...this.#options.range, fromRevision: this.#next },
      {
        onEvents: (events, revision) => {
          const fault = this.#options.fault(revision);
          later(fault?.delayMs ?? 0, () => {
            if (fault?.lose) this.lose('compacted', 'the fault plan ended the watch');
            else this.#handOver(events, revision);
          });
        },
        onLost: (reason, message) => later(0, () => this.lose(reason, message)),
      },
    );
  }

  suspend(): void {
    this.#connection += 1;
    this.#inner?.cancel();
    this.#inner = undefined;
  }

  cancel(): void {
    this.#ended = true;
    this.suspend();
    this.#options.onEnd();
  }

  lose(reason: 'compacted' | 'refused', message: string): void {
    if (this.#ended) return;
    this.cancel();
    this.#options.listener.onLost(reason, message);
  }

  #handOver(events: readonly WatchEvent[], revision: Revision): void {
    this.#next = nextRevision(revision);
    this.#options.listener.onEvents(events, revision);
  }

  #deliver(connection: number, delayMs: number, then: () => void): void {
    const { clock } = this.#options;
    const now = clock.mono();
    const at = Math.max(now + delayMs, this.#notBefore);
    this.#notBefore = at;
    const arrive = () => {
      if (connection === this.#connection) then();
    };
    // One that is due now but whose timer has not fired yet comes first.
    if (at <= now && this.#pending === 0) {
      arrive();
      return;
    }
    this.#pending += 1;
    clock.timer(at - now, () => {
      this.#pending -= 1;
      arrive();
    });
  }
}
