/**
 * A store that counts, by kind, what one node asks of it and what it is told: requests, operations as etcd does them (writes
 * and reads of the part of a transaction that ran), bytes of the values put, watch events. `crash` takes its node away: nothing
 * is asked any more, nothing answered, nothing told.
 */
export const COUNTED = ['txns', 'batches', 'gets', 'ranges', 'others', 'writes', 'reads', 'bytesPut', 'watchEvents'];

/** Of all stores that were given the same counts. */
export function noCounts() {
  return Object.fromEntries(COUNTED.map((what) => [what, 0]));
}

export class MeasuredStore {
  #store;
  #counts;
  #crashed = false;
  #watches = new Set();

  constructor(store, counts) {
    this.#store = store;
    this.#counts = counts;
  }

  crash() {
    this.#crashed = true;
    for (const watch of this.#watches) watch.cancel();
  }

  get(key, options) {
    this.#counts.reads += 1;
    return this.#asked('gets', () => this.#store.get(key, options));
  }

  range(query) {
    this.#counts.reads += 1;
    return this.#asked('ranges', () => this.#store.range(query));
  }

  txn(txn, options) {
    return this.#asked(
      'txns',
      () => this.#store.txn(txn, options),
      ({ outcome }) => this.#ran(txn, outcome),
    );
  }

  batch(batch, options) {
    return this.#asked(
      'batches',
      () => this.#store.batch(batch, options),
      ({ outcome, items }) => {
        this.#ran(batch, outcome);
        for (const [i, item] of (items ?? []).entries()) this.#ran(batch.items[i], item.outcome);
      },
    );
  }

  watch(range, listener) {
    const watch = this.#store.watch(range, {
      onEvents: (events, revision) => {
        if (this.#crashed) return;
        this.#counts.watchEvents += events.length;
        listener.onEvents(events, revision);
      },
      onLost: (reason, message) => listener.onLost(reason, message),
    });
    this.#watches.add(watch);
    return {
      cancel: () => {
        this.#watches.delete(watch);
        watch.cancel();
      },
    };
  }

  grantLease(ttlMs, options) {
    return this.#asked('others', () => this.#store.grantLease(ttlMs, options));
  }

  keepAlive(lease, options) {
    return this.#asked('others', () => this.#store.keepAlive(lease, options));
  }

  revokeLease(lease, options) {
    return this.#asked('others', () => this.#store.revokeLease(lease, options));
  }

  compact(revision, options) {
    return this.#asked('others', () => this.#store.compact(revision, options));
  }

  status(options) {
    return this.#asked('others', () => this.#store.status(options));
  }

  close() {
    return this.#store.close();
  }

  async #asked(kind, ask, answered) {
    if (this.#crashed) return new Promise(() => undefined);
    this.#counts[kind] += 1;
    const answer = await ask();
    if (this.#crashed) return new Promise(() => undefined);
    answered?.(answer);
    return answer;
  }

  #ran({ success = [], failure = [] }, outcome) {
    for (const { op, value } of outcome === 'applied' ? success : failure) {
      this.#counts[op === 'get' ? 'reads' : 'writes'] += 1;
      if (value !== undefined) this.#counts.bytesPut += Buffer.byteLength(value);
    }
  }
}
