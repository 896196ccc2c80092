/**
 * One client's connection to a {@link MemoryServer}: the store port over it. Requests are checked at the call, handled one
 * microtask later (or half the latency later, when one is given) and answered after the other half, so nothing here ever
 * answers synchronously, and two runs with the same calls see the same order.
 */
import { setMaxListeners } from 'node:events';
import { type BoiError, type Clock, sleep } from '@boi/core';
import { connectionClosed } from '../errors.ts';
import {
  checkBatch,
  checkKey,
  checkLease,
  checkRangeQuery,
  checkRevision,
  checkTtl,
  checkTxn,
  checkWatch,
} from '../limits.ts';
import type {
  Batch,
  BatchAnswer,
  KeepAliveAnswer,
  KeyValue,
  LeaseAnswer,
  LeaseId,
  RangeAnswer,
  RangeQuery,
  Revision,
  RevokeAnswer,
  Store,
  StoreStatus,
  Txn,
  TxnAnswer,
  Watch,
  WatchListener,
} from '../port.ts';
import { MemoryServer } from './server.ts';

export interface ConnectOptions {
  /**
   * Milliseconds of a round trip by the injected clock; default 0, a microtask. Deadlines are not kept here: this
   * connection loses nothing (`FaultyStore` does, and keeps them).
   */
  readonly latencyMs?: number;
}

export interface MemoryStoreOptions extends ConnectOptions {
  readonly clock: Clock;
  /** Default: a server of its own, stopped by `close`. */
  readonly server?: MemoryServer;
}

export class MemoryStore implements Store {
  readonly server: MemoryServer;
  readonly #ownServer: boolean;
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #cancels = new Set<() => void>();
  readonly #closing = new AbortController();

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#ownServer = options.server === undefined;
    this.server = options.server ?? new MemoryServer({ clock: options.clock });
    this.#latencyMs = options.latencyMs ?? 0;
    // Each request under way listens: as many as there are is no leak.
    setMaxListeners(0, this.#closing.signal);
  }

  async get(key: string): Promise<{ kv: KeyValue | undefined; revision: Revision }> {
    checkKey(key);
    return this.#read(() => this.server.get(key));
  }

  async range(query: RangeQuery): Promise<RangeAnswer> {
    checkRangeQuery(query);
    return this.#read(() => this.server.range(query));
  }

  async txn(txn: Txn): Promise<TxnAnswer> {
    checkTxn(txn);
    return this.#write(() => this.server.txn(txn));
  }

  async batch(batch: Batch): Promise<BatchAnswer> {
    checkBatch(batch);
    return this.#write(() => this.server.batch(batch));
  }

  watch(range: { start: string; end: string; fromRevision: Revision }, listener: WatchListener): Watch {
    checkWatch(range);
    if (this.#closing.signal.aborted) return { cancel() {} };
    let cancelled = false;
    const cancelServer = this.server.watch(range, listener);
    const cancel = () => {
      cancelled = true;
      cancelServer?.();
      this.#cancels.delete(cancel);
    };
    this.#cancels.add(cancel);
    if (cancelServer === undefined) {
      queueMicrotask(() => {
        if (cancelled) return;
        cancel();
        listener.onLost('compacted', `revision ${range.fromRevision} has been compacted`);
      });
    }
    return { cancel };
  }

  async grantLease(ttlMs: number): Promise<LeaseAnswer> {
    checkTtl(ttlMs);
    return this.#write(() => ({ outcome: 'applied' as const, ...this.server.grantLease(ttlMs) }));
  }

  async keepAlive(lease: LeaseId): Promise<KeepAliveAnswer> {
    checkLease(lease);
    const answer = await this.#write(() => this.server.keepAlive(lease));
    if (typeof answer === 'object') return answer;
    return answer === undefined ? { outcome: 'expired' } : { outcome: 'alive', ttlMs: answer };
  }

  async revokeLease(lease: LeaseId): Promise<RevokeAnswer> {
    checkLease(lease);
    return this.#write(() => {
      this.server.revokeLease(lease);
      return { outcome: 'applied' } as const;
    });
  }

  async compact(revision: Revision): Promise<void> {
    checkRevision(revision);
    return this.#read(() => this.server.compact(revision));
  }

  async status(): Promise<StoreStatus> {
    return this.#read(() => this.server.status());
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(connectionClosed());
    for (const cancel of [...this.#cancels]) cancel();
    if (this.#ownServer) this.server.stop();
  }

  async #read<T>(handle: () => T | Promise<T>): Promise<T> {
    await this.#leg();
    const pending = handle();
    const answer = pending instanceof Promise ? await Promise.race([pending, this.#closed()]) : pending;
    await this.#leg();
    return answer;
  }

  #closed(): Promise<never> {
    const { signal } = this.#closing;
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  }

  async #write<T>(handle: () => T | Promise<T>): Promise<T | { outcome: 'unknown'; cause: BoiError }> {
    try {
      return await this.#read(handle);
    } catch (error) {
      const { aborted, reason } = this.#closing.signal;
      if (aborted && error === reason) return { outcome: 'unknown', cause: error as BoiError };
      throw error;
    }
  }

  /** Half a round trip; throws the reason once the connection is closed. */
  async #leg(): Promise<void> {
    if (this.#latencyMs > 0) await sleep(this.#clock, this.#latencyMs / 2, this.#closing.signal);
    else await undefined;
    this.#closing.signal.throwIfAborted();
  }
}
