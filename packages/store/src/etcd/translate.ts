/** Between the store port and etcd's messages. Keys are ASCII (the limits saw to it), so a byte is a character. */
import type {
  Batch,
  BatchItemAnswer,
  Compare,
  KeyValue,
  LeaseId,
  Op,
  OpAnswer,
  RangeQuery,
  Revision,
  Txn,
  WatchEvent,
} from '../port.ts';
import {
  decimal,
  type Int64,
  int64,
  type WireCompare,
  type WireKeyValue,
  type WireRangeRequest,
  type WireRequestOp,
  type WireResponseOp,
  type WireTxnRequest,
  type WireTxnResponse,
  type WireWatchResponse,
} from './protocol.ts';

/** `Compare.CompareResult` and `Compare.CompareTarget` in rpc.proto. */
const RESULT = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const;
const TARGET = { create: 1, mod: 2, value: 3 } as const;
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

export function toWireTxn(txn: Txn): WireTxnRequest {
  return {
    compare: txn.compares.map(toWireCompare),
    success: txn.success.map(toWireOp),
    failure: txn.failure?.map(toWireOp) ?? [],
  };
}

export function toWireBatch(batch: Batch): WireTxnRequest {
  const success = batch.success?.map(toWireOp) ?? [];
  for (const item of batch.items) success.push({ request_txn: toWireTxn(item) });
  return { compare: batch.compares.map(toWireCompare), success, failure: batch.failure?.map(toWireOp) ?? [] };
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

function toWireCompare(compare: Compare): WireCompare {
  // Whole literals: a spread here was the costliest line of a batch's translation in a profile.
  const result = RESULT[compare.op];
  const key = keyBytes(compare.key);
  switch (compare.target) {
    case 'mod':
      return { result, target: TARGET.mod, key, mod_revision: int64(compare.revision) };
    case 'create':
      return { result, target: TARGET.create, key, create_revision: int64(compare.revision) };
    case 'value':
      return { result, target: TARGET.value, key, value: Buffer.from(compare.value as Uint8Array) };
  }
}

function toWireOp(op: Op): WireRequestOp {
  const key = keyBytes(op.key);
  switch (op.op) {
    case 'get':
      return { request_range: { key } };
    case 'delete':
      return { request_delete_range: op.end === undefined ? { key } : { key, range_end: keyBytes(op.end) } };
    case 'put': {
      const value = typeof op.value === 'string' ? Buffer.from(op.value) : op.value;
      return { request_put: op.lease === undefined ? { key, value } : { key, value, lease: op.lease } };
    }
  }
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
