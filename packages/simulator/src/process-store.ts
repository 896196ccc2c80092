/**
 * A store as a process sees it that can be frozen: what it is told while frozen it hears when it is thawed, in order. A call
 * that is under way goes on in the network meanwhile.
 */
import type { Batch, CallOptions, LeaseId, RangeQuery, Revision, Store, Txn, Watch, WatchListener } from '@boi/store';
import type { NodeClock } from './node-clock.ts';

export class ProcessStore implements Store {
  readonly #store: Store;
  readonly #process: NodeClock;

  constructor(store: Store, process: NodeClock) {
    this.#store = store;
    this.#process = process;
  }

  get(key: string, options?: CallOptions) {
    return this.#heard(this.#store.get(key, options));
  }

  range(query: RangeQuery) {
    return this.#heard(this.#store.range(query));
  }

  txn(txn: Txn, options?: CallOptions) {
    return this.#heard(this.#store.txn(txn, options));
  }

  batch(batch: Batch, options?: CallOptions) {
    return this.#heard(this.#store.batch(batch, options));
  }

  watch(range: { start: string; end: string; fromRevision: Revision }, listener: WatchListener): Watch {
    let cancelled = false;
    const heard = (fn: () => void) => this.#process.run(() => cancelled || fn());
    const watch = this.#store.watch(range, {
      onEvents: (events, revision) => heard(() => listener.onEvents(events, revision)),
      onLost: (reason, message) => heard(() => listener.onLost(reason, message)),
    });
    return {
      cancel: () => {
        cancelled = true;
        watch.cancel();
      },
    };
  }

  grantLease(ttlMs: number, options?: CallOptions) {
    return this.#heard(this.#store.grantLease(ttlMs, options));
  }

  keepAlive(lease: LeaseId, options?: CallOptions) {
    return this.#heard(this.#store.keepAlive(lease, options));
  }

  revokeLease(lease: LeaseId, options?: CallOptions) {
    return this.#heard(this.#store.revokeLease(lease, options));
  }

  compact(revision: Revision, options?: CallOptions) {
    return this.#heard(this.#store.compact(revision, options));
  }

  status(options?: CallOptions) {
    return this.#heard(this.#store.status(options));
  }

  close() {
    return this.#store.close();
  }

  #heard<A>(answer: Promise<A>): Promise<A> {
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => this.#process.run(() => resolve(value)),
        (error: unknown) => this.#process.run(() => reject(error as Error)),
      );
    });
  }
}
