/**
 * `task kill --force`: takes a claim away from a node that does not answer. The entry moves to another node without its
 * claim (or to `unassigned` when there is none), so the old owner's commit is refused from then on; a claim that was to be
 * cancelled ends as `cancelled`. The delivery stays counted. Only an operator decides this: an exclusive task's old copy may
 * still run beside the new one until its node notices.
 */
import { BoiError, type NodeId, type ProjectId, specOf, type TaskId } from '@boi/core';
import type { Txn } from '@boi/store';
import type { Actor } from '../api/api-types.ts';
import { settleTxn } from '../base/settle.ts';
import { ENDING_EVENTS, resultEvents } from '../commit/commit-events.ts';
import { poisonResult } from '../commit/ending.ts';
import type { NodeDeps } from '../deps.ts';
import { appliedOrNot } from '../events/events.ts';
import { locateTask } from '../placement/locate.ts';
import { unclaimed } from '../placement/move.ts';
import { placementFactsOf, routedTaskOf } from '../placement/placement.ts';
import type { QueueOwner } from '../placement/queue-scan.ts';
import { planMove, sendMoves } from '../placement/send-moves.ts';
import {
  fenceOf,
  HISTORY_MAX,
  type HistoryRecord,
  type QueueEntry,
  type ResultRecord,
  SCHEMA_VERSION,
  type Stored,
} from '../records.ts';
import { readHeader } from '../spec/spec-ref.ts';
import { endLostTxn } from './lost-claim.ts';

/** Answers whether it was done; false: the entry has changed meanwhile, look again. Throws `wrong-state` if it is not claimed. */
export async function killClaim(
  deps: NodeDeps,
  task: TaskId,
  owner: QueueOwner,
  stored: Stored<QueueEntry>,
  signal: AbortSignal = deps.session.signal(),
  actor?: Actor,
): Promise<boolean> {
  const { ctx } = deps;
  const { keys } = ctx;
  const { record } = stored;
  const { claim, attempt, deliveries: delivery, history = [] } = record;
  if (claim === undefined || owner === undefined) {
    throw new BoiError('wrong-state', `task ${task} is not claimed; cancel it instead`, { details: { task } });
  }
  const nowMs = ctx.clock.now();
  const by = actor === undefined ? {} : { actor: actor.name };
  const killed: HistoryRecord = { attempt, delivery, node: owner, at: nowMs, end: 'killed', ...by };
  // Killed in the last delivery it is allowed, it is poison like one lost in it.
  if (record.cancel !== undefined || delivery >= ctx.config.deliveriesMax) {
    const header = record.single ? await readHeader(ctx, { prj: record.prj, spc: specOf(task) }) : undefined;
    const all = [...history, killed].slice(-HISTORY_MAX);
    const result: ResultRecord =
      record.cancel === undefined
        ? { ...poisonResult(owner, { entry: record, fence: fenceOf(stored) }, nowMs), history: all }
        : { v: SCHEMA_VERSION, outcome: 'cancelled', endedAt: nowMs, attempt, delivery, history: all };
    const txn = endLostTxn(keys, task, stored, result, header);
    const ended = await endKilled(deps, { task, owner, stored, result, txn }, signal);
    return ended || wasKilled(deps, record.prj, task, killed);
  }
  const placer = await deps.placer();
  await placer.consult(() => [routedTaskOf(task, record.prj, record)]);
  const placed = placer.place(task, placementFactsOf(record), { exclude: new Set([owner]) });
  const entry = unclaimed(record, killed);
  const move = planMove({ keys, task, from: owner, stored, entry, why: 'killed', nowMs }, placed);
  const { applied } = await sendMoves(deps, [move], [], signal);
  return applied.length === 1 || wasKilled(deps, record.prj, task, killed);
}

/** Refused, perhaps by the first sending of this very kill, whose answer was lost: the task's history has it then. */
async function wasKilled(deps: NodeDeps, prj: ProjectId, task: TaskId, killed: HistoryRecord): Promise<boolean> {
  const place = await locateTask(deps, prj, task);
  const record =
    place.kind === 'entry' ? place.entry.record : place.kind === 'result' ? place.result.record : undefined;
  const { at, node, attempt, delivery, actor } = killed;
  const isIt = (claim: HistoryRecord) =>
    claim.end === 'killed' &&
    claim.at === at &&
    claim.node === node &&
    claim.attempt === attempt &&
    claim.delivery === delivery &&
    claim.actor === actor;
  return record?.history?.some(isIt) === true;
}

async function endKilled(
  { ctx }: NodeDeps,
  killed: {
    readonly task: TaskId;
    readonly owner: NodeId;
    readonly stored: Stored<QueueEntry>;
    readonly result: ResultRecord;
    readonly txn: Txn;
  },
  signal: AbortSignal,
): Promise<boolean> {
  const { task, owner, stored, result, txn } = killed;
  const { key, record: entry, modRevision: revision } = stored;
  const events = resultEvents(
    owner,
    { task, spec: specOf(task), project: entry.prj, entry, key, revision, fence: fenceOf(stored) },
    result,
  );
  const answer = await ctx.events.bringing(
    { kinds: ENDING_EVENTS, events: () => events, options: { signal, urgent: true } },
    () => settleTxn(ctx, signal, txn),
    appliedOrNot,
  );
  return answer.outcome === 'applied';
}
