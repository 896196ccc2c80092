/**
 * Duties: who acts. Every duty has a key, and belongs to the node with the highest random weight for that key among those
 * that are live and take work. Two nodes may both think they hold one; every write they make has compares that make the
 * second lose, so being wrong costs a retry, never correctness.
 */
import { type NodeId, winner } from '@boi/core';
import { isSchedulable, type MembershipSnapshot } from './membership-types.ts';

/** Undefined when no node takes work. `nowMs`: wall clock, for cooldowns. */
export function dutyWinner(key: string, snapshot: MembershipSnapshot, nowMs: number): NodeId | undefined {
  const candidates: { id: NodeId; weight: number }[] = [];
  for (const member of snapshot.members.values()) {
    if (isSchedulable(member, nowMs)) candidates.push({ id: member.id, weight: 1 });
  }
  return winner(key, candidates);
}

export function holdsDuty(self: NodeId, key: string, snapshot: MembershipSnapshot, nowMs: number): boolean {
  return dutyWinner(key, snapshot, nowMs) === self;
}
