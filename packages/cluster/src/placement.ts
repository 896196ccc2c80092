/**
 * Where a task goes: weighted rendezvous hashing with bounded load among the nodes that can run it. A pure function of a
 * membership snapshot and the nodes' loads; a placer also counts what it has placed itself, so that the bound holds within
 * a batch that the loads do not know of yet.
 */
import {
  choose,
  type Exclusion,
  type ExplainedNode,
  explain,
  mismatch,
  type NodeId,
  type TaskDefinition,
} from '@boi/core';
import { unchanged } from '@boi/store';
import type { Keys } from './keys.ts';
import { isSchedulable, type Member, type MembershipSnapshot } from './membership-types.ts';
import type { Placed, PlacementFacts, Placer, WhyUnplaced } from './placement-types.ts';
import type { LoadRecord, QueueEntry } from './records.ts';

/** The part of a definition or an entry that decides where it may run. */
export function placementFactsOf(
  task: Pick<TaskDefinition, 'requires' | 'slots'> | Pick<QueueEntry, 'requires' | 'target' | 'slots'>,
): PlacementFacts {
  const target = 'target' in task ? task.target : undefined;
  return {
    ...(task.requires === undefined ? {} : { requires: task.requires }),
    ...(target === undefined ? {} : { target }),
    ...(task.slots === undefined ? {} : { slots: task.slots }),
  };
}

/** What the node advertises, with the operator's labels over it. */
export function capabilitiesOf(member: Member): Readonly<Record<string, string | number | boolean>> {
  const labels = member.conf?.labels;
  return labels === undefined ? member.record.capabilities : { ...member.record.capabilities, ...labels };
}

/** Whether this node could run it, whatever else it is doing. */
export function canRun(member: Member, facts: PlacementFacts): boolean {
  return (
    (facts.target === undefined || facts.target === member.id) &&
    (facts.slots ?? 1) <= member.record.slots &&
    mismatch(facts.requires, capabilitiesOf(member)) === undefined
  );
}

export function createPlacer(
  keys: Keys,
  snapshot: MembershipSnapshot,
  loads: ReadonlyMap<NodeId, LoadRecord>,
  nowMs: number,
): Placer {
  return new SnapshotPlacer(keys, snapshot, loads, nowMs);
}

interface Candidate {
  readonly id: NodeId;
  readonly slots: number;
  readonly busy: number;
  queued: number;
  readonly member: Member;
}

class SnapshotPlacer implements Placer {
  readonly #keys: Keys;
  readonly #snapshot: MembershipSnapshot;
  readonly #nowMs: number;
  readonly #schedulable: Candidate[] = [];

  constructor(keys: Keys, snapshot: MembershipSnapshot, loads: ReadonlyMap<NodeId, LoadRecord>, nowMs: number) {
    this.#keys = keys;
    this.#snapshot = snapshot;
    this.#nowMs = nowMs;
    for (const member of snapshot.members.values()) {
      if (!isSchedulable(member, nowMs)) continue;
      const load = loads.get(member.id);
      const { slots } = member.record;
      this.#schedulable.push({ id: member.id, slots, busy: load?.busy ?? 0, queued: load?.queued ?? 0, member });
    }
  }

  place(task: string, facts: PlacementFacts, options: { readonly exclude?: ReadonlySet<string> } = {}): Placed {
    const { exclude } = options;
    const candidates = this.#schedulable.filter((c) => exclude?.has(c.id) !== true && canRun(c.member, facts));
    // A task of no slots may go to a node of none, which has no weight: such nodes take part as if they had one.
    const loaded = facts.slots === 0 ? candidates.map((c) => (c.slots > 0 ? c : { ...c, slots: 1 })) : candidates;
    const id = choose(task, loaded);
    const chosen = candidates.find((c) => c.id === id);
    if (chosen === undefined)
      return { member: undefined, why: explainUnplaced(this.#snapshot, facts, this.#nowMs, exclude) };
    chosen.queued += facts.slots ?? 1;
    return {
      member: chosen.member,
      compares: [unchanged(this.#keys.node(chosen.id), chosen.member.modRevision)],
      why: `best of ${candidates.length} that can run it, by rendezvous hashing with bounded load`,
    };
  }
}

/** Counts per constraint: what `task show` prints for a task no node can run. */
export function explainUnplaced(
  snapshot: MembershipSnapshot,
  facts: PlacementFacts,
  nowMs: number,
  exclude?: ReadonlySet<string>,
): WhyUnplaced {
  const slots = facts.slots ?? 1;
  const requires = [
    ...(facts.requires ?? []),
    ...(slots > 0 ? [{ key: 'slots', op: '>=', value: slots } as const] : []),
  ];
  const nodes: ExplainedNode[] = [];
  for (const member of snapshot.members.values()) {
    if (exclude?.has(member.id) === true) continue;
    nodes.push({
      capabilities: { ...capabilitiesOf(member), slots: member.record.slots },
      excluded: exclusionOf(member, facts, nowMs),
    });
  }
  const { summary, constraints } = explain(requires, nodes);
  return { summary, constraints: constraints.map((c) => ({ ...c })) };
}

function exclusionOf(member: Member, facts: PlacementFacts, nowMs: number): Exclusion | undefined {
  if (facts.target !== undefined && facts.target !== member.id) return 'not in target';
  if (member.conf?.drain !== undefined) return 'draining';
  if (member.conf?.cordoned !== undefined) return 'cordoned';
  return (member.conf?.coolingUntil ?? 0) > nowMs ? 'cooling' : undefined;
}
