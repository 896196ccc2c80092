/**
 * What a task's `target` means: a node or a group, by id or name, looked up in one snapshot. A name that several nodes or
 * groups have is nobody's: a task must not run where it was not meant to because a second thing was given the same name.
 * Used by placement, and by the claim, which compares the revision of the groups it was looked up in.
 */
import { displayName, type GroupId, isId, type NodeId } from '@boi/core';
import type { MembershipSnapshot } from '../membership/membership-types.ts';

export interface Target {
  readonly has: (node: NodeId) => boolean;
  /** Why no live node is in it, of so many that were looked at. */
  readonly explain: (nodes: number) => string;
}

const known = new WeakMap<MembershipSnapshot, Map<string, Target>>();

export function targetOf(snapshot: MembershipSnapshot, target: string): Target {
  let targets = known.get(snapshot);
  if (targets === undefined) {
    targets = new Map();
    known.set(snapshot, targets);
  }
  let found = targets.get(target);
  if (found === undefined) {
    found = look(snapshot, target);
    targets.set(target, found);
  }
  return found;
}

function look(snapshot: MembershipSnapshot, target: string): Target {
  if (isId(target, 'node')) return ofNode(snapshot, target);
  if (isId(target, 'group')) return ofGroup(snapshot, target);
  const nodes = [...snapshot.members.values()].filter(({ record }) => record.name === target).map(({ id }) => id);
  const groups = snapshot.groups.named(target);
  const [node] = nodes;
  const [group] = groups;
  const ids: string[] = [...nodes, ...groups];
  if (ids.length > 1) {
    return nobody(`target ${JSON.stringify(target)} is ambiguous (${ids.slice(0, 5).join(', ')}): give the id`);
  }
  if (node !== undefined) return ofNode(snapshot, node);
  if (group !== undefined) return ofGroup(snapshot, group);
  return nobody(`target ${JSON.stringify(target)}: there is no live node and no group of this name`);
}

function ofNode({ members }: MembershipSnapshot, node: NodeId): Target {
  const name = displayName(members.get(node)?.record.name, node);
  const live = members.has(node);
  return {
    has: (id) => id === node,
    explain: () => `target node ${name} ${live ? 'is not one of the nodes it may go to now' : 'is not live'}`,
  };
}

function ofGroup({ groups }: MembershipSnapshot, group: GroupId): Target {
  const record = groups.byId.get(group);
  if (record === undefined) return nobody(`target group ${group}: there is no such group`);
  const held = groups.holds(group);
  const name = record.name ?? group;
  return {
    has: (id) => held.has(id),
    explain: (nodes) => `target group ${name}: 0 of ${nodes} node${nodes === 1 ? ' is a member' : 's are members'}`,
  };
}

function nobody(why: string): Target {
  return { has: () => false, explain: () => why };
}
