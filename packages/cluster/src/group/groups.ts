/**
 * All groups at one revision of the store: an immutable view, part of the membership's snapshot. Groups hold nodes, users and
 * groups; what a group holds in the end is computed when it is asked for. Cycles are refused when groups are written
 * (change-groups.ts); a view of records that had one by whatever mistake ends all the same.
 */
import { type GroupId, isId, type NodeId, type UserId } from '@boi/core';
import { ABSENT, type Revision } from '@boi/store';
import type { GroupRecord } from './records.ts';

export class Groups {
  /** Mod revision of `groups/rev`: what a transaction compares that rests on this view. `'0'`: no group was ever written. */
  readonly revision: Revision;
  readonly byId: ReadonlyMap<GroupId, GroupRecord>;
  readonly #closures = new Map<GroupId, ReadonlySet<string>>();

  constructor(byId: ReadonlyMap<GroupId, GroupRecord>, revision: Revision) {
    this.byId = byId;
    this.revision = revision;
  }

  /** Nodes and users in the group or in groups in it; empty for one that there is not. */
  holds(group: GroupId): ReadonlySet<string> {
    const known = this.#closures.get(group);
    if (known !== undefined) return known;
    const held = new Set<string>();
    for (const id of this.#reached(group)) {
      for (const member of this.byId.get(id)?.members ?? []) if (!isId(member, 'group')) held.add(member);
    }
    this.#closures.set(group, held);
    return held;
  }

  has(group: GroupId, member: NodeId | UserId): boolean {
    return this.holds(group).has(member);
  }

  /** In order of id. */
  named(name: string): GroupId[] {
    return [...this.byId].flatMap(([id, record]) => (record.name === name ? [id] : []));
  }

  /** Groups from `from` down to `to`, each a member of the one before it; undefined when `to` is not in it. */
  path(from: GroupId, to: GroupId): GroupId[] | undefined {
    const cameFrom = new Map<GroupId, GroupId | undefined>([[from, undefined]]);
    for (const id of cameFrom.keys()) {
      if (id === to) {
        const path: GroupId[] = [];
        for (let at: GroupId | undefined = id; at !== undefined; at = cameFrom.get(at)) path.unshift(at);
        return path;
      }
      for (const member of this.byId.get(id)?.members ?? []) {
        if (isId(member, 'group') && !cameFrom.has(member)) cameFrom.set(member, id);
      }
    }
    return undefined;
  }

  *#reached(group: GroupId): Generator<GroupId> {
    const seen = new Set<GroupId>([group]);
    for (const id of seen) {
      yield id;
      for (const member of this.byId.get(id)?.members ?? []) if (isId(member, 'group')) seen.add(member);
    }
  }
}

export const NO_GROUPS = new Groups(new Map(), ABSENT);
