/**
 * The transactions that move a queue entry from one queue to another, or to and from `unassigned`. Pure builders; whoever
 * moves settles them. Each deletes one record and puts the next, so that at every revision the task has exactly one.
 *
 * Compares: the entry unchanged since it was read, the target key absent, and the target node's record unchanged, so that
 * nothing lands in a dead queue. What a mover must compare besides (the dead node's record absent, a result absent) it adds.
 * The lock slot that the moved claim held is deleted with it. Refused: the answer has the entry and what is at the target.
 */
import type { NodeId, TaskId } from '@boi/core';
import { absent, type Op, type Txn, unchanged } from '@boi/store';
import type { Keys } from '../keys.ts';
import {
  codecs,
  HISTORY_MAX,
  type HistoryRecord,
  MOVES_MAX,
  type MoveRecord,
  type QueueEntry,
  type Stored,
} from '../records.ts';
import type { Placed, WhyUnplaced } from './placement-types.ts';

/** A place that the placer named. */
export type PlacedOn = Extract<Placed, { readonly compares: unknown }>;

export interface Move {
  readonly keys: Keys;
  readonly task: TaskId;
  /** Whose queue it is in; undefined: `unassigned`. */
  readonly from: NodeId | undefined;
  readonly stored: Stored<QueueEntry>;
  /** What it is to be: without claim, lock slot and cancel mark, see {@link unclaimed}. */
  readonly entry: QueueEntry;
  readonly why: MoveRecord['why'];
  readonly nowMs: number;
}

/** The widest part of a move: what {@link batchItemsMax} is asked with. */
export const MOVE_OPS_MAX = 3;

/** To the queue of a node. */
export function moveTxn(move: Move & { readonly to: PlacedOn }): Txn {
  const { keys, task, stored, to } = move;
  const { why: _why, ...entry } = moved(move, to.member.id);
  const key = keys.queue(to.member.id, task);
  return {
    compares: [unchanged(stored.key, stored.modRevision), absent(key), ...to.compares],
    success: replacing(move, key, entry),
    failure: [
      { op: 'get', key: stored.key },
      { op: 'get', key },
    ],
  };
}

/** To `unassigned`: no node can take it. */
export function toUnassignedTxn(move: Move & { readonly unplaced: WhyUnplaced }): Txn {
  const { keys, task, stored, unplaced } = move;
  const key = keys.unassigned(task);
  const entry: QueueEntry = {
    ...moved(move, undefined),
    why: { summary: unplaced.summary, constraints: [...unplaced.constraints] },
  };
  return {
    compares: [unchanged(stored.key, stored.modRevision), absent(key)],
    success: replacing(move, key, entry),
    failure: [
      { op: 'get', key: stored.key },
      { op: 'get', key },
    ],
  };
}

/** To wherever the placer said. */
export function placeTxn(move: Move, placed: Placed): Txn {
  return placed.member === undefined
    ? toUnassignedTxn({ ...move, unplaced: placed.why })
    : moveTxn({ ...move, to: placed });
}

/** The entry as nobody's: without what belongs to one claim. Its time, if it waits for one, stays. */
export function unclaimed(entry: QueueEntry, lost?: HistoryRecord): QueueEntry {
  const { claim: _claim, lockSlot: _slot, cancel: _cancel, why: _why, ...rest } = entry;
  return lost === undefined ? rest : { ...rest, history: [...(rest.history ?? []), lost].slice(-HISTORY_MAX) };
}

/** The lock record that an entry's claim holds. */
export function heldLock(keys: Keys, { prj, lock, lockSlot }: QueueEntry): string | undefined {
  return lock === undefined || lockSlot === undefined ? undefined : keys.lock(prj, lock.hash, lockSlot);
}

function moved({ from, entry, why, nowMs: at }: Move, to: NodeId | undefined): QueueEntry {
  const item: MoveRecord = {
    at,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    why,
  };
  return { ...entry, moves: [...(entry.moves ?? []), item].slice(-MOVES_MAX) };
}

function replacing({ keys, stored }: Move, key: string, entry: QueueEntry): Op[] {
  const ops: Op[] = [
    { op: 'delete', key: stored.key },
    { op: 'put', key, value: codecs.entry.encode(entry) },
  ];
  const lock = heldLock(keys, stored.record);
  if (lock !== undefined) ops.push({ op: 'delete', key: lock });
  return ops;
}
