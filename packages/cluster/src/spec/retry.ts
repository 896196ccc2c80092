/**
 * Running again. A finished spec: a new spec with the same definitions and `retry_of`. An ended task of an active spec: its
 * result is taken back and it is blocked with the next attempt, to be released by its coordinator like any other (so the
 * spec's own limit and the placement hold); what was skipped because of it is blocked again in the same request.
 *
 * The request writes the header, so a coordinator whose plan rests on the old results is refused, and looks anew. Each
 * re-blocked task is an item of its own, compare and both writes together: at every revision each task has one record. All
 * of it is one request, or the coordinator could skip in between what is still to be blocked; hence the limit.
 */
import {
  BoiError,
  Dag,
  type DispatchAnswer,
  type Ending,
  indexOf,
  type ProjectId,
  type SpecDefinition,
  type SpecId,
  sleep,
  specOf,
  type TaskDefinition,
  type TaskId,
  taskId,
} from '@boi/core';
import { batchItemsMax, type Compare, exists, type Txn, unchanged } from '@boi/store';
import type { Actor } from '../api/api-types.ts';
import { digestOf } from '../base/hash.ts';
import { settleBatch } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { locateTask } from '../placement/locate.ts';
import {
  type BlockedRecord,
  codecs,
  HISTORY_MAX,
  type HistoryRecord,
  type ResultRecord,
  SCHEMA_VERSION,
  type SpecHeader,
  type Stored,
} from '../records.ts';
import { noSpec, noTask } from './cancel.ts';
import type { Dispatcher } from './dispatch.ts';
import { isFinalSpec, readHeader } from './spec-ref.ts';
import { carriedHistory } from './task-entry.ts';

const TRIES_MAX = 10;
const AGAIN_MS = 20;
/** The header, the task's own result and its blocked record are outside the items; an item compares or writes two keys. */
const REBLOCKED_MAX = batchItemsMax(3, 2);

/** Throws `not-found`, `wrong-state` while it has not ended. */
export async function retrySpec(
  deps: NodeDeps,
  dispatcher: Dispatcher,
  prj: ProjectId,
  spc: SpecId,
  idempotencyKey?: string,
  actor?: Actor,
): Promise<DispatchAnswer> {
  const header = await readHeader(deps.ctx, { prj, spc });
  if (header === undefined) throw noSpec(spc);
  const { record } = header;
  if (!isFinalSpec(record)) {
    throw new BoiError('wrong-state', `${spc} is ${record.state}; a spec can be retried when it has ended`, {
      details: { spec: spc, state: record.state },
    });
  }
  const tasks: TaskDefinition[] = [];
  for await (const chunk of deps.bodies.all(spc, record)) tasks.push(...chunk.tasks);
  const spec: SpecDefinition = {
    ...(record.name === undefined ? {} : { name: record.name }),
    failurePolicy: record.failure,
    ...(record.concurrency === undefined ? {} : { concurrency: record.concurrency }),
    tasks,
  };
  return dispatcher.accept({
    project: prj,
    spec,
    digest: digestOf('retry', spc),
    retryOf: spc,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(actor === undefined ? {} : { actor }),
  });
}

/** Throws `not-found`, `wrong-state` (not ended, or skipped; its spec not active, failing, or without a coordinator), `too-large`. */
export async function retryTask(
  deps: NodeDeps,
  prj: ProjectId,
  tsk: TaskId,
  signal: AbortSignal,
  actor?: Actor,
): Promise<void> {
  const { ctx } = deps;
  const { keys } = ctx;
  const spc = specOf(tsk);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const place = await locateTask(deps, prj, tsk);
    const { header } = place;
    if (header === undefined || indexOf(tsk) < 1 || indexOf(tsk) > header.record.tasks) throw noTask(tsk);
    requireActive(header.record, spc);
    if (place.kind !== 'result') {
      throw new BoiError('wrong-state', `${tsk} has not ended; cancel it first`, { details: { task: tsk } });
    }
    const { result } = place;
    if (result.record.outcome === 'skipped') {
      throw new BoiError('wrong-state', `${tsk} was skipped because of how others ended; retry those`, {
        details: { task: tsk },
      });
    }
    const { items, stillBlocked } = await reblockItems(deps, spc, header.record, indexOf(tsk), result.record);
    const { outcome, attempt, startedAt } = result.record;
    // A task that never ran keeps its attempt; one that ran begins the next.
    const next = startedAt === undefined && outcome === 'cancelled' ? attempt : attempt + 1;
    const retried = { at: ctx.clock.now(), task: tsk, ...(actor === undefined ? {} : { actor: actor.name }) };
    const touched: SpecHeader = { ...header.record, retried };
    const answer = await settleBatch(ctx, signal, {
      compares: [unchanged(header.key, header.modRevision), unchanged(result.key, result.modRevision), ...stillBlocked],
      success: [
        { op: 'put', key: header.key, value: codecs.spec.encode(touched) },
        { op: 'delete', key: result.key },
        {
          op: 'put',
          key: keys.blocked(spc, tsk),
          value: codecs.blocked.encode(blockedAgain(next, historyOf(result.record))),
        },
      ],
      items,
      failure: [{ op: 'get', key: result.key }],
    });
    if (answer.outcome === 'applied') return;
    const [left] = answer.answers;
    if (answer.resent && left?.op === 'get' && left.kv?.modRevision !== result.modRevision) return;
    await sleep(ctx.clock, AGAIN_MS, signal);
  }
  throw new BoiError('conflict', `${spc} was changed by others while ${tsk} was to be retried; try again`, {
    details: { task: tsk },
    retryAfterS: 1,
  });
}

interface Reblocked {
  readonly items: Txn[];
  readonly stillBlocked: Compare[];
}

function requireActive(header: SpecHeader, spc: SpecId): void {
  const why =
    header.coordinator === undefined || header.state !== 'active'
      ? `is ${header.state}`
      : header.failing === true
        ? 'is failing (its policy is fail-fast)'
        : undefined;
  if (why === undefined) return;
  throw new BoiError('wrong-state', `${spc} ${why}; a task can be retried while its spec is active: retry the spec`, {
    details: { spec: spc, state: header.state },
  });
}

/** What was skipped because of task `index` becomes blocked again. */
async function reblockItems(
  deps: NodeDeps,
  spc: SpecId,
  header: SpecHeader,
  index: number,
  { outputs }: Pick<ResultRecord, 'outputs'>,
): Promise<Reblocked> {
  const { keys } = deps.ctx;
  const tasks: TaskDefinition[] = [];
  for await (const chunk of deps.bodies.all(spc, header)) tasks.push(...chunk.tasks);
  const results = await resultsOf(deps, spc);
  const dag = new Dag(tasks);
  const endings: [number, Ending][] = [];
  for (const [at, { record }] of results) {
    const { outcome, byFailure } = record;
    endings.push([at, outcome === 'skipped' ? { outcome, skippedByFailure: byFailure === true } : { outcome }]);
  }
  const blocked = await blockedOf(deps, spc);
  dag.begin(endings, (at) => !blocked.has(at));
  const items: Txn[] = [];
  const stillBlocked: Compare[] = [];
  const ending = dag.endingOf(index);
  // No longer what was seen at first: the compares will say so.
  if (ending === undefined || ending.outcome === 'skipped') return { items, stillBlocked };
  if (outputs !== undefined) {
    // Who reads its outputs reads its result when it starts, and would find none.
    const readers = tasks.flatMap(({ needs = [] }, i) => (needs.includes(index) ? [i + 1] : []));
    const begun = readers.filter((at) => !blocked.has(at) && !results.has(at));
    if (begun.length > 0) {
      throw new BoiError(
        'wrong-state',
        `${begun.length} tasks that read its outputs have been released and not ended; wait for them or cancel them`,
        { details: { tasks: begun.slice(0, 20).map((at) => taskId(spc, at)) } },
      );
    }
    for (const at of readers) if (blocked.has(at)) stillBlocked.push(exists(keys.blocked(spc, taskId(spc, at))));
  }
  for (const at of dag.reset(index)) {
    const result = results.get(at);
    if (result === undefined) {
      // To be skipped, but its coordinator has not done so yet; if it does before this request, look again.
      const compare = exists(keys.blocked(spc, taskId(spc, at)));
      if (!stillBlocked.some(({ key }) => key === compare.key)) stillBlocked.push(compare);
      continue;
    }
    items.push({
      compares: [unchanged(result.key, result.modRevision)],
      success: [
        { op: 'delete', key: result.key },
        {
          op: 'put',
          key: keys.blocked(spc, taskId(spc, at)),
          // What is skipped did not run in this attempt; what ran in earlier ones is told by the history it carries.
          value: codecs.blocked.encode(blockedAgain(result.record.attempt, result.record.history)),
        },
      ],
    });
  }
  if (items.length > REBLOCKED_MAX || stillBlocked.length > REBLOCKED_MAX) {
    throw new BoiError(
      'too-large',
      `${items.length + stillBlocked.length} tasks are skipped because of it; a task retry takes back at most ${REBLOCKED_MAX}: let the spec end and retry it`,
      { details: { skipped: items.length + stillBlocked.length, skippedMax: REBLOCKED_MAX } },
    );
  }
  return { items, stillBlocked };
}

function blockedAgain(attempt: number, history: readonly HistoryRecord[] | undefined): BlockedRecord {
  return { v: SCHEMA_VERSION, ...(attempt === 1 ? {} : { attempt }), ...carriedHistory(history) };
}

/** The claims of a task whose result is taken back: without it nobody could tell where their output is. */
function historyOf({ outcome, attempt, delivery, node, endedAt, reason, exitCode, history = [] }: ResultRecord) {
  // A result put for a claim that was lost or killed has that claim in its history already.
  const told = history.some((claim) => claim.attempt === attempt && claim.delivery === delivery);
  if (node === undefined || delivery === undefined || outcome === 'skipped' || told) return history;
  const last: HistoryRecord = {
    attempt,
    delivery,
    node,
    at: endedAt,
    end: outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(exitCode === undefined ? {} : { exitCode }),
    final: true,
  };
  return [...history, last].slice(-HISTORY_MAX);
}

/** Tasks that have not been released, or are blocked again. */
async function blockedOf({ ctx }: NodeDeps, spc: SpecId): Promise<Set<number>> {
  const blocked = new Set<number>();
  const range = ctx.keys.blockedOf(spc);
  for (let start = range.start; ; ) {
    const page = await ctx.store.range({ start, end: range.end, keysOnly: true });
    for (const { key } of page.kvs) blocked.add(indexOf(lastPart(key) as TaskId));
    if (!page.more) return blocked;
    start = `${page.kvs.at(-1)?.key ?? start} `;
  }
}

/** Outcomes of all results, and what a task that is blocked again keeps of its result. */
async function resultsOf(
  { ctx }: NodeDeps,
  spc: SpecId,
): Promise<Map<number, Pick<Stored<ResultRecord>, 'key' | 'modRevision'> & { readonly record: Slim }>> {
  const results = new Map<number, Pick<Stored<ResultRecord>, 'key' | 'modRevision'> & { readonly record: Slim }>();
  const range = ctx.keys.resultsOf(spc);
  for (let start = range.start; ; ) {
    const page = await ctx.store.range({ start, end: range.end });
    for (const { key, value, modRevision } of page.kvs) {
      const { outcome, byFailure, attempt, history } = codecs.result.decode(key, value);
      const record: Slim = {
        outcome,
        attempt,
        ...(byFailure === true ? { byFailure } : {}),
        ...(outcome === 'skipped' ? carriedHistory(history) : {}),
      };
      results.set(indexOf(lastPart(key) as TaskId), { key, modRevision, record });
    }
    if (!page.more) return results;
    start = `${page.kvs.at(-1)?.key ?? start} `;
  }
}

type Slim = Pick<ResultRecord, 'outcome' | 'attempt' | 'byFailure' | 'history'>;
