/** Groups as the API shows them, and what people call them by. Read from the store, so that what was just written is seen. */
import { BoiError, type GroupId, type GroupView, isId, type NodeId, type RouteQuery } from '@boi/core';
import type { Page } from '../api/api-types.ts';
import type { NodeDeps } from '../deps.ts';
import { listUsers } from '../identity/users.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import { readGroups } from './change-groups.ts';
import type { Groups } from './groups.ts';
import type { GroupMember, GroupRecord } from './records.ts';

const PAGE_DEFAULT = 100;

export async function listGroups(deps: NodeDeps, query: RouteQuery<'group.list'>): Promise<Page<GroupView>> {
  const groups = await readGroups(deps.ctx);
  const snapshot = deps.membership.snapshot();
  const wanted = [...groups.byId].filter(
    ([id, { name }]) => (query.name === undefined || name === query.name) && id > (query.after ?? ''),
  );
  const limit = query.limit ?? PAGE_DEFAULT;
  const shown = wanted.slice(0, limit);
  const names = await namesOfUsers(
    deps,
    shown.flatMap(([, { members }]) => members),
  );
  const items = shown.map(([id, record]) => groupView({ snapshot, groups, names }, id, record));
  const next = wanted.length > limit ? items.at(-1)?.id : undefined;
  return { items, ...(next === undefined ? {} : { next }) };
}

export async function showGroup(deps: NodeDeps, idOrName: string): Promise<GroupView> {
  const groups = await readGroups(deps.ctx);
  const id = findGroup(groups, idOrName);
  const record = groups.byId.get(id) as GroupRecord;
  const names = await namesOfUsers(deps, record.members);
  return groupView({ snapshot: deps.membership.snapshot(), groups, names }, id, record);
}

/** Throws `not-found`, `ambiguous-name`. */
export function findGroup(groups: Groups, idOrName: string): GroupId {
  if (isId(idOrName)) {
    if (isId(idOrName, 'group') && groups.byId.has(idOrName)) return idOrName;
    throw noGroup(idOrName);
  }
  const found = groups.named(idOrName);
  const [only] = found;
  if (only === undefined) throw noGroup(idOrName);
  if (found.length > 1) throw ambiguous(idOrName, found);
  return only;
}

/**
 * Ids as they are; a name is looked for among live nodes, groups and users who are not revoked. Throws `ambiguous-name` with
 * all that have it.
 */
export async function resolveMembers(
  deps: NodeDeps,
  groups: Groups,
  given: readonly string[],
): Promise<readonly GroupMember[]> {
  const members: GroupMember[] = [];
  const users = given.every((text) => isId(text)) ? [] : await listUsers(deps.ctx);
  for (const [i, text] of given.entries()) {
    if (isId(text, 'node') || isId(text, 'user') || isId(text, 'group')) {
      members.push(text);
      continue;
    }
    if (isId(text)) {
      throw new BoiError('bad-request', `/body/members/${i}: must be a node, a user or a group`, {
        issues: [
          {
            path: `/body/members/${i}`,
            message: 'must be a node, a user or a group; this is the id of something else',
          },
        ],
      });
    }
    const named = groups.named(text);
    const nodes = nodesNamed(deps, text);
    const people = users.filter(({ name, revokedAt }) => name === text && revokedAt === undefined).map(({ id }) => id);
    const ids: GroupMember[] = [...nodes, ...named, ...people];
    const [only] = ids;
    if (only === undefined) {
      throw new BoiError('not-found', `there is no live node, no group and no user called ${JSON.stringify(text)}`, {
        details: { member: text },
      });
    }
    if (ids.length > 1) throw ambiguous(text, ids);
    members.push(only);
  }
  return members;
}

function nodesNamed(deps: NodeDeps, name: string): NodeId[] {
  return [...deps.membership.snapshot().members.values()].flatMap(({ id, record }) =>
    record.name === name ? [id] : [],
  );
}

/** Read when there is one to be named. */
async function namesOfUsers(
  { ctx }: NodeDeps,
  members: readonly GroupMember[],
): Promise<ReadonlyMap<GroupMember, string>> {
  const wanted = new Set(members.filter((member) => isId(member, 'user')));
  if (wanted.size === 0) return new Map();
  return new Map((await listUsers(ctx)).filter(({ id }) => wanted.has(id)).map(({ id, name }) => [id, name]));
}

interface Known {
  readonly snapshot: MembershipSnapshot;
  readonly groups: Groups;
  /** Of users. */
  readonly names: ReadonlyMap<GroupMember, string>;
}

function groupView({ snapshot, groups, names }: Known, id: GroupId, record: GroupRecord): GroupView {
  const { members: live } = snapshot;
  const held = groups.holds(id);
  return {
    id,
    ...(record.name === undefined ? {} : { name: record.name }),
    ...(record.reserved === true ? { reserved: true } : {}),
    createdAt: record.createdAt,
    ...(record.actor === undefined ? {} : { actor: record.actor }),
    members: record.members.map((member) => {
      if (isId(member, 'group')) {
        const found = groups.byId.get(member);
        return {
          kind: 'group' as const,
          id: member,
          ...(found === undefined ? { dangling: true } : found.name === undefined ? {} : { name: found.name }),
        };
      }
      const kind = isId(member, 'user') ? ('user' as const) : ('node' as const);
      const name = kind === 'user' ? names.get(member) : live.get(member as NodeId)?.record.name;
      return { kind, id: member, ...(name === undefined ? {} : { name }) };
    }),
    nodes: [...live.keys()].filter((node) => held.has(node)),
    liveNodes: live.size,
  };
}

function noGroup(idOrName: string): BoiError {
  return new BoiError('not-found', `there is no group ${JSON.stringify(idOrName)}`, { details: { group: idOrName } });
}

function ambiguous(name: string, candidates: readonly string[]): BoiError {
  return new BoiError('ambiguous-name', `${candidates.length} things are called ${JSON.stringify(name)}: give the id`, {
    details: { candidates: candidates.slice(0, 20) },
  });
}
