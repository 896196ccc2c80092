/**
 * A store behind a bad network, for tests and the simulator: wraps any store and, as a plan decides call by call, loses
 * requests or replies, delays or repeats them, delays watches or ends them; `partition`, `heal` and `crash` act on all.
 *
 * States: *connected* → `partition` → *parted* → `heal` → *connected*; any → `crash` → *crashed*, for good.
 * - Parted: no request arrives and no reply, so that reads throw and writes are unknown at their deadline (or at once when
 *   the network refuses). Watches fall silent and on `heal` resume after the last revision handed over, as the etcd
 *   adapter's do; if that has been compacted away meanwhile they are lost.
 * - Crashed: as parted, but calls never settle: the process that made them is gone.
 *
 * A request under way when its caller gives up may still be applied: the wrapper never takes one back.
 */
import type { BoiError, Clock, Timer } from '@boi/core';
import { outcomeUnknown, storeUnreachable } from '../errors.ts';
import {
  type Batch,
  type BatchAnswer,
  type CallOptions,
  DEADLINE_DEFAULT_MS,
  type KeepAliveAnswer,
  type KeyValue,
  type LeaseAnswer,
  type LeaseId,
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
} from '../port.ts';
import { FaultyWatch, type WatchFault } from './faulty-watch.ts';

export type StoreCall =
  | { readonly method: 'get'; readonly key: string }
  | { readonly method: 'range'; readonly query: RangeQuery }
  | { readonly method: 'txn'; readonly txn: Txn }
  | { readonly method: 'batch'; readonly batch: Batch }
  | { readonly method: 'grantLease'; readonly ttlMs: number }
  | { readonly method: 'keepAlive' | 'revokeLease'; readonly lease: LeaseId }
  | { readonly method: 'compact'; readonly revision: Revision }
  | { readonly method: 'status' };

export interface CallFault {
  /** The request never arrives. */
  readonly dropRequest?: boolean;
  /** It is handled, but nobody hears of it. */
  readonly dropReply?: boolean;
  /** The call fails at once and never arrives: a refused connection. */
  readonly refuse?: boolean;
  /** Milliseconds the request takes; default 0. May exceed the deadline: then it is applied after the caller gave up. */
  readonly requestDelayMs?: number;
  /** Milliseconds the reply takes; default 0. */
  readonly replyDelayMs?: number;
  /** Handled once more this many milliseconds after the first time; the second answer is lost. */
  readonly repeatAfterMs?: number;
  /** It has left the host: it arrives even if the connection is cut, or its process crashes, before its delay is over. */
  readonly underWay?: boolean;
}

export interface FaultPlan {
  /** Asked once for every call. */
  call?(call: StoreCall): CallFault | undefined;
  /** Asked for every delivery of a watch. */
  delivery?(range: { start: string; end: string }, revision: Revision): WatchFault | undefined;
}

export interface FaultyStoreOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly plan?: FaultPlan;
}

export class FaultyStore implements Store {
  /** May be replaced at any time; holds for calls made from then on. */
  plan: FaultPlan;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #watches = new Set<FaultyWatch>();
  #state: 'connected' | 'silent' | 'refusing' | 'crashed' = 'connected';

  constructor(options: FaultyStoreOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.plan = options.plan ?? {};
  }

  /** Cuts the connection. *silent*: packets vanish, calls end at their deadline. *refusing*: calls fail at once. */
  partition(kind: 'silent' | 'refusing' = 'silent'): void {
    if (this.#state === 'crashed') return;
    this.#state = kind;
    for (const watch of this.#watches) watch.suspend();
  }

  heal(): void {
    if (this.#state === 'crashed') return;
    this.#state = 'connected';
    for (const watch of this.#watches) watch.resume();
  }

  /** The process behind this connection is gone: nothing it asked is ever answered. */
  crash(): void {
    this.#state = 'crashed';
    for (const watch of this.#watches) watch.cancel();
    this.#watches.clear();
  }

  /** Ends every open watch as a compaction would. */
  loseWatches(): void {
    for (const watch of [...this.#watches]) watch.lose('compacted', 'the fault plan ended the watch');
  }

  get(key: string, options?: CallOptions): Promise<{ kv: KeyValue | undefined; revision: Revision }> {
    return this.#read({ method: 'get', key }, options, () => this.#store.get(key));
  }

  range(query: RangeQuery): Promise<RangeAnswer> {
    return this.#read({ method: 'range', query }, query, () => this.#store.range(query));
  }

  txn(txn: Txn, options?: CallOptions): Promise<TxnAnswer> {
    return this.#write({ method: 'txn', txn }, options, () => this.#store.txn(txn));
  }

  batch(batch: Batch, options?: CallOptions): Promise<BatchAnswer> {
    return this.#write({ method: 'batch', batch }, options, () => this.#store.batch(batch));
  }

  watch(range: { start: string; end: string; fromRevision: Revision }, listener: WatchListener): Watch {
    const watch: FaultyWatch = new FaultyWatch({
      store: this.#store,
      clock: this.#clock,
      range,
      listener,
      fault: (revision) => this.plan.delivery?.(range, revision),
      onEnd: () => this.#watches.delete(watch),
    });
    if (this.#state === 'crashed') return { cancel() {} };
    this.#watches.add(watch);
    if (this.#state === 'connected') watch.resume();
    return { cancel: () => watch.cancel() };
  }

  grantLease(ttlMs: number, options?: CallOptions): Promise<LeaseAnswer> {
    return this.#write({ method: 'grantLease', ttlMs }, options, () => this.#store.grantLease(ttlMs));
  }

  keepAlive(lease: LeaseId, options?: CallOptions): Promise<KeepAliveAnswer> {
    return this.#write({ method: 'keepAlive', lease }, options, () => this.#store.keepAlive(lease));
  }

  revokeLease(lease: LeaseId, options?: CallOptions): Promise<RevokeAnswer> {
    return this.#write({ method: 'revokeLease', lease }, options, () => this.#store.revokeLease(lease));
  }

  compact(revision: Revision, options?: CallOptions): Promise<void> {
    return this.#read({ method: 'compact', revision }, options, () => this.#store.compact(revision));
  }

  status(options?: CallOptions): Promise<StoreStatus> {
    return this.#read({ method: 'status' }, options, () => this.#store.status());
  }

  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.cancel();
    await this.#store.close();
  }

  async #write<A>(
    call: StoreCall,
    options: CallOptions | undefined,
    send: () => Promise<A>,
  ): Promise<A | { outcome: 'unknown'; cause: BoiError }> {
    const answer = await this.#send(call, options, send);
    if (answer !== LOST) return answer;
    return { outcome: 'unknown', cause: outcomeUnknown(`the store did not answer ${call.method} in time`) };
  }

  async #read<A>(call: StoreCall, options: CallOptions | undefined, send: () => Promise<A>): Promise<A> {
    const answer = await this.#send(call, options, send);
    if (answer !== LOST) return answer;
    throw storeUnreachable(`the store did not answer ${call.method} in time`);
  }

  /** Settles with the answer or at the deadline with {@link LOST}; never settles in a process that crashed. */
  #send<A>(call: StoreCall, options: CallOptions | undefined, send: () => Promise<A>): Promise<A | typeof LOST> {
    if (this.#state === 'crashed') return new Promise(() => {});
    const fault = this.plan.call?.(call) ?? {};
    if (fault.refuse || this.#state === 'refusing') return Promise.resolve(LOST);
    return new Promise((resolve, reject) => {
      const alive = (then: () => void) => () => {
        if (this.#state !== 'crashed') then();
      };
      // A call that meets no fault needs no timer, and a simulation makes millions of them.
      let deadline: Timer | undefined;
      const lose = () => {
        const delayMs = Math.max(0, giveUpAt - this.#clock.mono());
        deadline ??= this.#clock.timer(
          delayMs,
          alive(() => resolve(LOST)),
        );
      };
      const giveUpAt = this.#clock.mono() + (options?.deadlineMs ?? DEADLINE_DEFAULT_MS);
      if (fault.requestDelayMs || fault.replyDelayMs) lose();
      const answered = (settle: () => void) =>
        this.#after(fault.replyDelayMs, () => {
          if (fault.dropReply || this.#state !== 'connected') {
            lose();
            return;
          }
          deadline?.cancel();
          settle();
        });
      this.#after(fault.requestDelayMs, () => {
        if (fault.dropRequest || (this.#state !== 'connected' && !fault.underWay)) {
          lose();
          return;
        }
        send().then(
          (answer) => answered(() => resolve(answer)),
          (error: unknown) => answered(() => reject(error as Error)),
        );
        if (fault.repeatAfterMs !== undefined) {
          this.#clock.timer(fault.repeatAfterMs, () => send().catch(() => undefined));
        }
      });
    });
  }

  #after(delayMs: number | undefined, then: () => void): void {
    if (delayMs) this.#clock.timer(delayMs, then);
    else then();
  }
}

const LOST = Symbol('lost');
