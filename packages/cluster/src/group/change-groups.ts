/**
 * Writes groups. Every write compares `groups/rev` as it was before all groups were read, and swaps it: so whatever a write
 * was decided by (that there is no cycle, that a name resolves) still holds when it is made, and of two that race the second
 * decides anew by what the first has made. Groups are few and change seldom.
 *
 * A lost reply: the same transaction again; refused then, the nonce in `groups/rev` tells this very write, and if others have
 * written since, deciding anew finds that nothing is left to do.
 */
import { BoiError, type GroupId, IdMinter, isId, type ProjectId, randomHex, requireName, sleep } from '@boi/core';
import { ABSENT, absent, type Compare, type Op, unchanged } from '@boi/store';
import type { Actor } from '../api/api-types.ts';
import { pages } from '../base/pages.ts';
import { settleTxn } from '../base/settle.ts';
import type { ClusterContext } from '../context.ts';
import { lastPart } from '../keys.ts';
import { SCHEMA_VERSION } from '../records.ts';
import { gotten, stored } from '../spec/spec-ref.ts';
import { Groups } from './groups.ts';
import { type GroupMember, type GroupRecord, groupCodec, groupsRevCodec } from './records.ts';

/** A record of so many ids takes some 160 KB. */
export const GROUP_MEMBERS_MAX = 5_000;
/** Every node has all groups in memory, and every write reads them. */
export const GROUPS_MAX = 2_000;
const TRIES_MAX = 30;
const AGAIN_MS = 20;

type Ctx = Pick<ClusterContext, 'store' | 'keys' | 'clock' | 'random' | 'metrics'>;

interface Change {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
}

/** All groups, as new as the store is now. What is written by them compares `revision`. */
export async function readGroups({ store, keys }: Pick<Ctx, 'store' | 'keys'>): Promise<Groups> {
  // First: what is read after it is as new or newer, and if it is newer the compare of a write says so.
  const rev = (await store.get(keys.groupsRev())).kv;
  const byId = new Map<GroupId, GroupRecord>();
  for await (const { kvs } of pages(store, keys.groups())) {
    for (const kv of kvs) {
      if (kv.key !== keys.groupsRev()) byId.set(lastPart(kv.key) as GroupId, stored(groupCodec, kv).record);
    }
  }
  return new Groups(byId, rev?.modRevision ?? ABSENT);
}

/** Throws `invalid-name`, `reserved-identifier`, `too-large`. `project`: the default one, for the index of names. */
export async function createGroup(
  ctx: Ctx,
  project: ProjectId,
  name: string | undefined,
  signal: AbortSignal,
  actor?: Actor,
): Promise<GroupId> {
  if (name !== undefined) requireName('group', name);
  const id = new IdMinter(ctx.clock, ctx.random).mint('group');
  const { keys } = ctx;
  const record: GroupRecord = {
    v: SCHEMA_VERSION,
    ...(name === undefined ? {} : { name }),
    members: [],
    createdAt: ctx.clock.now(),
    ...(actor === undefined ? {} : { actor: actor.name }),
  };
  await change(ctx, signal, ({ byId }) => {
    if (byId.has(id)) return undefined;
    if (byId.size >= GROUPS_MAX) throw tooMany(`a cluster has at most ${GROUPS_MAX} groups`);
    const ops: Op[] = [{ op: 'put', key: keys.group(id), value: groupCodec.encode(record) }];
    if (name !== undefined) ops.push({ op: 'put', key: keys.name(project, 'group', name, id), value: '' });
    return { compares: [absent(keys.group(id))], ops };
  });
  return id;
}

/** Idempotent. Throws `not-found`, `cycle-detected`, `too-large`. */
export function addMembers(
  ctx: Ctx,
  group: GroupId,
  members: readonly GroupMember[],
  signal: AbortSignal,
): Promise<void> {
  return change(ctx, signal, (groups) => {
    const record = required(groups, group);
    const fresh = members.filter((member) => !record.members.includes(member));
    if (fresh.length === 0) return undefined;
    for (const member of fresh) {
      if (!isId(member, 'group')) continue;
      required(groups, member);
      const path = groups.path(member, group);
      if (path !== undefined) throw cycle(group, path);
    }
    const all = [...new Set([...record.members, ...fresh])].sort();
    if (all.length > GROUP_MEMBERS_MAX) throw tooMany(`a group has at most ${GROUP_MEMBERS_MAX} members`);
    return put(ctx, group, { ...record, members: all });
  });
}

/** Idempotent. Throws `not-found`. */
export function removeMembers(
  ctx: Ctx,
  group: GroupId,
  members: readonly GroupMember[],
  signal: AbortSignal,
): Promise<void> {
  const gone = new Set<string>(members);
  return change(ctx, signal, (groups) => {
    const record = required(groups, group);
    const left = record.members.filter((member) => !gone.has(member));
    return left.length === record.members.length ? undefined : put(ctx, group, { ...record, members: left });
  });
}

/** Idempotent. Groups it is in keep its id. Throws `reserved-identifier`. */
export function deleteGroup(ctx: Ctx, project: ProjectId, group: GroupId, signal: AbortSignal): Promise<void> {
  const { keys } = ctx;
  return change(ctx, signal, ({ byId }) => {
    const record = byId.get(group);
    if (record === undefined) return undefined;
    if (record.reserved === true) {
      throw new BoiError('reserved-identifier', `the group ${record.name} carries authority and cannot be deleted`, {
        details: { group },
      });
    }
    const ops: Op[] = [{ op: 'delete', key: keys.group(group) }];
    if (record.name !== undefined) ops.push({ op: 'delete', key: keys.name(project, 'group', record.name, group) });
    return { compares: [], ops };
  });
}

/** Decides by all groups, writes if none has changed meanwhile, and decides anew if one has. Undefined: nothing to do. */
async function change(ctx: Ctx, signal: AbortSignal, decide: (groups: Groups) => Change | undefined): Promise<void> {
  const { keys, clock, random } = ctx;
  const rev = keys.groupsRev();
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const groups = await readGroups(ctx);
    const wanted = decide(groups);
    if (wanted === undefined) return;
    const nonce = randomHex(random, 8);
    const answer = await settleTxn(ctx, signal, {
      compares: [unchanged(rev, groups.revision), ...wanted.compares],
      success: [{ op: 'put', key: rev, value: groupsRevCodec.encode({ v: SCHEMA_VERSION, nonce }) }, ...wanted.ops],
      failure: [{ op: 'get', key: rev }],
    });
    if (answer.outcome === 'applied') return;
    if (answer.resent && gotten(groupsRevCodec, answer.answers[0])?.record.nonce === nonce) return;
    await sleep(clock, AGAIN_MS * (1 + random.next()), signal);
  }
  throw new BoiError('conflict', 'groups are changed by others all the time; try again', { retryAfterS: 1 });
}

function put({ keys }: Pick<Ctx, 'keys'>, group: GroupId, record: GroupRecord): Change {
  return { compares: [], ops: [{ op: 'put', key: keys.group(group), value: groupCodec.encode(record) }] };
}

function required({ byId }: Groups, group: GroupId): GroupRecord {
  const record = byId.get(group);
  if (record !== undefined) return record;
  throw new BoiError('not-found', `there is no group ${group}`, { details: { group } });
}

function cycle(group: GroupId, path: readonly GroupId[]): BoiError {
  return new BoiError('cycle-detected', `${group} would contain itself: ${[group, ...path].join(' has ')}`, {
    details: { group, path: [...path] },
  });
}

function tooMany(message: string): BoiError {
  return new BoiError('too-large', message, { details: { groupsMax: GROUPS_MAX, membersMax: GROUP_MEMBERS_MAX } });
}
