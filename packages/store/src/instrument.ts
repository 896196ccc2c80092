/**
 * A store that counts what passes through it and tells an observer of each request: for the node's metrics, and for the
 * benchmark's "store operations per task". Operations are what etcd does, not what was asked: the writes and reads of the part
 * of a transaction that ran.
 */
import type { Clock } from '@boi/core';
import {
  type Batch,
  type BatchAnswer,
  type CallOptions,
  compareRevisions,
  type KeepAliveAnswer,
  type KeyValue,
  type LeaseAnswer,
  type LeaseId,
  type Op,
  type RangeAnswer,
  type RangeQuery,
  type Revision,
  type RevokeAnswer,
  type Store,
  type StoreStatus,
  type Txn,
  type TxnAnswer,
  type Watch,
  type WatchListener,
} from './port.ts';

export interface StoreCounts {
  /** Requests sent, of any kind. */
  requests: number;
  /** Puts and deletes that were applied; a range delete is one. */
  writes: number;
  /** Keys read one by one, alone or in a transaction; pages of ranges. */
  reads: number;
  /** Transactions, batches and items of batches refused by a compare. */
  refused: number;
  /** Writes whose outcome is unknown. */
  unknown: number;
  /** Calls that threw. */
  failed: number;
  watchEvents: number;
  watchesLost: number;
}

export interface RequestSeen {
  readonly method: Exclude<keyof Store, 'watch' | 'close'>;
  /** *ok* for a read; *thrown* for whatever rejected. */
  readonly outcome: 'ok' | 'applied' | 'refused' | 'unknown' | 'alive' | 'expired' | 'thrown';
  /** Milliseconds from the call to its answer. */
  readonly ms: number;
  /** What was thrown. */
  readonly error?: unknown;
}

export interface StoreObserver {
  onRequest?(request: RequestSeen): void;
  /** A watch handed over `count` events. */
  onWatchEvents?(count: number): void;
  onWatchLost?(reason: 'compacted' | 'refused'): void;
}

export class CountingStore implements Store {
  /** Since the construction. */
  readonly counts: StoreCounts = {
    requests: 0,
    writes: 0,
    reads: 0,
    refused: 0,
    unknown: 0,
    failed: 0,
    watchEvents: 0,
    watchesLost: 0,
  };
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: StoreObserver;
  #revision: Revision | undefined;

  constructor(options: { store: Store; clock: Clock; observer?: StoreObserver }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#observer = options.observer ?? {};
  }

  /** The newest revision that an answer or a watch has told. */
  get revision(): Revision | undefined {
    return this.#revision;
  }

  get(key: string, options?: CallOptions): Promise<{ kv: KeyValue | undefined; revision: Revision }> {
    return this.#observed('get', this.#store.get(key, options), () => {
      this.counts.reads += 1;
    });
  }

  range(query: RangeQuery): Promise<RangeAnswer> {
    return this.#observed('range', this.#store.range(query), () => {
      this.counts.reads += 1;
    });
  }

  txn(txn: Txn, options?: CallOptions): Promise<TxnAnswer> {
    return this.#observed('txn', this.#store.txn(txn, options), ({ outcome }) => this.#countPart(txn, outcome));
  }

  batch(batch: Batch, options?: CallOptions): Promise<BatchAnswer> {
    return this.#observed('batch', this.#store.batch(batch, options), (answer) => {
      this.#countPart(batch, answer.outcome);
      if (answer.outcome !== 'applied') return;
      for (const [i, item] of batch.items.entries()) this.#countPart(item, answer.items[i]?.outcome);
    });
  }

  watch(range: { start: string; end: string; fromRevision: Revision }, listener: WatchListener): Watch {
    return this.#store.watch(range, {
      onEvents: (events, revision) => {
        this.#saw(revision);
        this.counts.watchEvents += events.length;
        this.#observer.onWatchEvents?.(events.length);
        listener.onEvents(events, revision);
      },
      onLost: (reason, message) => {
        this.counts.watchesLost += 1;
        this.#observer.onWatchLost?.(reason);
        listener.onLost(reason, message);
      },
    });
  }

  grantLease(ttlMs: number, options?: CallOptions): Promise<LeaseAnswer> {
    return this.#observed('grantLease', this.#store.grantLease(ttlMs, options));
  }

  keepAlive(lease: LeaseId, options?: CallOptions): Promise<KeepAliveAnswer> {
    return this.#observed('keepAlive', this.#store.keepAlive(lease, options));
  }

  revokeLease(lease: LeaseId, options?: CallOptions): Promise<RevokeAnswer> {
    return this.#observed('revokeLease', this.#store.revokeLease(lease, options));
  }

  compact(revision: Revision, options?: CallOptions): Promise<void> {
    return this.#observed('compact', this.#store.compact(revision, options));
  }

  status(options?: CallOptions): Promise<StoreStatus> {
    return this.#observed('status', this.#store.status(options));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #observed<A>(method: RequestSeen['method'], asked: Promise<A>, count?: (answer: A) => void): Promise<A> {
    const sentAt = this.#clock.mono();
    this.counts.requests += 1;
    let outcome: RequestSeen['outcome'] = 'thrown';
    let thrown: { readonly error?: unknown } = {};
    try {
      const answer = await asked;
      outcome = outcomeOf(answer);
      if (typeof answer === 'object' && answer !== null && 'revision' in answer) this.#saw(answer.revision as Revision);
      if (outcome === 'unknown') this.counts.unknown += 1;
      else count?.(answer);
      return answer;
    } catch (error) {
      this.counts.failed += 1;
      thrown = { error };
      throw error;
    } finally {
      this.#observer.onRequest?.({ method, outcome, ms: this.#clock.mono() - sentAt, ...thrown });
    }
  }

  #saw(revision: Revision): void {
    if (this.#revision === undefined || compareRevisions(revision, this.#revision) > 0) this.#revision = revision;
  }

  #countPart(part: Pick<Batch, 'success' | 'failure'>, outcome: string | undefined): void {
    if (outcome === 'refused') this.counts.refused += 1;
    const ran: readonly Op[] | undefined = outcome === 'applied' ? part.success : part.failure;
    for (const { op } of ran ?? []) {
      if (op === 'get') this.counts.reads += 1;
      else this.counts.writes += 1;
    }
  }
}

function outcomeOf(answer: unknown): RequestSeen['outcome'] {
  if (typeof answer !== 'object' || answer === null || !('outcome' in answer)) return 'ok';
  return answer.outcome as RequestSeen['outcome'];
}
