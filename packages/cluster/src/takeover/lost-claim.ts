/**
 * What becomes of an entry whose node is gone. Pure. Not claimed: it moves as it is. Claimed: its delivery is lost; it moves
 * without its claim, or ends here and now when it was to be cancelled, or when this was the last loss it is allowed.
 */
import { type NodeId, specOf, type TaskId } from '@boi/core';
import { absent, type Op, type Txn, unchanged } from '@boi/store';
import { finalHeader, poisonResult } from '../commit/ending.ts';
import type { Keys } from '../keys.ts';
import { heldLock, unclaimed } from '../placement/move.ts';
import {
  codecs,
  fenceOf,
  HISTORY_MAX,
  type HistoryRecord,
  type QueueEntry,
  type ResultRecord,
  SCHEMA_VERSION,
  type SpecHeader,
  type Stored,
} from '../records.ts';

export type Afterlife =
  | { readonly kind: 'move'; readonly entry: QueueEntry; readonly claimed: boolean }
  | { readonly kind: 'end'; readonly result: ResultRecord };

export function afterlife(dead: NodeId, stored: Stored<QueueEntry>, deliveriesMax: number, nowMs: number): Afterlife {
  const { record } = stored;
  const { claim, cancel, attempt, deliveries, history = [] } = record;
  if (claim === undefined) return { kind: 'move', entry: record, claimed: false };
  const lost: HistoryRecord = { attempt, delivery: deliveries, node: dead, at: nowMs, end: 'lost' };
  if (cancel !== undefined) {
    const all = [...history, lost].slice(-HISTORY_MAX);
    const result: ResultRecord = {
      v: SCHEMA_VERSION,
      outcome: 'cancelled',
      endedAt: nowMs,
      attempt,
      delivery: deliveries,
      history: all,
    };
    return { kind: 'end', result };
  }
  if (deliveries >= deliveriesMax) {
    return { kind: 'end', result: poisonResult(dead, { entry: record, fence: fenceOf(stored) }, nowMs) };
  }
  return { kind: 'move', entry: unclaimed(record, lost), claimed: true };
}

/** The widest part of {@link endLostTxn}. */
export const END_OPS_MAX = 4;

/** Entry and lock slot deleted, result put; for a one-task spec its header made final. */
export function endLostTxn(
  keys: Keys,
  task: TaskId,
  stored: Stored<QueueEntry>,
  result: ResultRecord,
  header: Stored<SpecHeader> | undefined,
): Txn {
  const key = keys.result(specOf(task), task);
  const compares = [unchanged(stored.key, stored.modRevision), absent(key)];
  const success: Op[] = [
    { op: 'put', key, value: codecs.result.encode(result) },
    { op: 'delete', key: stored.key },
  ];
  const lock = heldLock(keys, stored.record);
  if (lock !== undefined) success.push({ op: 'delete', key: lock });
  if (header !== undefined) {
    compares.push(unchanged(header.key, header.modRevision));
    success.push({ op: 'put', key: header.key, value: codecs.spec.encode(finalHeader(header.record, result)) });
  }
  return { compares, success };
}
