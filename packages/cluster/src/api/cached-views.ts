/**
 * What this node can tell of the cluster while the store is away: the membership and loads it last knew, each answer with
 * its age. Sums that need a read are left out rather than guessed.
 */
import { BoiError, type ClusterView, isId, type NodeView } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import { isSchedulable } from '../membership/membership-types.ts';
import { isNeutral } from '../records.ts';
import type { NodePage } from './api-types.ts';
import { nodeView } from './views.ts';

export function cachedNodes({ ctx, membership }: NodeDeps, name: string | undefined, ageMs: number): NodePage {
  const { members, absentConfs } = membership.snapshot();
  const loads = membership.cachedLoads();
  const nowMs = ctx.clock.now();
  const items = [...members.values()].map((member): NodeView => {
    const view = nodeView(member.id, member, member.conf, loads.get(member.id), nowMs);
    // Whether its queue is empty only the store could tell.
    return { ...view, ...(view.state === 'drained' ? { state: 'draining' } : {}), ageMs };
  });
  for (const [id, conf] of absentConfs) {
    if (!isNeutral(conf)) items.push({ ...nodeView(id, undefined, conf, undefined, nowMs), ageMs });
  }
  return { items: name === undefined ? items : items.filter((node) => node.name === name), ageMs };
}

export function cachedNode(deps: NodeDeps, idOrName: string, ageMs: number): NodeView {
  const { items } = cachedNodes(deps, undefined, ageMs);
  const found = items.filter(({ id, name }) => (isId(idOrName, 'node') ? id === idOrName : name === idOrName));
  const [only] = found;
  if (only === undefined) {
    throw new BoiError('not-found', `this node remembers no node ${JSON.stringify(idOrName)}`, {
      details: { node: idOrName },
    });
  }
  if (found.length === 1) return only;
  throw new BoiError('ambiguous-name', `${found.length} nodes are called ${JSON.stringify(idOrName)}: give the id`, {
    details: { candidates: found.map(({ id }) => id) },
  });
}

export function cachedCluster({ ctx, membership, self }: NodeDeps, ageMs: number): ClusterView {
  const { members, absentConfs, cluster } = membership.snapshot();
  const loads = membership.cachedLoads();
  const nowMs = ctx.clock.now();
  const live = [...members.values()];
  const sum = (of: (member: (typeof live)[number]) => number) => live.reduce((total, one) => total + of(one), 0);
  return {
    id: cluster.id,
    schema: cluster.v,
    paused: cluster.paused !== undefined,
    defaultProject: { id: cluster.defaultProject },
    nodes: {
      live: live.length,
      ready: live.filter((member) => isSchedulable(member, nowMs)).length,
      dead: [...absentConfs.values()].filter((conf) => !isNeutral(conf)).length,
    },
    slots: { total: sum(({ record }) => record.slots), busy: sum(({ id }) => loads.get(id)?.busy ?? 0) },
    queued: sum(({ id }) => loads.get(id)?.queued ?? 0),
    servedBy: self,
    ageMs,
  };
}
