/** Between the store port and etcd's messages, transactions sent excepted (encode-txn.ts). Keys are ASCII (the limits saw to it), so a byte is a character. */
import type {
  Batch,
  BatchItemAnswer,
  KeyValue,
  LeaseId,
  Op,
  OpAnswer,
  RangeQuery,
  Revision,
  WatchEvent,
} from '../port.ts';
import {
  decimal,
  type Int64,
  int64,
  type WireKeyValue,
  type WireRangeRequest,
  type WireResponseOp,
  type WireTxnResponse,
  type WireWatchResponse,
} from './protocol.ts';

/** `Event.EventType.Delete` in kv.proto. */
const DELETE = 1;

export function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

export function revisionOf(value: Int64): Revision {
  return decimal(value) as Revision;
}

export function toKeyValue(kv: WireKeyValue): KeyValue {
  const known = {
    key: kv.key.toString('latin1'),
    value: toBuffer(kv.value),
    createRevision: revisionOf(kv.create_revision),
    modRevision: revisionOf(kv.mod_revision),
  };
  const { low, high } = kv.lease;
  return low === 0 && high === 0 ? known : { ...known, lease: decimal(kv.lease) as LeaseId };
}

export function toWireRange(query: RangeQuery, limit: number): WireRangeRequest {
  return {
    key: keyBytes(query.start),
    range_end: keyBytes(query.end),
    limit,
    ...(query.revision === undefined ? {} : { revision: int64(query.revision) }),
    ...(query.keysOnly === true ? { keys_only: true } : {}),
  };
}

/** The answers to `ops`, which are the first of the response's. */
export function toAnswers(ops: readonly Op[], response: WireTxnResponse): OpAnswer[] {
  return ops.map((op, i) => toAnswer(op, response.responses[i]));
}

/** The answers to the items, which follow the outer writes. */
export function toItemAnswers(batch: Batch, response: WireTxnResponse): BatchItemAnswer[] {
  const first = batch.success?.length ?? 0;
  return batch.items.map((item, i) => {
    const nested = response.responses[first + i]?.response_txn;
    if (!nested) throw new Error(`etcd answered no nested transaction for item ${i}`);
    return nested.succeeded
      ? { outcome: 'applied', answers: toAnswers(item.success, nested) }
      : { outcome: 'refused', answers: toAnswers(item.failure ?? [], nested) };
  });
}

export function toWatchEvents(response: WireWatchResponse): WatchEvent[] {
  return response.events.map(({ type, kv }) =>
    type === DELETE
      ? { type: 'delete', key: kv.key.toString('latin1'), modRevision: revisionOf(kv.mod_revision) }
      : { type: 'put', kv: toKeyValue(kv) },
  );
}

function toAnswer(op: Op, response: WireResponseOp | undefined): OpAnswer {
  if (response === undefined) throw new Error(`etcd answered nothing to ${op.op} ${op.key}`);
  if (op.op === 'put') return { op: 'put' };
  if (op.op === 'delete') return { op: 'delete', deleted: response.response_delete_range?.deleted.low ?? 0 };
  const kv = response.response_range?.kvs[0];
  return { op: 'get', kv: kv === undefined ? undefined : toKeyValue(kv) };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
}
