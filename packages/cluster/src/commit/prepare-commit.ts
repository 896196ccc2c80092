/**
 * From a report to the transaction that ends its claim: what becomes of the task (ending.ts), and the compares and writes
 * of that. Used by commit.ts for each try, so that a try after a refusal is decided anew by what is there then.
 */
import type { TaskReport } from '@boi/core';
import { absent, type Compare, type Op, type Txn, unchanged } from '@boi/store';
import type { Held } from '../claim/held.ts';
import { definitionOf } from '../claim/run.ts';
import type { NodeDeps } from '../deps.ts';
import type { Keys } from '../keys.ts';
import { heldLock } from '../placement/move.ts';
import { codecs, type ResultRecord } from '../records.ts';
import { stored } from '../spec/spec-ref.ts';
import { decideEnding, type Ending, finalHeader, poisonResult } from './ending.ts';
import { type MovedTo, requeueTxn } from './requeue.ts';

export interface Ended {
  readonly held: Held;
  readonly report: TaskReport;
  /** Instead of what the report says: its claims were lost too often. */
  readonly poison?: boolean;
  /** On disk. */
  kept: boolean;
  tries: number;
}

export interface Prepared {
  readonly ended: Ended;
  readonly ending: Ending;
  readonly txn: Txn;
  /** Where a requeue puts it; a node of none: `unassigned`. */
  readonly movedTo: MovedTo;
}

export async function prepareCommit(deps: NodeDeps, ended: Ended): Promise<Prepared> {
  const { ctx, self } = deps;
  const { held, report } = ended;
  const nowMs = ctx.clock.now();
  const failed = report.outcome === 'failed' || report.outcome === 'timed-out';
  const retries = failed && !ended.poison ? (await definitionOf(deps, held).catch(goneOnly))?.retries : undefined;
  const { random, config } = ctx;
  const ending: Ending = ended.poison
    ? { kind: 'result', result: poisonResult(self, held, nowMs) }
    : decideEnding({ self, held, report, retries, deliveriesMax: config.deliveriesMax, nowMs, random });
  if (ending.kind === 'requeue') return { ended, ending, ...(await requeueTxn(deps, held, ending)) };
  if (held.entry.single && held.header === undefined) {
    const { kv } = await ctx.store.get(ctx.keys.spec(held.project, held.spec));
    if (kv !== undefined) held.header = stored(codecs.spec, kv);
  }
  return { ended, ending, txn: resultTxn(ctx.keys, held, ending.result), movedTo: 'here' };
}

/** Puts the result, deletes the entry and what its claim held; a one-task spec's header becomes final with it. */
function resultTxn(keys: Keys, held: Held, result: ResultRecord): Txn {
  const resultKey = keys.result(held.spec, held.task);
  const compares: Compare[] = [unchanged(held.key, held.revision), absent(resultKey)];
  const success: Op[] = [
    { op: 'put', key: resultKey, value: codecs.result.encode(result) },
    { op: 'delete', key: held.key },
  ];
  const failure: Op[] = [
    { op: 'get', key: held.key },
    { op: 'get', key: resultKey },
  ];
  const lock = heldLock(keys, held.entry);
  if (lock !== undefined) success.push({ op: 'delete', key: lock });
  const { header } = held;
  if (held.entry.single && header !== undefined) {
    compares.push(unchanged(header.key, header.modRevision));
    success.push({ op: 'put', key: header.key, value: codecs.spec.encode(finalHeader(header.record, result)) });
    failure.push({ op: 'get', key: header.key });
  }
  return { compares, success, failure };
}

/** A spec that is gone has no policy; any other failure to read is the caller's. */
function goneOnly(error: { code?: string }): undefined {
  if (error.code === 'not-found' || error.code === 'schema-unknown') return undefined;
  throw error;
}
