/**
 * The store port: all that boi-node asks of etcd. Adapters: `etcd/` (production) and `memory/` (dev, tests, simulation);
 * one conformance suite runs against both.
 *
 * Every write answers one of three outcomes. *applied*: it happened. *refused*: a compare did not hold and nothing of it
 * happened. *unknown*: the request may or may not have been, or may still be, applied (no reply in time, connection cut).
 * An unknown outcome is resolved by sending the identical transaction again until the answer is definite (`settle` in the
 * cluster package), never by a read alone. An adapter never retries by itself.
 *
 * Revisions and lease ids are decimal strings: they are 64-bit and exceed 2^53 in principle.
 */
import type { BoiError } from '@boi/core';

declare const revisionBrand: unique symbol;
/** A 64-bit store revision in decimal. `'0'` stands for "absent" in compares. Order with {@link compareRevisions}. */
export type Revision = string & { readonly [revisionBrand]: true };

declare const leaseBrand: unique symbol;
/** A 64-bit lease id in decimal. */
export type LeaseId = string & { readonly [leaseBrand]: true };

export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** Absent when the key has no lease. */
  readonly lease?: LeaseId;
}

export type Compare =
  | {
      readonly key: string;
      readonly target: 'mod' | 'create';
      readonly op: '=' | '<' | '>' | '!=';
      readonly revision: Revision;
    }
  | { readonly key: string; readonly target: 'value'; readonly op: '=' | '!='; readonly value: string | Uint8Array };

export type Op =
  | { readonly op: 'put'; readonly key: string; readonly value: string | Uint8Array; readonly lease?: LeaseId }
  /** Deletes `key`, or `[key, end)` when `end` is given. */
  | { readonly op: 'delete'; readonly key: string; readonly end?: string }
  | { readonly op: 'get'; readonly key: string };

export type OpAnswer =
  | { readonly op: 'put' }
  | { readonly op: 'delete'; readonly deleted: number }
  | { readonly op: 'get'; readonly kv: KeyValue | undefined };

export interface Txn {
  readonly compares: readonly Compare[];
  readonly success: readonly Op[];
  /** Run when a compare does not hold; typically reads that tell why. */
  readonly failure?: readonly Op[];
}

export interface Refused {
  readonly outcome: 'refused';
  readonly revision: Revision;
  readonly answers: readonly OpAnswer[];
  /** What refuses it may be its own effect: the caller tells "mine" from "theirs" as after a second sending. */
  readonly inDoubt?: true;
}

export type TxnAnswer =
  | { readonly outcome: 'applied'; readonly revision: Revision; readonly answers: readonly OpAnswer[] }
  | Refused
  | { readonly outcome: 'unknown'; readonly cause: BoiError };

/** One request of nested sub-transactions, each with its own compares and answer; one refusal does not fail the rest. */
export interface Batch {
  /** Hold for the whole request; when one does not, nothing of the batch happens. */
  readonly compares: readonly Compare[];
  /** Writes made once when the outer compares hold (≤ 2; a spec's header with its advanced cursor). */
  readonly success?: readonly Op[];
  /** At most {@link batchItemsMax} of them; no key may be written twice in the whole request, nor in two items. */
  readonly items: readonly Txn[];
  readonly failure?: readonly Op[];
}

export type BatchItemAnswer = { readonly outcome: 'applied' | 'refused'; readonly answers: readonly OpAnswer[] };

export type BatchAnswer =
  | {
      readonly outcome: 'applied';
      readonly revision: Revision;
      readonly answers: readonly OpAnswer[];
      readonly items: readonly BatchItemAnswer[];
    }
  | Refused
  | { readonly outcome: 'unknown'; readonly cause: BoiError };

/** Measured on etcd 3.4.23: 126 nested sub-transactions of at most 2 operations pass in a request, 127 are refused. */
export const BATCH_ITEMS_MAX = 126;
/** etcd's default for `--max-txn-ops`: operations in each part of a flat transaction. */
export const TXN_OPS_MAX = 128;
/**
 * How many items a batch may have: `outerOps` is the number of its own writes, `itemOps` the widest part (compares, writes
 * or reads on refusal) of any item. etcd adds the widest outer part and the widest nested one and refuses above 128.
 */
export function batchItemsMax(outerOps: number, itemOps: number): number {
  return Math.min(BATCH_ITEMS_MAX, TXN_OPS_MAX - itemOps) - outerOps;
}
/** Keys in one page of a range read. */
export const RANGE_LIMIT_MAX = 1000;
/** Ours, below etcd's 1.5 MiB request limit, leaving room for keys and framing. */
export const REQUEST_BYTES_MAX = 1024 * 1024;

/** An election of a three-member etcd takes one to two seconds; a call outlives it. */
export const DEADLINE_DEFAULT_MS = 5000;

export interface CallOptions {
  /** Milliseconds until the call gives up; for a write its outcome is then unknown. Default {@link DEADLINE_DEFAULT_MS}. */
  readonly deadlineMs?: number;
}

export interface RangeQuery extends CallOptions {
  /** First key, inclusive. */
  readonly start: string;
  /** End, exclusive. Use `prefixEnd(prefix)` for a whole prefix. */
  readonly end: string;
  /** Read as of this revision. Compacted: error `compacted`. */
  readonly revision?: Revision;
  /**
   * At most this many keys, default and maximum 1000. A page of large values may be shorter: only the answer's `more` tells
   * whether there are others.
   */
  readonly limit?: number;
  readonly keysOnly?: boolean;
}

export interface RangeAnswer {
  readonly kvs: readonly KeyValue[];
  readonly revision: Revision;
  readonly more: boolean;
}

export type WatchEvent =
  | { readonly type: 'put'; readonly kv: KeyValue }
  | { readonly type: 'delete'; readonly key: string; readonly modRevision: Revision };

/**
 * Called in order, never concurrently. After `onLost` nothing more comes: the watcher must list again and open a new
 * watch. Reconnects after a cut connection are the adapter's work, resuming after the last event it handed over, and
 * are not visible here.
 */
export interface WatchListener {
  /** All events of one or more whole revisions; never a part of a revision. */
  onEvents(events: readonly WatchEvent[], revision: Revision): void;
  /** The watch ended: its start was compacted away (`compacted`), or the server refused it. */
  onLost(reason: 'compacted' | 'refused', message: string): void;
}

export interface Watch {
  cancel(): void;
}

export type LeaseAnswer =
  | { readonly outcome: 'applied'; readonly lease: LeaseId; readonly ttlMs: number }
  | { readonly outcome: 'unknown'; readonly cause: BoiError };

export type RevokeAnswer = { readonly outcome: 'applied' } | { readonly outcome: 'unknown'; readonly cause: BoiError };

export type KeepAliveAnswer =
  /** `ttlMs` counts from the moment the server handled it: compute deadlines from when you *sent* it. */
  | { readonly outcome: 'alive'; readonly ttlMs: number }
  | { readonly outcome: 'expired' }
  | { readonly outcome: 'unknown'; readonly cause: BoiError };

export interface StoreStatus {
  readonly revision: Revision;
  /** Bytes of the database file, and bytes in use in it. */
  readonly dbBytes: number;
  readonly dbBytesInUse: number;
  readonly version: string;
  readonly alarms: readonly string[];
}

/**
 * Reads throw `BoiError('store-unreachable')` when the store cannot be reached in time (and, for a compacted revision,
 * {@link CompactedError}); a write whose outcome is in doubt never throws, it answers *unknown*.
 * A write throws when it was definitely refused for another reason than a compare, and then nothing of it happened: a put
 * with a lease that has ended (`wrong-state`, see `isLeaseNotFound`), a full database (`unavailable`, its message names the
 * cure; of a write whose compares hold after it was made as before nobody can tell), a certificate without the permission (`unavailable`).
 * Both throw before anything is sent `BoiError('too-large')` for what exceeds the limits above, and `'bad-request'` for a
 * key that is not printable ASCII, an empty range, or a key written twice in one request.
 */
export interface Store {
  /** Linearizable read of one key. */
  get(key: string, options?: CallOptions): Promise<{ kv: KeyValue | undefined; revision: Revision }>;
  /** Linearizable read of one page. */
  range(query: RangeQuery): Promise<RangeAnswer>;
  txn(txn: Txn, options?: CallOptions): Promise<TxnAnswer>;
  batch(batch: Batch, options?: CallOptions): Promise<BatchAnswer>;
  /**
   * Events of `[start, end)` from `fromRevision` on, inclusive (1 or more; it may lie ahead). Lost as `compacted` when
   * `fromRevision` is at or below the compacted revision: read at a revision, watch from the next.
   */
  watch(range: { start: string; end: string; fromRevision: Revision }, listener: WatchListener): Watch;
  /** Rounded up to whole seconds, at least two; the answer has the time granted. */
  grantLease(ttlMs: number, options?: CallOptions): Promise<LeaseAnswer>;
  keepAlive(lease: LeaseId, options?: CallOptions): Promise<KeepAliveAnswer>;
  /** Deletes the lease and every key attached to it, in one revision. One that has ended already: applied. */
  revokeLease(lease: LeaseId, options?: CallOptions): Promise<RevokeAnswer>;
  /** Drops history before `revision`. Already compacted further: no error. */
  compact(revision: Revision, options?: CallOptions): Promise<void>;
  status(options?: CallOptions): Promise<StoreStatus>;
  /** Ends every watch and connection. Calls under way answer *unknown* or reject. */
  close(): Promise<void>;
}

/** Thrown by reads at a revision that is no longer kept. */
export class CompactedError extends Error {
  constructor(revision: Revision, options?: { cause?: unknown }) {
    super(`revision ${revision} has been compacted`, options);
    this.name = 'CompactedError';
  }
}

export function compareRevisions(a: Revision, b: Revision): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function toRevision(value: string | bigint | number): Revision {
  return String(value) as Revision;
}

export function nextRevision(revision: Revision): Revision {
  return toRevision(BigInt(revision) + 1n);
}

/** The smallest key after every key that starts with `prefix`. Keys are ASCII (names are percent-encoded). */
export function prefixEnd(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}

export const ABSENT = '0' as Revision;

export function absent(key: string): Compare {
  return { key, target: 'create', op: '=', revision: ABSENT };
}

export function exists(key: string): Compare {
  return { key, target: 'create', op: '>', revision: ABSENT };
}

/** Unchanged since it was read at this mod revision. */
export function unchanged(key: string, modRevision: Revision): Compare {
  return { key, target: 'mod', op: '=', revision: modRevision };
}

/** Still the same incarnation: not deleted since it was created at this revision. */
export function sameCreation(key: string, createRevision: Revision): Compare {
  return { key, target: 'create', op: '=', revision: createRevision };
}
