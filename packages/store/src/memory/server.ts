/**
 * The state of a memory store: what an etcd server is to its clients. Connections ({@link MemoryServer.connect}) share it,
 * so a simulator gives each node its own and can cut one without the others. Every method here is synchronous and does
 * what etcd's applier does, in its order: all compares of a request, nested ones too, are evaluated against the state
 * before it; then the leases of the puts that will run are looked up; only then anything is written.
 */
import type { Clock } from '@boi/core';
import { leaseNotFound } from '../errors.ts';
import {
  ABSENT,
  type Batch,
  type BatchAnswer,
  type BatchItemAnswer,
  type Compare,
  compareRevisions,
  type KeyValue,
  type LeaseId,
  type Op,
  type OpAnswer,
  RANGE_LIMIT_MAX,
  type RangeAnswer,
  type RangeQuery,
  type Revision,
  type StoreStatus,
  type Txn,
  type TxnAnswer,
  type WatchListener,
} from '../port.ts';
import { History } from './history.ts';
import { Leases } from './leases.ts';
import { type ConnectOptions, MemoryStore } from './store.ts';
import { Watchers } from './watchers.ts';

export interface MemoryServerOptions {
  readonly clock: Clock;
  /** Added to every revision shown; default 0. Tests give one beyond 2^53. */
  readonly revisionBase?: bigint;
}

export class MemoryServer {
  readonly clock: Clock;
  readonly #history: History;
  readonly #leases: Leases;
  readonly #watchers: Watchers;

  constructor(options: MemoryServerOptions) {
    this.clock = options.clock;
    this.#history = new History(options.revisionBase ?? 0n);
    this.#leases = new Leases(options.clock, (lease) => this.revokeLease(lease));
    this.#watchers = new Watchers((revision) => this.#history.show(revision));
  }

  /** A client of this server. */
  connect(options?: ConnectOptions): MemoryStore {
    return new MemoryStore({ ...options, clock: this.clock, server: this });
  }

  /** Stops looking for expired leases; nothing else runs by itself. */
  stop(): void {
    this.#leases.stop();
  }

  get revision(): Revision {
    return this.#history.show(this.#history.revision);
  }

  get(key: string): { kv: KeyValue | undefined; revision: Revision } {
    return { kv: this.#history.current(key), revision: this.revision };
  }

  range(query: RangeQuery): RangeAnswer {
    const at = query.revision === undefined ? undefined : this.#history.parse(query.revision);
    const page = this.#history.range(query.start, query.end, query.limit ?? RANGE_LIMIT_MAX, at);
    const kvs = query.keysOnly === true ? page.kvs.map((kv) => ({ ...kv, value: Buffer.alloc(0) })) : page.kvs;
    return { kvs, revision: this.revision, more: page.more };
  }

  txn(txn: Txn): TxnAnswer {
    const holds = this.#hold(txn.compares);
    const ops = holds ? txn.success : (txn.failure ?? []);
    this.#checkLeases(ops);
    const answers = this.#run(ops);
    this.#commit();
    return { outcome: holds ? 'applied' : 'refused', revision: this.revision, answers };
  }

  batch(batch: Batch): BatchAnswer {
    if (!this.#hold(batch.compares)) {
      const ops = batch.failure ?? [];
      this.#checkLeases(ops);
      const answers = this.#run(ops);
      this.#commit();
      return { outcome: 'refused', revision: this.revision, answers };
    }
    const success = batch.success ?? [];
    const chosen = batch.items.map((item) => {
      const holds = this.#hold(item.compares);
      return { outcome: holds ? 'applied' : 'refused', ops: holds ? item.success : (item.failure ?? []) } as const;
    });
    this.#checkLeases(success);
    for (const { ops } of chosen) this.#checkLeases(ops);
    const answers = this.#run(success);
    const items: BatchItemAnswer[] = chosen.map(({ outcome, ops }) => ({ outcome, answers: this.#run(ops) }));
    this.#commit();
    return { outcome: 'applied', revision: this.revision, answers, items };
  }

  /** Answers how to cancel, or undefined when the start has been compacted away. */
  watch(
    range: { start: string; end: string; fromRevision: Revision },
    listener: WatchListener,
  ): (() => void) | undefined {
    const from = this.#history.parse(range.fromRevision);
    // At the compacted revision itself etcd no longer has the deletions: an incomplete catch-up, so none.
    if (from <= this.#history.compacted) return undefined;
    return this.#watchers.add(range, from, this.#history.since(from), listener);
  }

  grantLease(ttlMs: number): { lease: LeaseId; ttlMs: number } {
    return this.#leases.grant(ttlMs);
  }

  /** Milliseconds the lease now lives; undefined: it has ended. */
  keepAlive(lease: LeaseId): number | undefined | Promise<undefined> {
    return this.#leases.renew(lease);
  }

  revokeLease(lease: LeaseId): void {
    for (const key of this.#leases.end(lease) ?? []) this.#history.delete(key);
    this.#commit();
  }

  compact(revision: Revision): void {
    this.#history.compact(this.#history.parse(revision));
  }

  status(): StoreStatus {
    const bytes = this.#history.bytes;
    return { revision: this.revision, dbBytes: bytes, dbBytesInUse: bytes, version: 'memory', alarms: [] };
  }

  #commit(): void {
    const made = this.#history.commit();
    if (made !== undefined) this.#watchers.publish(made);
  }

  #hold(compares: readonly Compare[]): boolean {
    return compares.every((compare) => holds(compare, this.#history.current(compare.key)));
  }

  #checkLeases(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.op === 'put' && op.lease !== undefined && !this.#leases.has(op.lease)) throw leaseNotFound([op.lease]);
    }
  }

  #run(ops: readonly Op[]): OpAnswer[] {
    return ops.map((op): OpAnswer => {
      if (op.op === 'get') return { op: 'get', kv: this.#history.current(op.key) };
      if (op.op === 'put') {
        this.#detach(op.key);
        if (op.lease !== undefined) this.#leases.attach(op.lease, op.key);
        this.#history.put(op.key, Buffer.from(op.value as Uint8Array), op.lease);
        return { op: 'put' };
      }
      let deleted = 0;
      for (const key of op.end === undefined ? [op.key] : this.#history.keys(op.key, op.end)) {
        this.#detach(key);
        if (this.#history.delete(key)) deleted += 1;
      }
      return { op: 'delete', deleted };
    });
  }

  #detach(key: string): void {
    const lease = this.#history.current(key)?.lease;
    if (lease !== undefined) this.#leases.detach(lease, key);
  }
}

function holds(compare: Compare, kv: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    // As in etcd, no compare of an absent key's value holds, neither "=" nor "!=".
    if (kv === undefined) return false;
    return kv.value.equals(Buffer.from(compare.value as Uint8Array)) === (compare.op === '=');
  }
  const own = kv === undefined ? ABSENT : compare.target === 'mod' ? kv.modRevision : kv.createRevision;
  const order = compareRevisions(own, compare.revision);
  if (compare.op === '=') return order === 0;
  if (compare.op === '!=') return order !== 0;
  return compare.op === '<' ? order < 0 : order > 0;
}
