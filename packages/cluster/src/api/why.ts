/**
 * "Why is it not running?", from the records: needs that have not ended, the spec's own limit, a time, a taken key, a pause,
 * the state of its node, how many are before it, or no capable node. Used by `task show`; undefined for what runs or ended.
 */
import { type ProjectId, type SpecId, type TaskDefinition, type TaskState, taskId, type Why } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import { needOf } from '../provision/need.ts';
import { provisionCodec } from '../provision/records.ts';
import { provisionWhy } from '../provision/why.ts';
import { codecs, type QueueEntry, type SpecHeader } from '../records.ts';
import { entryState, type SeenTask } from './views.ts';

/** Needs named in a summary; their number is told in any case. */
const NAMED_MAX = 5;
/** Needs looked up to see which have ended. */
const NEEDS_READ_MAX = 120;

export async function whyNotRunning(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  header: SpecHeader,
  definition: TaskDefinition,
  seen: SeenTask,
): Promise<{ readonly why: Why; readonly state?: TaskState } | undefined> {
  if (seen.kind === 'result') return undefined;
  if (seen.kind === 'none') {
    return { why: { summary: `not dispatched yet: ${header.cursor} of ${header.tasks} tasks are` } };
  }
  if (seen.kind === 'blocked') return { why: await whyBlocked(deps, spc, header, definition) };
  const { ctx, membership } = deps;
  const { owner, entry } = seen;
  const snapshot = membership.snapshot();
  const { state, why } = entryState(owner, entry.record, snapshot, ctx.clock.now());
  if (why !== undefined && owner === undefined) return { why: await withProvision(deps, entry.record, why) };
  if (why !== undefined) return { why };
  if (state === 'running' || owner === undefined) return undefined;
  const { lock } = entry.record;
  if (lock !== undefined) {
    const range = ctx.keys.locksOf(prj, lock.hash);
    const held = await ctx.store.range({ ...range });
    if (held.kvs.length >= lock.limit) {
      const holders = held.kvs.map(({ key, value }) => codecs.lock.decode(key, value).task);
      return {
        state: 'waiting',
        why: {
          summary: `its key ${JSON.stringify(definition.key?.name ?? lock.hash)} is held by ${listed(holders)} (limit ${lock.limit})`,
        },
      };
    }
  }
  const conf = snapshot.members.get(owner)?.conf;
  if (conf?.drain !== undefined)
    return { why: { summary: `node ${owner} is draining; its queue is being handed over` } };
  const load = (await membership.loads()).get(owner);
  const slots = snapshot.members.get(owner)?.record.slots ?? 0;
  const queued = load?.queued ?? 0;
  const free = slots - (load?.busy ?? 0);
  const wanted = entry.record.slots ?? 1;
  const summary =
    free < wanted
      ? `node ${owner} has ${Math.max(0, free)} of ${slots} slots free and it takes ${wanted}; ${queued} queued there`
      : `in the queue of node ${owner}, ${queued} queued there`;
  return { why: { summary } };
}

/** And what was done about it. */
async function withProvision({ ctx }: NodeDeps, entry: QueueEntry, why: Why): Promise<Why> {
  const need = needOf(entry);
  if (need === undefined) return why;
  const key = ctx.keys.provision(need.hash);
  const { kv } = await ctx.store.get(key);
  const more = kv === undefined ? undefined : provisionWhy(provisionCodec.decode(key, kv.value), ctx.clock.now());
  return more === undefined ? why : { ...why, summary: `${why.summary}; ${more}` };
}

async function whyBlocked(deps: NodeDeps, spc: SpecId, header: SpecHeader, definition: TaskDefinition): Promise<Why> {
  const { ctx } = deps;
  const needs = definition.needs ?? [];
  if (header.state === 'dispatching' && needs.length === 0) {
    return { summary: 'waits until its spec is dispatched whole' };
  }
  const open: string[] = [];
  let count = 0;
  const read = needs.slice(0, NEEDS_READ_MAX);
  if (read.length > 0) {
    const answer = await ctx.store.txn({
      compares: [],
      success: read.map((need) => ({ op: 'get', key: ctx.keys.result(spc, taskId(spc, need)) })),
    });
    if (answer.outcome === 'unknown') throw answer.cause;
    for (const [i, found] of answer.answers.entries()) {
      if (found.op !== 'get' || found.kv !== undefined) continue;
      count++;
      if (open.length < NAMED_MAX) {
        open.push((await deps.bodies.find(spc, header, read[i] as number)).ref);
      }
    }
  }
  if (count > 0) {
    const among = needs.length > read.length ? ` among the first ${read.length}` : '';
    return { summary: `waits for ${listed(open, count)}${among}` };
  }
  if (needs.length > read.length) return { summary: `waits for some of its ${needs.length} needs` };
  if (header.concurrency !== undefined) {
    return { summary: `its needs have ended; its spec runs at most ${header.concurrency} tasks at once` };
  }
  return { summary: 'its needs have ended; its coordinator is about to release it' };
}

function listed(names: readonly string[], count = names.length): string {
  const shown = names.slice(0, NAMED_MAX).join(', ');
  return count > NAMED_MAX ? `${shown} and ${count - NAMED_MAX} more` : shown;
}
