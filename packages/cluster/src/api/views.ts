/** Records as people and programs see them: pure translations into the wire types of the API. */
import type {
  NodeId,
  NodeView,
  ProjectId,
  Ref,
  SpecId,
  SpecView,
  TaskDefinition,
  TaskState,
  TaskView,
  Why,
} from '@boi/core';
import { formatDuration, taskId } from '@boi/core';
import type { Member, MembershipSnapshot } from '../membership/membership-types.ts';
import type { QueueOwner } from '../placement/queue-scan.ts';
import {
  type BlockedRecord,
  fenceOf,
  type LoadRecord,
  type NodeConfRecord,
  type QueueEntry,
  type ResultRecord,
  type SpecHeader,
  type Stored,
} from '../records.ts';
import type { LogPlace } from './api-types.ts';

/** Where a task is, as far as a view needs to know. */
export type SeenTask =
  | { readonly kind: 'blocked'; readonly record: BlockedRecord }
  | { readonly kind: 'entry'; readonly owner: QueueOwner; readonly entry: Stored<QueueEntry> }
  | { readonly kind: 'result'; readonly record: ResultRecord }
  /** Above the dispatch cursor. */
  | { readonly kind: 'none' };

export function specView(project: Ref, spc: SpecId, header: SpecHeader): SpecView {
  const { name, state, tasks, cursor, counts, failure, concurrency, actor, createdAt, endedAt, retryOf } = header;
  return {
    id: spc,
    ...(name === undefined ? {} : { name }),
    project,
    state,
    tasks,
    dispatched: cursor,
    counts,
    policy: { failure, ...(concurrency === undefined ? {} : { concurrency }) },
    ...(actor === undefined ? {} : { actor }),
    createdAt,
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(retryOf === undefined ? {} : { retryOf }),
    ...(header.coordinator === undefined ? {} : { coordinator: header.coordinator }),
    ...(header.archived === undefined ? {} : { archived: true }),
  };
}

export function nodeRef(node: NodeId, snapshot: MembershipSnapshot): Ref {
  const name = snapshot.members.get(node)?.record.name;
  return { id: node, ...(name === undefined ? {} : { name }) };
}

/** The state an entry is in, and why it waits when its own fields tell. */
export function entryState(
  owner: QueueOwner,
  entry: QueueEntry,
  snapshot: MembershipSnapshot,
  nowMs: number,
): { readonly state: TaskState; readonly why?: Why } {
  const live = owner !== undefined && snapshot.members.has(owner);
  if (entry.claim !== undefined) {
    if (live) return { state: 'running' };
    return {
      state: 'waiting',
      why: {
        summary: `node ${owner} is gone and no other can run it; a late commit of it still counts`,
        ...(entry.why === undefined ? {} : { constraints: entry.why.constraints }),
      },
    };
  }
  if (owner === undefined) {
    return { state: 'waiting', why: entry.why ?? { summary: 'no node can run it now' } };
  }
  if (!live) return { state: 'waiting', why: { summary: `node ${owner} is gone; another is taking its queue over` } };
  if ((entry.notBefore ?? 0) > nowMs) {
    return {
      state: 'waiting',
      why: { summary: `not due for another ${formatDuration((entry.notBefore ?? 0) - nowMs)}` },
    };
  }
  if (snapshot.cluster.paused !== undefined)
    return { state: 'waiting', why: { summary: 'claims are paused everywhere' } };
  return { state: 'queued' };
}

export function taskView(
  spc: SpecId,
  index: number,
  definition: TaskDefinition,
  seen: SeenTask,
  snapshot: MembershipSnapshot,
  nowMs: number,
): TaskView {
  const base = {
    id: taskId(spc, index),
    ref: definition.ref,
    spec: spc,
    index,
    ...(definition.priority === undefined ? {} : { priority: definition.priority }),
  };
  if (seen.kind === 'none') return { ...base, state: 'blocked', attempt: 1, why: { summary: 'not dispatched yet' } };
  if (seen.kind === 'blocked') return { ...base, state: 'blocked', attempt: seen.record.attempt ?? 1 };
  if (seen.kind === 'result') return { ...base, ...resultPart(seen.record, snapshot) };
  const { owner, entry } = seen;
  const { record } = entry;
  return {
    ...base,
    ...entryState(owner, record, snapshot, nowMs),
    ...(owner === undefined ? {} : { node: nodeRef(owner, snapshot) }),
    attempt: record.attempt,
    deliveries: record.deliveries,
    ...(record.claim === undefined ? {} : { fence: fenceOf(entry), claimedAt: record.claim.at }),
    ...(record.notBefore === undefined ? {} : { notBefore: record.notBefore }),
    ...(record.cancel === undefined ? {} : { cancelling: true }),
    ...(record.moves === undefined ? {} : { moves: record.moves }),
  };
}

function resultPart(
  result: ResultRecord,
  snapshot: MembershipSnapshot,
): Omit<TaskView, 'id' | 'ref' | 'spec' | 'index'> {
  const { outcome, node, attempt, delivery, fence, startedAt, endedAt, reason, message, exitCode, signal } = result;
  return {
    state: outcome,
    ...(node === undefined ? {} : { node: nodeRef(node, snapshot) }),
    attempt,
    ...(delivery === undefined ? {} : { deliveries: delivery }),
    ...(fence === undefined ? {} : { fence }),
    ...(startedAt === undefined ? {} : { startedAt }),
    endedAt,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal }),
    ...(result.tail === undefined ? {} : { tail: result.tail }),
    ...(result.outputs === undefined ? {} : { outputs: result.outputs }),
  };
}

/** Every claim of a task that may have output, oldest first. */
export function logPlacesOf(seen: SeenTask, snapshot: MembershipSnapshot): LogPlace[] {
  if (seen.kind === 'none') return [];
  const record = seen.kind === 'entry' ? seen.entry.record : seen.record;
  const places: LogPlace[] = [];
  const add = (attempt: number, delivery: number, node: NodeId) => {
    if (places.some((place) => place.attempt === attempt && place.delivery === delivery)) return;
    const address = snapshot.members.get(node)?.record.address;
    const goneSince = snapshot.goneAt.get(node);
    places.push({
      ...{ attempt, delivery, node },
      ...(address === undefined ? {} : { address }),
      ...(goneSince === undefined ? {} : { goneSince }),
    });
  };
  for (const { attempt, delivery, node } of record.history ?? []) add(attempt, delivery, node);
  if (seen.kind === 'result') {
    const { attempt, delivery, node } = seen.record;
    if (node !== undefined && delivery !== undefined) add(attempt, delivery, node);
  } else if (seen.kind === 'entry' && seen.owner !== undefined && seen.entry.record.claim !== undefined) {
    add(seen.entry.record.attempt, seen.entry.record.deliveries, seen.owner);
  }
  return places;
}

export function nodeView(
  id: NodeId,
  member: Member | undefined,
  conf: NodeConfRecord | undefined,
  load: LoadRecord | undefined,
  nowMs: number,
): NodeView {
  const rest = {
    ...(conf?.drain === undefined ? {} : { drain: { since: conf.drain.at, deadlineAt: conf.drain.deadlineAt } }),
    ...((conf?.coolingUntil ?? 0) > nowMs ? { coolingUntil: conf?.coolingUntil as number } : {}),
  };
  if (member === undefined) return { id, state: 'dead', ...rest };
  const ailments = [...new Set([...(conf?.unhealthy ?? []), ...(load?.ailments ?? [])])].sort();
  const { name, address, version, capabilities, slots, startedAt } = member.record;
  const idle = load === undefined || (load.running === 0 && load.queued === 0);
  const state = conf?.drain
    ? idle
      ? 'drained'
      : 'draining'
    : conf?.cordoned
      ? 'cordoned'
      : (conf?.coolingUntil ?? 0) > nowMs
        ? 'cooling'
        : conf?.unhealthy !== undefined || load?.health === 'degraded'
          ? 'degraded'
          : 'ready';
  return {
    id,
    ...(name === undefined ? {} : { name }),
    state,
    address,
    version,
    capabilities: { ...capabilities, ...conf?.labels },
    slots,
    busy: load?.busy ?? 0,
    queued: load?.queued ?? 0,
    running: load?.running ?? 0,
    epoch: member.epoch,
    startedAt,
    ...rest,
    ...(ailments.length === 0 ? {} : { ailments }),
  };
}

export function projectRef(id: ProjectId, name: string | undefined): Ref {
  return { id, ...(name === undefined ? {} : { name }) };
}
