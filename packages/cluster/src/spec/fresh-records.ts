/**
 * The records of tasks that have none yet, as many as fit one request. Pure: the caller adds the header, whose compare
 * makes the whole of it happen or nothing.
 *
 * No part of it can be refused on its own (its node has just died): its index would stay without a record below the cursor.
 * So each target's record is compared once for the whole chunk, and a node that goes away makes the caller place the chunk
 * anew. A flat transaction compares each new record absent as well. A batch, which holds many more, does not: nobody writes
 * records above the cursor of a header that has not changed.
 *
 * Which record: `blocked` if the task has needs, can never be ready by itself, or the spec's own limit is used up by tasks
 * before it; else an entry in the queue of the node the placer names, or under `unassigned`. Of a spec already cancelled the
 * tasks that a cancel stops get the result `cancelled` and the others wait `blocked` for the coordinator.
 */
import { type NodeId, type ProjectId, type SpecId, type TaskDefinition, taskId } from '@boi/core';
import { absent, type Compare, type Op, REQUEST_BYTES_MAX, TXN_OPS_MAX, type Txn } from '@boi/store';
import type { Keys } from '../keys.ts';
import { placementFactsOf, routedTaskOf } from '../placement/placement.ts';
import type { Placer, RoutedTask } from '../placement/placement-types.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import { newEntry, unrunResult } from './task-entry.ts';

/** Framing of one operation and its compares, and a key written out twice: more than the store's own count. */
const OP_OVERHEAD_BYTES = 256;
/** For the header and what else the caller adds. */
const RESERVED_BYTES = 16 * 1024;
/** Records in an item of a batch. Any number from 16 to 60 cost the same on etcd 3.4. */
const ITEM_OPS = 32;
/** Nodes whose records a batch may compare: etcd counts its widest item as well. */
const BATCH_COMPARES_MAX = TXN_OPS_MAX - ITEM_OPS;

export interface FreshTask {
  readonly index: number;
  readonly definition: TaskDefinition;
  /** Absent: inline. */
  readonly chunk?: number;
}

export interface FreshOptions {
  readonly keys: Keys;
  readonly prj: ProjectId;
  readonly spc: SpecId;
  readonly placer: Placer;
  readonly nowMs: number;
  /** At most so many records. */
  readonly recordsMax: number;
  /** Operations, compares and bytes the caller itself puts into the transaction. */
  readonly opsUsed: number;
  readonly comparesUsed: number;
  readonly bytesUsed?: number;
  /** For a batch (see {@link recordItems}), not for a flat transaction. */
  readonly batch?: boolean;
  /** Tasks of the spec that may still be queued under its own limit. */
  readonly free: number;
  /** A one-task spec without a coordinator. */
  readonly single?: boolean;
  /** What a cancel stops. */
  readonly stop?: 'success' | 'all';
}

export interface FreshRecords {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
  /** How many tasks, from the first on, got their record. */
  readonly count: number;
  /** How many of them went to a queue or to `unassigned`, which uses up the spec's own limit. */
  readonly queued: number;
  /** For events: where each went; undefined: blocked or unassigned. */
  readonly places: readonly (NodeId | undefined)[];
  readonly cancelled: number;
}

export function freshRecords(tasks: Iterable<FreshTask>, options: FreshOptions): FreshRecords {
  const { keys, prj, spc, placer, nowMs, recordsMax, opsUsed, comparesUsed, free, batch = false } = options;
  const compares: Compare[] = [];
  const targets = new Set<string>();
  const ops: Op[] = [];
  const places: (NodeId | undefined)[] = [];
  const bytesMax = REQUEST_BYTES_MAX - RESERVED_BYTES - (options.bytesUsed ?? 0);
  let bytes = 0;
  let queued = 0;
  let cancelled = 0;
  for (const { index, definition, chunk } of tasks) {
    if (ops.length === recordsMax) break;
    const tsk = taskId(spc, index);
    const when = definition.when ?? 'success';
    let key: string;
    let value: string;
    let needed: readonly Compare[] = [];
    let place: NodeId | undefined;
    let uses = 0;
    let ends = 0;
    if (options.stop === 'all' || (options.stop === 'success' && when === 'success')) {
      key = keys.result(spc, tsk);
      value = codecs.result.encode(unrunResult('cancelled', nowMs));
      ends = 1;
    } else if (options.stop !== undefined || !startsReady(definition) || queued >= free) {
      key = keys.blocked(spc, tsk);
      value = codecs.blocked.encode({ v: SCHEMA_VERSION });
    } else {
      const entry = newEntry({
        prj,
        definition,
        nowMs,
        ...(chunk === undefined ? {} : { chunk }),
        ...(options.single === true ? { single: true } : {}),
      });
      const placed = placer.place(tsk, placementFactsOf(definition));
      uses = 1;
      if (placed.member === undefined) {
        key = keys.unassigned(tsk);
        value = codecs.entry.encode({ ...entry, why: placed.why });
      } else {
        place = placed.member.id;
        key = keys.queue(place, tsk);
        value = codecs.entry.encode(entry);
        needed = placed.compares.filter((compare) => !targets.has(compareId(compare)));
      }
    }
    const more = Buffer.byteLength(value) + OP_OVERHEAD_BYTES;
    const compared = comparesUsed + compares.length + needed.length;
    const full = batch
      ? compared > BATCH_COMPARES_MAX
      : opsUsed + ops.length + 1 > TXN_OPS_MAX || compared + 1 > TXN_OPS_MAX;
    if (full || bytes + more > bytesMax) break;
    bytes += more;
    queued += uses;
    cancelled += ends;
    for (const compare of needed) {
      targets.add(compareId(compare));
      compares.push(compare);
    }
    if (!batch) compares.push(absent(key));
    ops.push({ op: 'put', key, value });
    places.push(place);
  }
  return { compares, ops, count: ops.length, queued, places, cancelled };
}

/** The records as items of a batch without compares of their own: nested puts cost etcd half of what flat ones do. */
export function recordItems(ops: readonly Op[]): Txn[] {
  const items: Txn[] = [];
  for (let from = 0; from < ops.length; from += ITEM_OPS) {
    items.push({ compares: [], success: ops.slice(from, from + ITEM_OPS) });
  }
  return items;
}

/** Those of the tasks that may go to a queue now, for the router. */
export function* routedTasks(prj: ProjectId, spc: SpecId, tasks: Iterable<FreshTask>): Generator<RoutedTask> {
  for (const { index, definition } of tasks)
    if (startsReady(definition)) yield routedTaskOf(taskId(spc, index), prj, definition);
}

/** Whether a task can go to a queue at dispatch: no needs, and `when: failure` without needs is never fulfilled. */
export function startsReady(definition: TaskDefinition): boolean {
  return (definition.needs === undefined || definition.needs.length === 0) && definition.when !== 'failure';
}

function compareId(compare: Compare): string {
  return `${compare.target} ${compare.key}`;
}
