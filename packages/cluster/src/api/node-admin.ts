/**
 * What operators do to nodes and to the cluster as a whole: settings are records of their own (`nodeconf/{nod}`, `cluster`)
 * that outlive the node's session, changed by compare-and-swap so that two operators never undo each other unseen. Everything
 * that claims compares them, so a change holds from its commit on.
 */
import {
  BoiError,
  type ClusterView,
  isId,
  type NodeId,
  type NodeView,
  type ProjectId,
  type RouteQuery,
  sleep,
} from '@boi/core';
import { ABSENT, type Compare, type KeyValue, type Op, unchanged } from '@boi/store';
import { pages } from '../base/pages.ts';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import type { ClusterEvent } from '../events/cluster-event.ts';
import { appliedOrNot, type Bringing } from '../events/events.ts';
import { lastPart } from '../keys.ts';
import { isSchedulable } from '../membership/membership-types.ts';
import { queueOwners } from '../placement/queue-scan.ts';
import { codecs, isNeutral, type NodeConfRecord, SCHEMA_VERSION } from '../records.ts';
import { stored } from '../spec/spec-ref.ts';
import type { SpecCount } from '../upkeep/spec-count.ts';
import type { Actor, NodePage } from './api-types.ts';
import { nodeView, projectRef } from './views.ts';

const TRIES_MAX = 20;
const AGAIN_MS = 20;
/**
 * For the look-up that begins every request on a project: below the store's own deadline, so that a node cut off from the
 * store sends its callers elsewhere within three seconds, and above an election.
 */
const LOOK_UP_WITHIN_MS = 2_500;

export async function findNode(deps: NodeDeps, idOrName: string): Promise<NodeId> {
  const snapshot = deps.membership.snapshot();
  if (isId(idOrName, 'node')) {
    if (snapshot.members.has(idOrName) || (await deadNodes(deps)).includes(idOrName)) return idOrName;
    throw noNode(idOrName);
  }
  const found = [...snapshot.members.values()].filter(({ record }) => record.name === idOrName).map(({ id }) => id);
  const [only] = found;
  if (only === undefined) throw noNode(idOrName);
  if (found.length === 1) return only;
  throw new BoiError('ambiguous-name', `${found.length} nodes are called ${JSON.stringify(idOrName)}: give the id`, {
    details: { candidates: found },
  });
}

/** Nodes without a session that left a queue or settings. */
async function deadNodes(deps: NodeDeps): Promise<NodeId[]> {
  const { members, absentConfs } = deps.membership.snapshot();
  const ids = new Set<NodeId>([...absentConfs].filter(([, conf]) => !isNeutral(conf)).map(([id]) => id));
  for (const owner of await queueOwners(deps.ctx)) if (owner !== undefined) ids.add(owner);
  return [...ids].filter((id) => !members.has(id)).sort();
}

export async function listNodes(deps: NodeDeps, query: RouteQuery<'node.list'>): Promise<NodePage> {
  const { ctx, membership } = deps;
  const snapshot = membership.snapshot();
  const loads = await membership.loads();
  const nowMs = ctx.clock.now();
  const items = [...snapshot.members.values()].map((member) =>
    nodeView(member.id, member, member.conf, loads.get(member.id), nowMs),
  );
  for (const id of await deadNodes(deps)) {
    items.push(nodeView(id, undefined, snapshot.absentConfs.get(id), undefined, nowMs));
  }
  const wanted = query.name === undefined ? items : items.filter(({ name }) => name === query.name);
  return { items: await Promise.all(wanted.map((view) => drainedIfEmpty(deps, view))) };
}

export async function showNode(deps: NodeDeps, id: NodeId): Promise<NodeView> {
  const { ctx, membership } = deps;
  const { kv } = await ctx.store.get(ctx.keys.nodeconf(id));
  const conf = kv === undefined ? undefined : codecs.nodeconf.decode(kv.key, kv.value);
  const load = (await membership.loads()).get(id);
  return drainedIfEmpty(deps, nodeView(id, membership.snapshot().members.get(id), conf, load, ctx.clock.now()));
}

/** A load is up to two seconds old: what a node began just before its drain is in its queue, and not yet in its load. */
async function drainedIfEmpty({ ctx }: NodeDeps, view: NodeView): Promise<NodeView> {
  if (view.state !== 'drained') return view;
  const left = await ctx.store.range({ ...ctx.keys.queueOf(view.id as NodeId), limit: 1, keysOnly: true });
  return left.kvs.length === 0 ? view : { ...view, state: 'draining' };
}

/** A node's settings before and after; undefined: nothing to change. */
type ConfChange = (conf: NodeConfRecord) => NodeConfRecord | undefined;

export function cordon(deps: NodeDeps, id: NodeId, signal: AbortSignal, actor?: Actor): Promise<NodeView> {
  return configure(deps, id, signal, (conf) =>
    conf.cordoned === undefined ? { ...conf, cordoned: mark(deps, actor) } : undefined,
  );
}

/** Undoes cordon, drain and cooldown. */
export function uncordon(deps: NodeDeps, id: NodeId, signal: AbortSignal): Promise<NodeView> {
  return configure(deps, id, signal, (conf) => {
    const { cordoned, drain, coolingUntil, ...rest } = conf;
    return cordoned === undefined && drain === undefined && coolingUntil === undefined ? undefined : rest;
  });
}

/** Repeated, it moves the deadline. */
export function drain(
  deps: NodeDeps,
  id: NodeId,
  deadlineMs: number,
  signal: AbortSignal,
  actor?: Actor,
): Promise<NodeView> {
  return configure(deps, id, signal, (conf) => {
    const now = mark(deps, actor);
    return { ...conf, drain: { ...now, at: conf.drain?.at ?? now.at, deadlineAt: now.at + deadlineMs } };
  });
}

/** Undoes a drain if this actor began it. */
export async function endDrain(deps: NodeDeps, id: NodeId, signal: AbortSignal, actor: Actor): Promise<void> {
  await configure(deps, id, signal, ({ drain: present, ...rest }) =>
    present?.actor === actor.name ? rest : undefined,
  );
}

function mark({ ctx }: NodeDeps, actor: Actor | undefined): { at: number; actor?: string } {
  return { at: ctx.clock.now(), ...(actor === undefined ? {} : { actor: actor.name }) };
}

async function configure(deps: NodeDeps, id: NodeId, signal: AbortSignal, change: ConfChange): Promise<NodeView> {
  const { ctx } = deps;
  const key = ctx.keys.nodeconf(id);
  await swap(deps, key, signal, (kv) => {
    const next = change(kv === undefined ? { v: SCHEMA_VERSION } : codecs.nodeconf.decode(kv.key, kv.value));
    if (next === undefined) return undefined;
    // Never deleted: a copy of a request that found none would be applied again when it is undone.
    return { op: 'put', key, value: codecs.nodeconf.encode(next) };
  });
  return showNode(deps, id);
}

/** Reads, changes, puts comparing unchanged, until it holds. */
async function swap(
  { ctx }: NodeDeps,
  key: string,
  signal: AbortSignal,
  change: (kv: KeyValue | undefined) => Op | undefined,
  bringing: (kv: KeyValue | undefined) => Bringing = () => ({ kinds: [], events: () => [] }),
): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { kv } = await ctx.store.get(key);
    const op = change(kv);
    if (op === undefined) return;
    const compare: Compare = unchanged(key, kv?.modRevision ?? ('0' as KeyValue['modRevision']));
    const answer = await ctx.events.bringing(
      bringing(kv),
      () => settleTxn(ctx, signal, { compares: [compare], success: [op] }),
      appliedOrNot,
    );
    if (answer.outcome === 'applied') return;
    // Its own effect, or another's: the next turn reads which, and changes nothing that is as wanted.
    await sleep(ctx.clock, AGAIN_MS, signal);
  }
  throw new BoiError('conflict', `${key} is changed by others all the time; try again`, { retryAfterS: 1 });
}

export async function setPaused(deps: NodeDeps, paused: boolean, signal: AbortSignal, actor?: Actor): Promise<void> {
  const { ctx } = deps;
  const key = ctx.keys.cluster();
  const at = ctx.clock.now();
  // Events hold ids, never names.
  const by = actor !== undefined && isId(actor.name, 'user') ? { actor: actor.name } : {};
  const event: ClusterEvent = { kind: paused ? 'cluster.paused' : 'cluster.resumed', ...by };
  const bringing = (kv: KeyValue | undefined): Bringing => ({
    kinds: [event.kind],
    events: () => [{ event, trace: { source: key, base: kv?.modRevision ?? ABSENT, at: String(at) } }],
    options: { signal, urgent: true },
  });
  const decide = (kv: KeyValue | undefined): Op | undefined => {
    if (kv === undefined) throw new BoiError('not-found', 'there is no cluster record');
    const { paused: was, ...rest } = codecs.cluster.decode(kv.key, kv.value);
    if ((was !== undefined) === paused) return undefined;
    return {
      op: 'put',
      key,
      value: codecs.cluster.encode({ ...rest, ...(paused ? { paused: { ...mark(deps, actor), at } } : {}) }),
    };
  };
  await swap(deps, key, signal, decide, bringing);
}

export async function clusterView(deps: NodeDeps, specCount: SpecCount): Promise<ClusterView> {
  const { ctx, membership, self } = deps;
  const snapshot = membership.snapshot();
  const nowMs = ctx.clock.now();
  const [status, loads, dead, cluster, specs, unassigned] = await Promise.all([
    ctx.store.status(),
    membership.loads(),
    deadNodes(deps),
    ctx.store.get(ctx.keys.cluster()),
    specCount.read(),
    countKeys(deps, ctx.keys.allUnassigned()),
  ]);
  const record = cluster.kv === undefined ? snapshot.cluster : codecs.cluster.decode(cluster.kv.key, cluster.kv.value);
  const members = [...snapshot.members.values()];
  const sum = (of: (id: NodeId) => number) => members.reduce((total, { id }) => total + of(id), 0);
  return {
    id: record.id,
    schema: record.v,
    paused: record.paused !== undefined,
    defaultProject: projectRef(record.defaultProject, await projectName(deps, record.defaultProject)),
    nodes: {
      live: members.length,
      ready: members.filter((member) => isSchedulable(member, nowMs)).length,
      dead: dead.length,
    },
    slots: {
      total: members.reduce((total, member) => total + member.record.slots, 0),
      busy: sum((id) => loads.get(id)?.busy ?? 0),
    },
    specs,
    queued: sum((id) => loads.get(id)?.queued ?? 0),
    unassigned,
    store: { ...status, alarms: [...status.alarms] },
    servedBy: self,
  };
}

export async function projectName({ ctx }: NodeDeps, prj: ProjectId): Promise<string | undefined> {
  const { kv } = await ctx.store.get(ctx.keys.project(prj));
  return kv === undefined ? undefined : stored(codecs.project, kv).record.name;
}

/** By id or name; `default` is the default project also when it is called otherwise. */
export async function findProject(deps: NodeDeps, idOrName: string): Promise<{ id: ProjectId; name?: string }> {
  const { ctx, membership } = deps;
  const found: { id: ProjectId; name?: string }[] = [];
  let fallback: { id: ProjectId; name?: string } | undefined;
  for await (const { kvs } of pages(ctx.store, ctx.keys.projects(), { deadlineMs: LOOK_UP_WITHIN_MS })) {
    for (const kv of kvs) {
      const { name } = codecs.project.decode(kv.key, kv.value);
      const project = { id: lastPart(kv.key) as ProjectId, ...(name === undefined ? {} : { name }) };
      if (project.id === idOrName) return project;
      if (name === idOrName) found.push(project);
      if (project.id === membership.snapshot().cluster.defaultProject) fallback = project;
    }
  }
  if (found.length > 1) {
    throw new BoiError(
      'ambiguous-name',
      `${found.length} projects are called ${JSON.stringify(idOrName)}: give the id`,
      {
        details: { candidates: found.map(({ id }) => id) },
      },
    );
  }
  const project = found[0] ?? (idOrName === 'default' ? fallback : undefined);
  if (project !== undefined) return project;
  throw new BoiError('not-found', `there is no project ${JSON.stringify(idOrName)}`, {
    details: { project: idOrName },
  });
}

async function countKeys({ ctx }: NodeDeps, range: { start: string; end: string }): Promise<number> {
  let count = 0;
  for await (const { kvs } of pages(ctx.store, range, { keysOnly: true })) count += kvs.length;
  return count;
}

function noNode(idOrName: string): BoiError {
  return new BoiError('not-found', `there is no node ${JSON.stringify(idOrName)}`, { details: { node: idOrName } });
}
