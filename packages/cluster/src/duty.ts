/**
 * Who holds a duty: the highest-random-weight winner for the duty's key among the nodes that may hold duties. Every node
 * computes it from its own view of the membership, so for a moment two nodes may think they hold the same duty, or none;
 * every write made on a duty is a transaction whose compares make the second one lose.
 *
 * Keys: `adopt/{nod}` a dead node's queue and coordination, or a live one's wedge watch; `unassigned`; `compact`;
 * `coord/{spc}`. All weights are equal: a duty costs the same on a large and on a small node.
 */
import { type NodeId, winner } from '@boi/core';
import { isSchedulable, type MembershipSnapshot } from './membership-types.ts';

/** Undefined when no node may hold duties now. `except` is a node that must not hold this one: the one it is about. */
export function dutyWinner(
  key: string,
  snapshot: MembershipSnapshot,
  nowMs: number,
  except?: NodeId,
): NodeId | undefined {
  const candidates: { id: NodeId; weight: number }[] = [];
  for (const member of snapshot.members.values()) {
    if (member.id !== except && isSchedulable(member, nowMs)) candidates.push({ id: member.id, weight: 1 });
  }
  return winner(key, candidates);
}

export function holdsDuty(
  self: NodeId,
  key: string,
  snapshot: MembershipSnapshot,
  nowMs: number,
  except?: NodeId,
): boolean {
  return dutyWinner(key, snapshot, nowMs, except) === self;
}

/** The duty about one node: adopting what it left when it is dead, watching for a wedge while it lives. */
export function adoptionDuty(about: NodeId): string {
  return `adopt/${about}`;
}
