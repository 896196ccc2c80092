/** Groups as the API shows them, and what people call them by. Read from the store, so that what was just written is seen. */
import { BoiError, type GroupId, type GroupView, isId, type NodeId, type RouteQuery } from '@boi/core';
import type { Page } from '../api/api-types.ts';
import type { NodeDeps } from '../deps.ts';
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
  const items = wanted.slice(0, limit).map(([id, record]) => groupView(snapshot, groups, id, record));
  const next = wanted.length > limit ? items.at(-1)?.id : undefined;
  return { items, ...(next === undefined ? {} : { next }) };
}

export async function showGroup(deps: NodeDeps, idOrName: string): Promise<GroupView> {
  const groups = await readGroups(deps.ctx);
  const id = findGroup(groups, idOrName);
  return groupView(deps.membership.snapshot(), groups, id, groups.byId.get(id) as GroupRecord);
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

/** Ids as they are; a name is looked for among live nodes and groups. A user is given by id. */
export function resolveMembers(deps: NodeDeps, groups: Groups, given: readonly string[]): readonly GroupMember[] {
  const members: GroupMember[] = [];
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
    const ids: (NodeId | GroupId)[] = [...nodes, ...named];
    const [only] = ids;
    if (only === undefined) {
      throw new BoiError(
        'not-found',
        `there is no live node and no group called ${JSON.stringify(text)}; users are given by id`,
        { details: { member: text } },
      );
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

function groupView({ members: live }: MembershipSnapshot, groups: Groups, id: GroupId, record: GroupRecord): GroupView {
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
      if (isId(member, 'user')) return { kind: 'user' as const, id: member };
      const name = live.get(member as NodeId)?.record.name;
      return { kind: 'node' as const, id: member, ...(name === undefined ? {} : { name }) };
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
