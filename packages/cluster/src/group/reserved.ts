/**
 * The groups that carry authority: `admins` and `operators`. Created with the cluster, by the transaction that creates its
 * record, so exactly once whoever races; by no other name and through no other door, since the API refuses their names. Who
 * asks for the authority of a user finds the group by its name among the reserved ones, and the user by id in it.
 */
import type { GroupId, IdMinter, ProjectId, UserId } from '@boi/core';
import { RESERVED_NAMES } from '@boi/core';
import type { Op } from '@boi/store';
import type { Keys } from '../keys.ts';
import { SCHEMA_VERSION } from '../records.ts';
import type { Groups } from './groups.ts';
import { groupCodec, groupsRevCodec } from './records.ts';

export type ReservedGroup = (typeof RESERVED_NAMES.group)[number];

/** Names of groups are indexed beside those of the default project: groups are of the whole cluster. */
export function reservedGroups(keys: Keys, project: ProjectId, minter: IdMinter, createdAt: number): Op[] {
  const ops: Op[] = [
    { op: 'put', key: keys.groupsRev(), value: groupsRevCodec.encode({ v: SCHEMA_VERSION, nonce: 'init' }) },
  ];
  for (const name of RESERVED_NAMES.group) {
    const id = minter.mint('group');
    const value = groupCodec.encode({ v: SCHEMA_VERSION, name, reserved: true, members: [], createdAt });
    ops.push(
      { op: 'put', key: keys.group(id), value },
      { op: 'put', key: keys.name(project, 'group', name, id), value: '' },
    );
  }
  return ops;
}

/** Undefined in a cluster that is older than groups. */
export function reservedGroup(groups: Groups, name: ReservedGroup): GroupId | undefined {
  for (const [id, record] of groups.byId) if (record.reserved === true && record.name === name) return id;
  return undefined;
}

/** The role that a user has by the groups it is in, beside the one it was created with. */
export function roleByGroups(groups: Groups, user: UserId): 'admin' | 'operator' | undefined {
  const isIn = (name: ReservedGroup) => {
    const id = reservedGroup(groups, name);
    return id !== undefined && groups.has(id, user);
  };
  return isIn('admins') ? 'admin' : isIn('operators') ? 'operator' : undefined;
}
