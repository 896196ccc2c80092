/**
 * The HTTP API as data: every route with its parameters, bodies and answers as schemas. The server validates with them
 * and generates the OpenAPI document from them, the client takes its types from them, and nothing about the wire is said
 * twice. Ids in paths may be given as names where the description says so. Optional fields are absent, never null.
 */

import { type Static, type TSchema, Type } from 'typebox';
import { GROUP_ROUTES } from './api-groups.ts';
import { ActorSchema, IDENTITY_ROUTES } from './api-identity.ts';
import { PLUGIN_ROUTES } from './api-plugins.ts';
import { Count, closed, none, Page, page, route, Text } from './api-schema.ts';
import {
  Age,
  CancelAnswer,
  ClusterView,
  DispatchAnswer,
  DispatchBody,
  DryRunAnswer,
  FsckReport,
  LocalView,
  LogQuery,
  NodeView,
  Ref,
  SpecStateSchema,
  SpecView,
  TaskStateSchema,
  TaskView,
} from './api-views.ts';

export type { RouteRole, RouteShape } from './api-schema.ts';
export * from './api-views.ts';

const ProjectParam = { prj: Text('Project id or name; `default` is the default project.') };
const SpecParam = { ...ProjectParam, spc: Text('Spec id or name.') };
const TaskParam = { ...ProjectParam, tsk: Text('Task id, or `<spec id or name>/<ref>` percent-encoded.') };
const NodeParam = { nod: Text('Node id or name.') };
const Stale = Type.Optional(
  Type.Unsafe<'ok'>({
    type: 'string',
    enum: ['ok'],
    description: 'While the store is away answer what this node remembers, with its age, instead of 503.',
  }),
);

/** The one table of routes. */
export const ROUTES = {
  'spec.dispatch': route({
    method: 'POST',
    path: '/v1/projects/:prj/specs',
    role: 'operator',
    summary: 'Validate, expand and accept a spec. 201 when new, 200 when the idempotency key was known.',
    params: ProjectParam,
    body: DispatchBody,
    answer: DispatchAnswer,
    status: 201,
  }),
  'spec.plan': route({
    method: 'POST',
    path: '/v1/projects/:prj/specs/plan',
    role: 'viewer',
    reads: true,
    summary: 'What a dispatch would do: the expansion and where each task would go. Writes nothing.',
    params: ProjectParam,
    body: DispatchBody,
    answer: DryRunAnswer,
  }),
  'spec.list': route({
    method: 'GET',
    path: '/v1/projects/:prj/specs',
    role: 'viewer',
    summary: 'Specs, newest first.',
    params: ProjectParam,
    query: Type.Object(
      { name: Type.Optional(Text('Exact name.')), state: Type.Optional(SpecStateSchema), ...Page },
      closed,
    ),
    answer: page(SpecView),
  }),
  'spec.show': route({
    method: 'GET',
    path: '/v1/projects/:prj/specs/:spc',
    role: 'viewer',
    summary: 'One spec.',
    params: SpecParam,
    answer: SpecView,
  }),
  'spec.tasks': route({
    method: 'GET',
    path: '/v1/projects/:prj/specs/:spc/tasks',
    role: 'viewer',
    summary: 'Tasks of a spec, by index.',
    params: SpecParam,
    query: Type.Object({ state: Type.Optional(TaskStateSchema), ...Page }, closed),
    answer: page(TaskView),
  }),
  'spec.events': route({
    method: 'GET',
    path: '/v1/projects/:prj/specs/:spc/events',
    role: 'viewer',
    summary:
      'Server-sent events: the spec now and on each change (at most 10 a second), each task that changes state, `end` when it has ended.',
    params: SpecParam,
    query: Type.Object(
      { tasks: Type.Optional(Type.Boolean({ description: 'Also send task changes. Default true.' })) },
      closed,
    ),
    stream: 'sse',
  }),
  'spec.cancel': route({
    method: 'POST',
    path: '/v1/projects/:prj/specs/:spc/cancel',
    role: 'operator',
    summary: 'Cancel what has not ended. A second cancel also stops cleanup tasks and skips the grace.',
    params: SpecParam,
    body: none,
    answer: CancelAnswer,
  }),
  'spec.retry': route({
    method: 'POST',
    path: '/v1/projects/:prj/specs/:spc/retry',
    role: 'operator',
    summary: 'Dispatch a finished spec again as a new one.',
    params: SpecParam,
    body: Type.Object(
      { idempotencyKey: Type.Optional(Text('As for dispatch.', { minLength: 1, maxLength: 128 })) },
      closed,
    ),
    answer: DispatchAnswer,
    status: 201,
  }),
  'task.show': route({
    method: 'GET',
    path: '/v1/projects/:prj/tasks/:tsk',
    role: 'viewer',
    summary: 'One task, with why it is not running.',
    params: TaskParam,
    answer: TaskView,
  }),
  'task.log': route({
    method: 'GET',
    path: '/v1/projects/:prj/tasks/:tsk/log',
    role: 'viewer',
    summary: 'Its output, from whichever node has it.',
    params: TaskParam,
    query: LogQuery,
    stream: 'ndjson',
  }),
  'task.cancel': route({
    method: 'POST',
    path: '/v1/projects/:prj/tasks/:tsk/cancel',
    role: 'operator',
    summary: 'Cancel one task. A second cancel skips the grace.',
    params: TaskParam,
    body: none,
    answer: CancelAnswer,
  }),
  'task.retry': route({
    method: 'POST',
    path: '/v1/projects/:prj/tasks/:tsk/retry',
    role: 'operator',
    summary: 'Run an ended task again while its spec is active; what was skipped because of it waits for it again.',
    params: TaskParam,
    body: none,
    answer: TaskView,
  }),
  'task.kill': route({
    method: 'POST',
    path: '/v1/projects/:prj/tasks/:tsk/kill',
    role: 'operator',
    summary: 'Take the claim away from a node that does not answer; the task is placed anew.',
    params: TaskParam,
    body: Type.Object(
      { force: Type.Literal(true, { description: 'Must be true: the old copy may still run.' }) },
      closed,
    ),
    answer: TaskView,
  }),
  'node.list': route({
    method: 'GET',
    path: '/v1/nodes',
    role: 'viewer',
    summary: 'Live nodes, and dead ones that left work or settings.',
    query: Type.Object({ name: Type.Optional(Text('Exact name.')), stale: Stale }, closed),
    answer: Type.Object({ items: Type.Array(NodeView), ageMs: Age }, closed),
  }),
  'node.show': route({
    method: 'GET',
    path: '/v1/nodes/:nod',
    role: 'viewer',
    summary: 'One node.',
    params: NodeParam,
    query: Type.Object({ stale: Stale }, closed),
    answer: NodeView,
  }),
  'node.cordon': route({
    method: 'POST',
    path: '/v1/nodes/:nod/cordon',
    role: 'operator',
    summary: 'Place nothing new on it.',
    params: NodeParam,
    body: none,
    answer: NodeView,
  }),
  'node.uncordon': route({
    method: 'POST',
    path: '/v1/nodes/:nod/uncordon',
    role: 'operator',
    summary: 'Undo cordon, drain and cooldown.',
    params: NodeParam,
    body: none,
    answer: NodeView,
  }),
  'node.drain': route({
    method: 'POST',
    path: '/v1/nodes/:nod/drain',
    role: 'operator',
    summary: 'Stop claims, hand queued entries over, wait for running tasks, requeue them at the deadline.',
    params: NodeParam,
    body: Type.Object(
      {
        deadlineMs: Type.Optional(
          Type.Integer({ minimum: 0, maximum: 604_800_000, description: 'From now. Default one hour.' }),
        ),
      },
      closed,
    ),
    answer: NodeView,
  }),
  'node.remove': route({
    method: 'DELETE',
    path: '/v1/nodes/:nod',
    role: 'admin',
    summary: "Adopt a dead node's work now and forget its settings; its certificate is refused from then on.",
    params: NodeParam,
    query: Type.Object(
      {
        force: Type.Optional(
          Type.Boolean({
            description:
              'Also while it lives: its membership and its session end at once, and its tasks are taken over. Default false: 409 then.',
          }),
        ),
      },
      closed,
    ),
    answer: Type.Object({ id: Text('Node id.'), moved: Count('Entries moved.') }, closed),
  }),
  'cluster.show': route({
    method: 'GET',
    path: '/v1/cluster',
    role: 'viewer',
    summary: 'The cluster at a glance.',
    query: Type.Object({ stale: Stale }, closed),
    answer: ClusterView,
  }),
  'cluster.pause': route({
    method: 'POST',
    path: '/v1/cluster/pause',
    role: 'admin',
    summary: 'Stop claims everywhere.',
    body: none,
    answer: ClusterView,
  }),
  'cluster.resume': route({
    method: 'POST',
    path: '/v1/cluster/resume',
    role: 'admin',
    summary: 'Undo pause.',
    body: none,
    answer: ClusterView,
  }),
  'cluster.fsck': route({
    method: 'GET',
    path: '/v1/cluster/fsck',
    role: 'operator',
    summary: 'Check conservation at one revision.',
    answer: FsckReport,
  }),
  'cluster.repair': route({
    method: 'POST',
    path: '/v1/cluster/fsck',
    role: 'admin',
    summary: 'Check, and mend what is safe to mend; without `apply` only say what would be.',
    body: Type.Object(
      { apply: Type.Optional(Type.Boolean({ default: false, description: 'Write. Default false.' })) },
      closed,
    ),
    answer: FsckReport,
  }),
  'local.show': route({
    method: 'GET',
    path: '/v1/local',
    role: 'operator',
    summary: 'What this node itself holds, without asking the store.',
    answer: LocalView,
  }),
  'local.fallback': route({
    method: 'POST',
    path: '/v1/local/fallback',
    role: 'admin',
    summary: 'Take this node out of work, or back, also while the store is away.',
    body: Type.Object(
      { on: Type.Boolean({ description: 'True: claim nothing, refuse new work, write down what is held.' }) },
      closed,
    ),
    answer: LocalView,
  }),
  whoami: route({
    method: 'GET',
    path: '/v1/whoami',
    role: 'member',
    summary: 'Who asks, whom he asks.',
    answer: Type.Object(
      {
        node: Ref,
        cluster: Text('Cluster id.'),
        version: Text('Of the daemon.'),
        defaultProject: Ref,
        actor: Type.Optional(ActorSchema),
      },
      closed,
    ),
  }),
  ...GROUP_ROUTES,
  ...IDENTITY_ROUTES,
  ...PLUGIN_ROUTES,
} as const;

export type RouteId = keyof typeof ROUTES;
type Body<R> = R extends { body: infer B extends TSchema } ? Static<B> : undefined;
type Query<R> = R extends { query: infer Q extends TSchema } ? Static<Q> : undefined;
type Answer<R> = R extends { answer: infer A extends TSchema } ? Static<A> : undefined;
export type RouteBody<K extends RouteId> = Body<(typeof ROUTES)[K]>;
export type RouteQuery<K extends RouteId> = Query<(typeof ROUTES)[K]>;
export type RouteAnswer<K extends RouteId> = Answer<(typeof ROUTES)[K]>;
