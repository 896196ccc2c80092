/** `group create`, `group list`, `group show`, `group add`, `group remove`, `group delete`. */
import type { GroupView } from '@boi/core';
import { compareNamed, displayName, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { presentList, presentOne } from '../output/present.ts';
import { type Column, renderFields } from '../output/table.ts';
import { absolute } from '../output/time.ts';
import type { Session } from '../session.ts';
import { changeEach } from './change-each.ts';
import { readPages } from './pages.ts';

/** More than a cluster can have. */
const GROUPS_MAX = 10_000;

export async function createGroup(session: Session, args: Args): Promise<number> {
  const name = args.optional('name');
  const group = await session.client.call('group.create', { body: name === undefined ? {} : { name } });
  return present(session, group);
}

export async function listGroups(session: Session, args: Args): Promise<number> {
  const name = args.text('name');
  const query = name === undefined ? {} : { name };
  const { items } = await readPages(GROUPS_MAX, (page) =>
    session.client.call('group.list', { query: { ...query, ...page } }),
  );
  await presentList(session, [...items].sort(compareNamed), COLUMNS, 'no groups');
  return 0;
}

export async function showGroup(session: Session, args: Args): Promise<number> {
  return present(session, await session.client.call('group.show', { params: { grp: args.one('group') } }));
}

export async function addToGroup(session: Session, args: Args): Promise<number> {
  const params = { grp: args.one('group') };
  const body = { members: [...args.many('member')] };
  return present(session, await session.client.call('group.add', { params, body }));
}

export async function removeFromGroup(session: Session, args: Args): Promise<number> {
  const params = { grp: args.one('group') };
  const body = { members: [...args.many('member')] };
  return present(session, await session.client.call('group.remove', { params, body }));
}

export function deleteGroups(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('group'), async (grp) => {
    const answer = await session.client.call('group.delete', { params: { grp } });
    return { answer, id: answer.id, says: 'deleted' };
  });
}

const COLUMNS: Column<GroupView>[] = [
  { title: 'NAME', cell: ({ name }) => escapeName(name ?? ''), widthMax: 32 },
  { title: 'ID', cell: ({ id }) => id },
  { title: 'MEMBERS', cell: ({ members }) => String(members.length), align: 'right' },
  { title: 'LIVE NODES', cell: ({ nodes }) => String(nodes.length), align: 'right' },
  { title: 'AUTHORITY', cell: ({ reserved }) => (reserved === true ? 'yes' : '') },
];

async function present(session: Session, group: GroupView): Promise<number> {
  await presentOne(session, group, group.id, () => renderFields(fieldsOf(session, group), session.out));
  return 0;
}

function fieldsOf(session: Session, { id, name, reserved, members, nodes, liveNodes, createdAt, actor }: GroupView) {
  const member = (each: GroupView['members'][number]) =>
    `${each.kind} ${displayName(each.name, each.id)}${each.dangling === true ? ' (deleted)' : ''}`;
  const fields: [string, string | undefined][] = [
    ['Group', displayName(name, id)],
    ['Authority', reserved === true ? 'its users have the role it is named for' : undefined],
    ['Members', members.length === 0 ? 'none' : members.map(member).join('\n')],
    ['Live nodes', `${nodes.length} of ${liveNodes}`],
    ['Created', `${absolute(createdAt, session.io.now())}${actor === undefined ? '' : ` by ${escapeName(actor)}`}`],
  ];
  return fields;
}
