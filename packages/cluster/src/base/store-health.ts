/**
 * Whether this node reaches the store, judged by what becomes of its own requests; nothing is sent to find out, since the
 * session tries all the time.
 *
 *   reachable ──requests have failed for a second, none answered──► away ──any definite answer──► reachable
 *
 * A lost reply or a short election is no outage: one failure counts from when it was sent, and any definite answer between
 * clears it. A refusal, or an error the store itself gave, is an answer. Told at each change and every 5 s while away: one
 * log line, two gauges, and the events `cluster.partition_detected` and `cluster.partition_healed`.
 *
 * Made by node.ts, which gives every part of the node the store seen through {@link StoreHealth.observe}. Asked by the API:
 * what the store is needed for is refused at once while it is away, and cached answers tell their age.
 */
import { BoiError, type Clock, type NodeId, type Timer } from '@boi/core';
import { CountingStore, type RequestSeen, type Store } from '@boi/store';
import type { ClusterContext } from '../context.ts';

/** An election of etcd is often over sooner, and a reply that is lost is asked for again within this. */
const AWAY_AFTER_MS = 1_000;
const GAUGE_EVERY_MS = 1_000;
const LOG_EVERY_MS = 5_000;

export interface StoreHealthOptions extends Pick<ClusterContext, 'log' | 'metrics' | 'events'> {
  readonly clock: Clock;
  readonly node: NodeId;
}

export class StoreHealth {
  readonly #options: StoreHealthOptions;
  #answeredMono: number;
  /** When the first request was sent of those that failed since the last answer. */
  #failingSinceMono: number | undefined;
  #awaySinceMono: number | undefined;
  #timer: Timer | undefined;
  #told = false;
  #stopped = false;

  constructor(options: StoreHealthOptions) {
    this.#options = options;
    this.#answeredMono = options.clock.mono();
  }

  get reachable(): boolean {
    return this.#awaySinceMono === undefined;
  }

  /** Milliseconds since the store was last known to answer; undefined while it is reachable. */
  get awayMs(): number | undefined {
    return this.#awaySinceMono === undefined ? undefined : this.#options.clock.mono() - this.#awaySinceMono;
  }

  /** Milliseconds since the last definite answer: what this node remembers is at least as old as it can be told. */
  get ageMs(): number {
    return Math.round(this.#options.clock.mono() - this.#answeredMono);
  }

  /** The same store, each of its answers taken notice of. */
  observe(store: Store): Store {
    const onRequest = (seen: RequestSeen) => this.#seen(seen);
    return new CountingStore({ store, clock: this.#options.clock, observer: { onRequest } });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #seen({ outcome, error, ms }: RequestSeen): void {
    const nowMono = this.#options.clock.mono();
    if (isAnswer(outcome, error)) {
      this.#answeredMono = nowMono;
      this.#failingSinceMono = undefined;
      if (!this.#told) this.#options.metrics.gauge('boi_core_store_reachable', 1);
      this.#told = true;
      if (this.#awaySinceMono !== undefined) this.#healed(nowMono - this.#awaySinceMono);
      return;
    }
    const sentMono = nowMono - ms;
    // Something sent later was answered: this one was merely lost.
    if (sentMono < this.#answeredMono) return;
    this.#failingSinceMono = Math.min(this.#failingSinceMono ?? sentMono, sentMono);
    const away = nowMono - this.#failingSinceMono >= AWAY_AFTER_MS;
    if (away && this.#awaySinceMono === undefined && !this.#stopped) this.#lost(error);
  }

  #lost(error: unknown): void {
    const { log, metrics, events, node, clock } = this.#options;
    this.#told = true;
    this.#awaySinceMono = this.#answeredMono;
    metrics.gauge('boi_core_store_reachable', 0);
    metrics.gauge('boi_core_store_unreachable_seconds', (this.awayMs ?? 0) / 1000);
    log.warn({ err: error }, 'the store cannot be reached: running tasks go on, nothing new is taken or accepted');
    events.tell({ kind: 'cluster.partition_detected', node });
    this.#watch(clock.mono() + LOG_EVERY_MS);
  }

  #watch(logAtMono: number): void {
    const { log, metrics, clock } = this.#options;
    this.#timer = clock.timer(GAUGE_EVERY_MS, () => {
      const seconds = Math.round(this.awayMs ?? 0) / 1000;
      metrics.gauge('boi_core_store_unreachable_seconds', seconds);
      const due = clock.mono() >= logAtMono;
      if (due) log.warn({ seconds }, 'the store still cannot be reached');
      this.#watch(due ? clock.mono() + LOG_EVERY_MS : logAtMono);
    });
  }

  #healed(awayMs: number): void {
    const { log, metrics, events, node } = this.#options;
    const lastedMs = Math.round(awayMs);
    this.#awaySinceMono = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    metrics.gauge('boi_core_store_reachable', 1);
    metrics.gauge('boi_core_store_unreachable_seconds', 0);
    log.info({ lastedMs }, 'the store is reached again');
    events.tell({ kind: 'cluster.partition_healed', node, lastedMs });
  }
}

/** Whether the store itself spoke, also to refuse. */
function isAnswer(outcome: RequestSeen['outcome'], error: unknown): boolean {
  if (outcome === 'unknown') return false;
  if (outcome !== 'thrown') return true;
  return !(error instanceof BoiError && error.code === 'store-unreachable');
}
