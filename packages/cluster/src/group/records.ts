/** The records of groups: one for each, and one that every write of a group swaps. */
import type { GroupId, NodeId, UserId } from '@boi/core';
import { type Static, Type } from 'typebox';
import { type Codec, codec, SCHEMA_VERSION } from '../records.ts';

const V = Type.Literal(SCHEMA_VERSION);
const opt = Type.Optional;

/** What can be in a group. An id of something that is gone is harmless: it has no members. */
export type GroupMember = NodeId | UserId | GroupId;

export const GroupRecord = Type.Object({
  v: V,
  name: opt(Type.String()),
  /** Created with the cluster, carries authority, never deleted or created again. */
  reserved: opt(Type.Boolean()),
  /** Ids, ascending, each once. */
  members: Type.Array(Type.Unsafe<GroupMember>({ type: 'string' })),
  createdAt: Type.Integer({ minimum: 0 }),
  actor: opt(Type.String()),
});
export type GroupRecord = Static<typeof GroupRecord>;

/** `groups/rev`: its mod revision stands for the state of all groups. `nonce` is of the write that was last. */
export const GroupsRevRecord = Type.Object({ v: V, nonce: Type.String() });
export type GroupsRevRecord = Static<typeof GroupsRevRecord>;

export const groupCodec: Codec<GroupRecord> = codec('group', GroupRecord);
export const groupsRevCodec: Codec<GroupsRevRecord> = codec('revision of groups', GroupsRevRecord);

/** Everything under `groups/`, as one mirror reads it. */
export const groupsCodec: Codec<GroupRecord | GroupsRevRecord> = {
  encode: (record) => ('nonce' in record ? groupsRevCodec.encode(record) : groupCodec.encode(record)),
  decode: (key, value) => (key.endsWith('/rev') ? groupsRevCodec : groupCodec).decode(key, value),
};
