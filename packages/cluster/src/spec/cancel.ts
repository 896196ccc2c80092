/**
 * Cancelling a spec or a task, from any node.
 *
 * A spec's cancel is a mark in its header (level 1: tasks with `when: success`; level 2: all, without grace); its coordinator
 * acts on it until every task has a result. A one-task spec has no coordinator: its task is cancelled.
 *
 * A task: what is blocked or queued is compared, deleted, and its result `cancelled` put, in one transaction. What is claimed
 * gets a mark in its entry, claim and nonce kept; its owner stops it and commits. Each try begins with a look at all places
 * the task can be, at one revision; the compares refuse what has moved since, and the next try looks again.
 */
import {
  BoiError,
  type CancelAnswer,
  indexOf,
  type ProjectId,
  type SpecId,
  sleep,
  specOf,
  type TaskId,
} from '@boi/core';
import { absent, type Txn, unchanged } from '@boi/store';
import type { Actor } from '../api/api-types.ts';
import { settleTxn } from '../base/settle.ts';
import { onlyTaskEnded } from '../commit/commit-events.ts';
import { finalHeader } from '../commit/ending.ts';
import type { NodeDeps } from '../deps.ts';
import { appliedOrNot } from '../events/events.ts';
import { locateTask, type TaskPlace } from '../placement/locate.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { stopEntryItem } from './release.ts';
import { gotten, isFinalSpec, readHeader } from './spec-ref.ts';
import { carriedHistory, taskCancelled, unrunResult } from './task-entry.ts';

const TRIES_MAX = 30;
const AGAIN_MS = 20;

/** Throws `not-found`, `wrong-state` when it has ended, `conflict` when it changes too fast. */
export async function cancelSpec(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  signal: AbortSignal,
  actor?: Actor,
): Promise<CancelAnswer> {
  const { ctx } = deps;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const header = await readHeader(ctx, { prj, spc });
    if (header === undefined) throw noSpec(spc);
    const { record } = header;
    if (isFinalSpec(record)) throw ended(spc, record.state);
    if (record.state === 'writing') {
      throw new BoiError('wrong-state', `${spc} has not been accepted yet; try again`, { retryAfterS: 1 });
    }
    if (record.coordinator === undefined) {
      const answer = await cancelTask(deps, prj, firstTask(spc), signal, actor);
      return { ...answer, id: spc };
    }
    const level = record.cancel === undefined ? 1 : 2;
    if (record.cancel?.level === 2) return { id: spc, state: record.state, level: 2 };
    const { dispatcher: _dispatcher, ...rest } = record;
    const cancel = { at: ctx.clock.now(), level, ...(actor === undefined ? {} : { actor: actor.name }) };
    const next: SpecHeader = { ...rest, state: 'cancelling', cancel };
    const answer = await settleTxn(ctx, signal, {
      compares: [unchanged(header.key, header.modRevision)],
      success: [{ op: 'put', key: header.key, value: codecs.spec.encode(next) }],
      failure: [{ op: 'get', key: header.key }],
    });
    const done: CancelAnswer = { id: spc, state: 'cancelling', level };
    if (answer.outcome === 'applied') return done;
    const found = gotten(codecs.spec, answer.answers[0])?.record.cancel;
    // This very cancel, applied by a sending whose answer was lost.
    if (answer.resent && found?.at === cancel.at && found.level === level && found.actor === actor?.name) return done;
    await sleep(ctx.clock, AGAIN_MS, signal);
  }
  throw tooFast(spc);
}

/** Throws `not-found`, `wrong-state` when it has ended, `conflict` when it moves too fast. */
export async function cancelTask(
  deps: NodeDeps,
  prj: ProjectId,
  tsk: TaskId,
  signal: AbortSignal,
  actor?: Actor,
): Promise<CancelAnswer> {
  const { ctx } = deps;
  const spc = specOf(tsk);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const place = await locateTask(deps, prj, tsk);
    const { header } = place;
    if (header === undefined || indexOf(tsk) < 1 || indexOf(tsk) > header.record.tasks) throw noTask(tsk);
    const nowMs = ctx.clock.now();
    let txn: Txn | undefined;
    let answer: CancelAnswer = { id: tsk, state: 'cancelled', level: 1 };
    if (place.kind === 'result' || isFinalSpec(header.record)) {
      throw ended(tsk, place.kind === 'result' ? place.result.record.outcome : header.record.state);
    }
    if (place.kind === 'blocked') {
      const { key, modRevision, record } = place.blocked;
      const result = ctx.keys.result(spc, tsk);
      txn = {
        compares: [unchanged(key, modRevision), absent(result)],
        success: [
          { op: 'delete', key },
          {
            op: 'put',
            key: result,
            value: codecs.result.encode(
              unrunResult('cancelled', nowMs, record.attempt, {
                ...carriedHistory(record.history),
                ...(actor === undefined ? {} : { actor: actor.name }),
              }),
            ),
          },
        ],
      };
    } else if (place.kind === 'entry') {
      const { record } = place.entry;
      const force = record.cancel !== undefined;
      const item = stopEntryItem(ctx.keys, spc, tsk, place.entry, {
        force,
        nowMs,
        actor: actor?.name,
      });
      if (record.claim !== undefined) answer = { id: tsk, state: 'running', level: force ? 2 : 1 };
      if (item === undefined) return answer;
      txn = record.single === true && record.claim === undefined ? withFinalHeader(item, header, nowMs) : item;
    }
    if (txn !== undefined) {
      const sent = txn;
      const single = place.kind === 'entry' && place.entry.record.single === true;
      const ended = { endedAt: nowMs, attempt: attemptOf(place) };
      const told = taskCancelled({ prj, spc }, tsk, ended);
      const spec = { project: prj, spec: spc };
      const events = single ? [told, onlyTaskEnded(spec, 'cancelled', String(nowMs))] : [told];
      const { outcome } = await ctx.events.bringing(
        {
          kinds: ['task.cancelled', 'spec.completed'],
          // What is claimed is only marked: who has it says how it ended.
          events: () => (answer.state === 'cancelled' ? events : []),
          options: { signal, urgent: true },
        },
        () => settleTxn(ctx, signal, sent),
        appliedOrNot,
      );
      if (outcome === 'applied') return answer;
    }
    await sleep(ctx.clock, AGAIN_MS, signal);
  }
  throw tooFast(tsk);
}

function attemptOf(place: TaskPlace): number {
  return place.kind === 'entry'
    ? place.entry.record.attempt
    : place.kind === 'blocked'
      ? (place.blocked.record.attempt ?? 1)
      : 1;
}

/** A one-task spec ends with its task. */
function withFinalHeader(txn: Txn, header: Stored<SpecHeader>, nowMs: number): Txn {
  const record = finalHeader(header.record, unrunResult('cancelled', nowMs));
  return {
    compares: [...txn.compares, unchanged(header.key, header.modRevision)],
    success: [...txn.success, { op: 'put', key: header.key, value: codecs.spec.encode(record) }],
  };
}

function firstTask(spc: SpecId): TaskId {
  return `tsk_${spc.slice(4, 26)}0001` as TaskId;
}

export function noSpec(spc: string): BoiError {
  return new BoiError('not-found', `there is no spec ${spc} in this project`, { details: { spec: spc } });
}

export function noTask(tsk: string): BoiError {
  return new BoiError('not-found', `there is no task ${tsk} in this project`, { details: { task: tsk } });
}

function ended(id: string, state: string): BoiError {
  return new BoiError('wrong-state', `${id} has ended (${state})`, { details: { id, state } });
}

function tooFast(id: string): BoiError {
  return new BoiError('conflict', `${id} was changed by others while it was to be cancelled; try again`, {
    details: { id },
    retryAfterS: 1,
  });
}
