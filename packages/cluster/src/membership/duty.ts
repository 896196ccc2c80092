/**
 * Who holds a duty: the highest-random-weight winner for the duty's key among the live nodes that do not drain. One that is
 * cordoned or cools down starts no tasks but does its duties: with every node cordoned for a while, queues of the dead are
 * still taken over and history is still dropped. Every node computes it from its own view of the membership, so for a moment two nodes may think they hold the same duty, or none;
 * every write made on a duty is a transaction whose compares make the second one lose.
 *
 * Keys: `adopt/{nod}` a dead node's queue and coordination, or a live one's wedge watch; `unassigned`; `compact`;
 * `coord/{spc}`. All weights are equal: a duty costs the same on a large and on a small node.
 */
import { type NodeId, winner } from '@boi/core';
import type { MembershipSnapshot } from './membership-types.ts';

/** Undefined when all drain. `except` is a node that must not hold this one: the one it is about. */
export function dutyWinner(key: string, snapshot: MembershipSnapshot, except?: NodeId): NodeId | undefined {
  const candidates: { id: NodeId; weight: number }[] = [];
  for (const member of snapshot.members.values()) {
    if (member.id !== except && member.conf?.drain === undefined) candidates.push({ id: member.id, weight: 1 });
  }
  return winner(key, candidates);
}

export function holdsDuty(self: NodeId, key: string, snapshot: MembershipSnapshot, except?: NodeId): boolean {
  return dutyWinner(key, snapshot, except) === self;
}

/** The duty about one node: adopting what it left when it is dead, watching for a wedge while it lives. */
export function adoptionDuty(about: NodeId): string {
  return `adopt/${about}`;
}
