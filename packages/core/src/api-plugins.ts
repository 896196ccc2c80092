/** The part of the HTTP API that is about the plugins of nodes. Part of the one table of routes in api.ts. */
import { type Static, Type } from 'typebox';
import { Count, closed, Millis, none, route, Text } from './api-schema.ts';

/** States of a plugin, as its supervisor has them. */
const PLUGIN_STATES = ['stopped', 'starting', 'ready', 'waiting', 'unstable', 'refused'] as const;

export const PluginView = Type.Object(
  {
    id: Text('Node id and name of the plugin: `nod_…/audit`.'),
    node: Text('Node id.'),
    name: Text('How the node calls it.'),
    kind: Text('hooks, pool, provisioner, router or workspace.'),
    state: Type.Unsafe<(typeof PLUGIN_STATES)[number]>({
      type: 'string',
      enum: [...PLUGIN_STATES],
      description:
        'waiting: it failed and is started again. unstable: it crashed too often and is left stopped. refused: it is of another kind or major version. The last two end by a restart only.',
    }),
    since: Millis('When it came into that state.'),
    crashes: Count('Within the last five minutes.'),
    pid: Type.Optional(Count('Process id, while it is ready.')),
    error: Type.Optional(Text('Why it is not ready.')),
    reason: Type.Optional(Text('The same as one word, for programs.')),
    command: Type.Array(Type.String(), { description: 'Program and arguments.' }),
    version: Type.Optional(Text('What it calls its version; this and what follows is from its last handshake.')),
    program: Type.Optional(Text('What it calls itself.')),
    minor: Type.Optional(Count('Minor version of the contract that it knows.')),
    capabilities: Type.Optional(Type.Array(Type.String(), { description: 'Optional abilities of its kind.' })),
    tier: Type.Optional(Text('Hooks: best_effort or audit.')),
    events: Type.Optional(Type.Array(Type.String(), { description: 'Hooks: the kinds of events it gets.' })),
  },
  closed,
);
export type PluginView = Static<typeof PluginView>;

export const PluginLogQuery = Type.Object(
  {
    tailBytes: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Only the last so many bytes, from a whole line on. Default 65536.' }),
    ),
    follow: Type.Optional(Type.Boolean({ description: 'Go on with what it writes from now on.' })),
  },
  closed,
);
export type PluginLogQuery = Static<typeof PluginLogQuery>;

const Node = { nod: Text('Node id or name; `local` is the node that is asked.') };
const Plugin = { ...Node, plg: Text('Name of the plugin.') };

export const PLUGIN_ROUTES = {
  'plugin.list': route({
    method: 'GET',
    path: '/v1/nodes/:nod/plugins',
    role: 'viewer',
    summary: 'The plugins of a node, by name.',
    params: Node,
    answer: Type.Object({ items: Type.Array(PluginView) }, closed),
  }),
  'plugin.show': route({
    method: 'GET',
    path: '/v1/nodes/:nod/plugins/:plg',
    role: 'viewer',
    summary: 'One plugin, with what it said of itself.',
    params: Plugin,
    answer: PluginView,
  }),
  'plugin.restart': route({
    method: 'POST',
    path: '/v1/nodes/:nod/plugins/:plg/restart',
    role: 'operator',
    summary: 'Stop it, forget its crashes, start it. Answers when its old processes are gone; ready it is later.',
    params: Plugin,
    body: none,
    answer: PluginView,
  }),
  'plugin.log': route({
    method: 'GET',
    path: '/v1/nodes/:nod/plugins/:plg/log',
    role: 'operator',
    summary: 'What it wrote, one line each with time and stream, as text.',
    params: Plugin,
    query: PluginLogQuery,
    stream: 'text',
  }),
} as const;
