/**
 * The transactions a coordinator makes of its plan: each item moves one record, by deleting it and putting the next, whose
 * key must be absent. The batch they travel in compares the spec's header, the fence of all coordination.
 *
 * A refused item reads back the record it wanted to move: still there, then its target went away and the task is placed
 * anew; gone, then somebody else ended the task and the coordinator must look again.
 */
import type { ProjectId, SpecId, TaskDefinition, TaskId } from '@boi/core';
import { absent, type Compare, exists, type Txn, unchanged } from '@boi/store';
import type { Keys } from '../keys.ts';
import { placementFactsOf } from '../placement/placement.ts';
import type { Placer } from '../placement/placement-types.ts';
import { codecs, fenceOf, type HistoryRecord, type QueueEntry, type ResultRecord, type Stored } from '../records.ts';
import { carriedHistory, newEntry, unrunResult } from './task-entry.ts';

export interface ReleaseOptions {
  readonly keys: Keys;
  readonly prj: ProjectId;
  readonly spc: SpecId;
  readonly tsk: TaskId;
  readonly definition: TaskDefinition;
  readonly chunk: number;
  readonly attempt: number;
  /** Of attempts that a task retry took back. */
  readonly history?: readonly HistoryRecord[];
  /** One of its needs has outputs. */
  readonly inputs: boolean;
  readonly placer: Placer;
  readonly nowMs: number;
}

/** blocked → queue of the node the placer names, or unassigned. */
export function releaseItem(options: ReleaseOptions): Txn {
  const { keys, prj, spc, tsk, definition, chunk, attempt, history, inputs, placer, nowMs } = options;
  const blocked = keys.blocked(spc, tsk);
  const entry = newEntry({ prj, definition, chunk, attempt, inputs, nowMs, ...carriedHistory(history) });
  const placed = placer.place(tsk, placementFactsOf(definition));
  const key = placed.member === undefined ? keys.unassigned(tsk) : keys.queue(placed.member.id, tsk);
  const compares: Compare[] = [exists(blocked), absent(key)];
  if (placed.member !== undefined) compares.push(...placed.compares);
  return {
    compares,
    success: [
      { op: 'delete', key: blocked },
      {
        op: 'put',
        key,
        value: codecs.entry.encode(placed.member === undefined ? { ...entry, why: placed.why } : entry),
      },
    ],
    failure: [{ op: 'get', key: blocked }],
  };
}

/** blocked → result `skipped` or `cancelled`. */
export function endBlockedItem(keys: Keys, spc: SpecId, tsk: TaskId, result: ResultRecord): Txn {
  const blocked = keys.blocked(spc, tsk);
  const key = keys.result(spc, tsk);
  return {
    compares: [exists(blocked), absent(key)],
    success: [
      { op: 'delete', key: blocked },
      { op: 'put', key, value: codecs.result.encode(result) },
    ],
    failure: [{ op: 'get', key: blocked }],
  };
}

/** Stops a queue entry: unclaimed → result `cancelled`; claimed → marked. Undefined: it is marked as it should be. */
export function stopEntryItem(
  keys: Keys,
  spc: SpecId,
  tsk: TaskId,
  entry: Stored<QueueEntry>,
  options: { readonly force: boolean; readonly nowMs: number; readonly actor?: string | undefined },
): Txn | undefined {
  const { force, nowMs, actor } = options;
  const { record } = entry;
  const result = keys.result(spc, tsk);
  if (record.claim === undefined) {
    return {
      compares: [unchanged(entry.key, entry.modRevision), absent(result)],
      success: [
        { op: 'delete', key: entry.key },
        {
          op: 'put',
          key: result,
          value: codecs.result.encode(
            unrunResult('cancelled', nowMs, record.attempt, {
              ...carriedHistory(record.history),
              ...(actor === undefined ? {} : { actor }),
            }),
          ),
        },
      ],
    };
  }
  if (record.cancel !== undefined && (record.cancel.force === true || !force)) return undefined;
  const cancel = {
    at: nowMs,
    fence: fenceOf(entry),
    ...(force ? { force } : {}),
    ...(actor === undefined ? {} : { actor }),
  };
  return {
    compares: [unchanged(entry.key, entry.modRevision)],
    success: [{ op: 'put', key: entry.key, value: codecs.entry.encode({ ...record, cancel }) }],
  };
}
