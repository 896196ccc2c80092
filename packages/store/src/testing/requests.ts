/** Builders for tests: short ways to write, and to fail loudly when a write that must succeed does not. */
import {
  type BatchAnswer,
  type LeaseId,
  type Op,
  prefixEnd,
  type Revision,
  type Store,
  type TxnAnswer,
} from '../port.ts';

export function put(key: string, value = 'x', lease?: LeaseId): Op {
  return lease === undefined ? { op: 'put', key, value } : { op: 'put', key, value, lease };
}

export function del(key: string, end?: string): Op {
  return end === undefined ? { op: 'delete', key } : { op: 'delete', key, end };
}

export function read(key: string): Op {
  return { op: 'get', key };
}

/** Runs the operations without a compare; answers the revision. */
export async function write(store: Store, ...ops: Op[]): Promise<Revision> {
  return known(await store.txn({ compares: [], success: ops })).revision;
}

/** The answer, which must not be *unknown*. */
export function known<A extends TxnAnswer | BatchAnswer>(answer: A): Exclude<A, { outcome: 'unknown' }> {
  if (answer.outcome === 'unknown') throw new Error('the outcome is unknown', { cause: answer.cause });
  return answer as Exclude<A, { outcome: 'unknown' }>;
}

export async function grant(store: Store, ttlMs: number): Promise<LeaseId> {
  const answer = await store.grantLease(ttlMs);
  if (answer.outcome === 'unknown') throw new Error('the lease is unknown', { cause: answer.cause });
  return answer.lease;
}

/** `key=value` of everything under the prefix. */
export async function contents(store: Store, prefix: string, revision?: Revision): Promise<string[]> {
  const query = { start: prefix, end: prefixEnd(prefix) };
  const { kvs } = await store.range(revision === undefined ? query : { ...query, revision });
  return kvs.map((kv) => `${kv.key.slice(prefix.length)}=${kv.value}`);
}
