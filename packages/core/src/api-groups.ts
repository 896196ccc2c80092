/** The part of the HTTP API that is about groups of nodes, users and groups. Part of the one table of routes in api.ts. */
import { type Static, Type } from 'typebox';
import { Count, closed, Millis, Page, page, route, Text } from './api-schema.ts';

/** Added or removed in one request. */
const MEMBERS_PER_REQUEST_MAX = 1_000;

const Group = Text('The id.');
const Member = Type.Object(
  {
    kind: Type.Unsafe<'node' | 'user' | 'group'>({ type: 'string', enum: ['node', 'user', 'group'] }),
    id: Text('Its id.'),
    name: Type.Optional(Text('Its name, if it is known here: of live nodes, of groups and of users.')),
    dangling: Type.Optional(Type.Boolean({ description: 'A group that there is no more: it has no members.' })),
  },
  closed,
);

export const GroupView = Type.Object(
  {
    id: Group,
    name: Type.Optional(Text('Its name.')),
    reserved: Type.Optional(
      Type.Boolean({ description: 'It carries authority: its users have the role it is named for. Never deleted.' }),
    ),
    createdAt: Millis('When.'),
    actor: Type.Optional(Text('Who created it.')),
    members: Type.Array(Member, { description: 'Direct members, by id.' }),
    nodes: Type.Array(Text('Node id.'), { description: 'Live nodes in it or in groups in it.' }),
    liveNodes: Count('How many nodes are live in all.'),
  },
  closed,
);
export type GroupView = Static<typeof GroupView>;

export const GroupMembers = Type.Object(
  {
    members: Type.Array(
      Text('Id of a node, user or group; or the name of a live node, a group or a user.', {
        minLength: 1,
        maxLength: 256,
      }),
      {
        minItems: 1,
        maxItems: MEMBERS_PER_REQUEST_MAX,
      },
    ),
  },
  closed,
);
export type GroupMembers = Static<typeof GroupMembers>;

const GroupParam = { grp: Text('Group id or name.') };

export const GROUP_ROUTES = {
  'group.create': route({
    method: 'POST',
    path: '/v1/groups',
    role: 'admin',
    summary: 'Create a group. Names need not be unique.',
    body: Type.Object({ name: Type.Optional(Text('Its name.')) }, closed),
    answer: GroupView,
    status: 201,
  }),
  'group.list': route({
    method: 'GET',
    path: '/v1/groups',
    role: 'viewer',
    summary: 'Groups, by id.',
    query: Type.Object({ name: Type.Optional(Text('Exact name.')), ...Page }, closed),
    answer: page(GroupView),
  }),
  'group.show': route({
    method: 'GET',
    path: '/v1/groups/:grp',
    role: 'viewer',
    summary: 'One group.',
    params: GroupParam,
    answer: GroupView,
  }),
  'group.add': route({
    method: 'POST',
    path: '/v1/groups/:grp/add',
    role: 'admin',
    summary: 'Add members; those it has stay. 409 `cycle-detected` if the group would contain itself.',
    params: GroupParam,
    body: GroupMembers,
    answer: GroupView,
  }),
  'group.remove': route({
    method: 'POST',
    path: '/v1/groups/:grp/remove',
    role: 'admin',
    summary: 'Remove members; those it has not are not missed.',
    params: GroupParam,
    body: GroupMembers,
    answer: GroupView,
  }),
  'group.delete': route({
    method: 'DELETE',
    path: '/v1/groups/:grp',
    role: 'admin',
    summary: 'Delete a group. Groups it is in keep its id, which has no members then.',
    params: GroupParam,
    answer: Type.Object({ id: Group }, closed),
  }),
} as const;
