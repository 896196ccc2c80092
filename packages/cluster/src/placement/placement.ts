/**
 * Where a task goes: weighted rendezvous hashing with bounded load over the nodes that can take it. Pure: a placer is made of
 * one membership snapshot and the loads read with it, and counts what it places, so that the bound holds within a batch too.
 *
 * Candidates are live, not cordoned, draining, degraded or cooling, in the target, meet the requirements, and have as many slots as
 * the task wants: a larger task would never start there. When there is none the answer says how many nodes lack what.
 */
import {
  type Candidate,
  choose,
  type Exclusion,
  type ExplainedNode,
  explain,
  mismatch,
  type NodeCapabilities,
  type NodeId,
  type ProjectId,
  type Requirement,
  type TaskId,
} from '@boi/core';
import { type Compare, unchanged } from '@boi/store';
import { targetOf } from '../group/target.ts';
import type { Keys } from '../keys.ts';
import type { Member, MembershipSnapshot } from '../membership/membership-types.ts';
import type { HistoryRecord, LoadRecord, QueueEntry } from '../records.ts';
import type { Adviser } from './adviser.ts';
import type { Hints, Placed, PlacementFacts, Placer, RoutedTask, WhyUnplaced } from './placement-types.ts';

/** Of those above 0: a score must not vanish in a product with it. */
const PREFERENCE_MIN = 1e-6;

interface Load {
  busy: number;
  queued: number;
}

/** What the same facts share: computed once a placer. */
interface Eligible {
  readonly members: readonly Member[];
  why?: WhyUnplaced;
}

/** A task as a router is told of it, of a definition or of an entry. */
export function routedTaskOf(
  task: TaskId,
  prj: ProjectId,
  of: Parameters<typeof placementFactsOf>[0] & {
    readonly priority?: number;
    readonly attempt?: number;
    readonly history?: readonly HistoryRecord[];
  },
): RoutedTask {
  const { priority, attempt, history } = of;
  const failed = history?.filter(({ end }) => end === 'failed' || end === 'timed-out').map(({ node }) => node);
  return {
    task,
    prj,
    facts: placementFactsOf(of),
    ...(priority === undefined ? {} : { priority }),
    ...(attempt === undefined ? {} : { attempt }),
    ...(failed === undefined || failed.length === 0 ? {} : { failedOn: [...new Set(failed)] }),
  };
}

/** What decides where a task may run, of a definition or of an entry. */
export function placementFactsOf(of: {
  readonly requires?: readonly Requirement[] | QueueEntry['requires'];
  readonly target?: string;
  readonly slots?: number;
}): PlacementFacts {
  const { requires, target, slots } = of;
  return {
    ...(requires === undefined || requires.length === 0 ? {} : { requires: requires as readonly Requirement[] }),
    ...(target === undefined ? {} : { target }),
    ...(slots === undefined ? {} : { slots }),
  };
}

/** Every task that is placed asks for those of every node; a member never changes, it is made anew. */
const offered = new WeakMap<Member, NodeCapabilities>();

/** What a node offers: what it advertises, an operator's labels before it, and its slots. */
export function capabilitiesOf(member: Member): NodeCapabilities {
  let known = offered.get(member);
  if (known === undefined) {
    known = { ...member.record.capabilities, ...member.conf?.labels, slots: member.record.slots };
    offered.set(member, known);
  }
  return known;
}

/** Whether the node's kind is right for the task, whatever state it is in now. */
export function matches(member: Member, facts: PlacementFacts, snapshot: MembershipSnapshot): boolean {
  return inTarget(member, facts, snapshot) && mismatch(requirementsOf(facts), capabilitiesOf(member)) === undefined;
}

/** Whether the task may be put there now. */
export function isCandidate(
  member: Member,
  facts: PlacementFacts,
  nowMs: number,
  snapshot: MembershipSnapshot,
): boolean {
  return stateExclusion(member, nowMs) === undefined && matches(member, facts, snapshot);
}

/** For pure weighted rendezvous hashing over nodes: weight is slots. */
export function weighted(members: readonly Member[]): Candidate<NodeId>[] {
  return members.map(({ id, record }) => ({ id, weight: record.slots }));
}

/** Counts of the constraints that rule the nodes out: what `task show` prints. */
export function explainUnplaced(
  members: readonly Member[],
  facts: PlacementFacts,
  nowMs: number,
  snapshot: MembershipSnapshot,
): WhyUnplaced {
  if (facts.target !== undefined && !members.some((member) => inTarget(member, facts, snapshot))) {
    const nodes = members.length;
    const summary = targetOf(snapshot, facts.target).explain(nodes);
    return { summary, constraints: nodes === 0 ? [] : [{ constraint: 'not in target', nodes }] };
  }
  const nodes = members.map((member): ExplainedNode => {
    const capabilities = capabilitiesOf(member);
    const excluded = inTarget(member, facts, snapshot) ? stateExclusion(member, nowMs) : 'not in target';
    return { capabilities, excluded };
  });
  const { summary, constraints } = explain(requirementsOf(facts), nodes);
  return { summary, constraints: constraints.map(({ constraint, nodes: count }) => ({ constraint, nodes: count })) };
}

/**
 * `keys` is for the compares of the answers. Loads of nodes that are not in the map count as idle. Without an adviser no
 * router is asked.
 */
export function createPlacer(
  keys: Keys,
  snapshot: MembershipSnapshot,
  loads: ReadonlyMap<NodeId, LoadRecord>,
  nowMs: number,
  adviser?: Adviser,
): Placer {
  const members = [...snapshot.members.values()];
  const load = new Map<NodeId, Load>();
  for (const { id } of members) load.set(id, { busy: loads.get(id)?.busy ?? 0, queued: loads.get(id)?.queued ?? 0 });
  const known = new Map<string, Eligible>();
  const compares = new Map<NodeId, readonly Compare[]>();
  const comparesOf = ({ id, modRevision }: Member) => {
    const made = compares.get(id) ?? [unchanged(keys.node(id), modRevision)];
    compares.set(id, made);
    return made;
  };
  const eligible = (facts: PlacementFacts, exclude: ReadonlySet<string> | undefined): Eligible => {
    const key = JSON.stringify([facts.requires, facts.target, facts.slots, exclude && [...exclude].sort()]);
    let found = known.get(key);
    if (found === undefined) {
      const open = members.filter(({ id }) => exclude === undefined || !exclude.has(id));
      const able = open.filter((member) => isCandidate(member, facts, nowMs, snapshot));
      found = { members: able, ...(able.length === 0 ? { why: explainUnplaced(open, facts, nowMs, snapshot) } : {}) };
      known.set(key, found);
    }
    return found;
  };
  const hints = new Map<string, ReadonlyMap<string, number>>();
  return {
    async consult(tasks) {
      if (adviser?.ready !== true) return;
      const told: Hints = await adviser.ask(await tasks(), {
        eligible: (facts) => eligible(facts, undefined).members,
        load: (id) => load.get(id) as Load,
      });
      for (const [task, ratings] of told) hints.set(task, ratings);
    },
    place(task: TaskId, facts: PlacementFacts, options?: { readonly exclude?: ReadonlySet<string> }): Placed {
      const { members: able, why } = eligible(facts, options?.exclude);
      const ratings = hints.get(task);
      const loaded = able.map(({ id, record }) => ({ id, slots: record.slots, ...(load.get(id) as Load) }));
      const chosen = choose(task, ratings === undefined ? loaded : rated(loaded, ratings));
      const member = able.find(({ id }) => id === chosen);
      if (member === undefined) {
        return { member: undefined, why: why ?? explainUnplaced(able, facts, nowMs, snapshot) };
      }
      (load.get(member.id) as Load).queued += facts.slots ?? 1;
      return {
        member,
        compares: comparesOf(member),
        why:
          able.length === 1
            ? 'the only node that can take it'
            : `chosen by hash${ratings === undefined ? '' : ', router'} and load among ${able.length} nodes`,
      };
    },
  };
}

/** Without those rated 0, and the rest by their rating; advice that leaves nobody is no advice. */
function rated<T extends { readonly id: NodeId }>(
  candidates: readonly T[],
  ratings: ReadonlyMap<string, number>,
): readonly (T & { readonly preference?: number })[] {
  const wanted = candidates
    .filter(({ id }) => ratings.get(id) !== 0)
    .map((candidate) => ({ ...candidate, preference: Math.max(ratings.get(candidate.id) ?? 1, PREFERENCE_MIN) }));
  return wanted.length === 0 ? candidates : wanted;
}

function inTarget({ id }: Member, { target }: PlacementFacts, snapshot: MembershipSnapshot): boolean {
  return target === undefined || targetOf(snapshot, target).has(id);
}

function stateExclusion({ conf }: Member, nowMs: number): Exclusion | undefined {
  if (conf?.drain !== undefined) return 'draining';
  if (conf?.cordoned !== undefined) return 'cordoned';
  if (conf?.unhealthy !== undefined) return 'degraded';
  return (conf?.coolingUntil ?? 0) > nowMs ? 'cooling' : undefined;
}

/** A node without slots takes nothing, not even a task that needs none: it has no share of the hash. */
function requirementsOf({ requires = [], slots = 1 }: PlacementFacts): readonly Requirement[] {
  return [...requires, { key: 'slots', op: '>=', value: Math.max(1, slots) }];
}
