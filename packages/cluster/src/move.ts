/**
 * The transactions that move an entry from one place to another: out of a queue or `unassigned`, into a queue or
 * `unassigned`. Used by retry, drain, adoption, stealing, rebalance, kill and the placement of what was unassigned.
 *
 * Conservation: one transaction deletes one record and puts the next. It compares the source unchanged (two movers: the
 * second loses), the target absent, and the target node's record unchanged (nothing lands in a dead queue). A claim does
 * not move with its entry, so the lock slot it held is freed in the same transaction.
 */
import { assert, type NodeId, type TaskId } from '@boi/core';
import { absent, type Op, type Txn, unchanged } from '@boi/store';
import type { Keys } from './keys.ts';
import type { Placed, WhyUnplaced } from './placement-types.ts';
import { codecs, MOVES_MAX, type MoveRecord, type QueueEntry, type Stored } from './records.ts';

export interface Move {
  readonly keys: Keys;
  readonly task: TaskId;
  /** The node whose queue it leaves; undefined: `unassigned`. */
  readonly from: NodeId | undefined;
  /** The entry as it was read. */
  readonly stored: Stored<QueueEntry>;
  /** What it becomes. Default: as it was; claim, cancel mark and lock slot are dropped in any case. */
  readonly entry?: QueueEntry;
  readonly why: MoveRecord['why'];
  readonly nowMs: number;
}

export function moveTxn(move: Move & { readonly to: Placed & { readonly member: object } }): Txn {
  const { keys, task, from, stored, to } = move;
  assert(to.member.id !== from, `a move of ${task} within ${from}`);
  const target = keys.queue(to.member.id, task);
  return {
    compares: [unchanged(stored.key, stored.modRevision), absent(target), ...to.compares],
    success: [
      { op: 'delete', key: stored.key },
      { op: 'put', key: target, value: codecs.entry.encode(movedEntry(move, to.member.id)) },
      ...freedLock(keys, stored.record),
    ],
  };
}

export function toUnassignedTxn(move: Move & { readonly unplaced: WhyUnplaced }): Txn {
  const { keys, task, from, stored, unplaced } = move;
  assert(from !== undefined, `${task} is unassigned already`);
  const target = keys.unassigned(task);
  const entry = { ...movedEntry(move, undefined), why: unplaced };
  return {
    compares: [unchanged(stored.key, stored.modRevision), absent(target)],
    success: [
      { op: 'delete', key: stored.key },
      { op: 'put', key: target, value: codecs.entry.encode(entry) },
      ...freedLock(keys, stored.record),
    ],
  };
}

/** The entry without a claim and what goes with one, and with the move added. */
export function movedEntry(
  move: Pick<Move, 'stored' | 'entry' | 'from' | 'why' | 'nowMs'>,
  to: NodeId | undefined,
): QueueEntry {
  const {
    claim: _claim,
    lockSlot: _slot,
    cancel: _cancel,
    why: _why,
    moves,
    ...rest
  } = move.entry ?? move.stored.record;
  const step: MoveRecord = {
    at: move.nowMs,
    ...(move.from === undefined ? {} : { from: move.from }),
    ...(to === undefined ? {} : { to }),
    why: move.why,
  };
  return { ...rest, moves: [...(moves ?? []), step].slice(-MOVES_MAX) };
}

/** Deletes the lock slot an entry's claim holds, if any. */
export function freedLock(keys: Keys, entry: QueueEntry): Op[] {
  if (entry.claim === undefined || entry.lock === undefined || entry.lockSlot === undefined) return [];
  return [{ op: 'delete', key: keys.lock(entry.prj, entry.lock.hash, entry.lockSlot) }];
}
