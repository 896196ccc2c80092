/**
 * The HTTP API as data: every route with its parameters, bodies and answers as schemas. The server validates with them
 * and generates the OpenAPI document from them, the client takes its types from them, and nothing about the wire is said
 * twice. Ids in paths may be given as names where the description says so. Optional fields are absent, never null.
 */

import { type Static, type TSchema, Type } from 'typebox';
import { GROUP_ROUTES } from './api-groups.ts';
import { ActorSchema, IDENTITY_ROUTES } from './api-identity.ts';
import { Count, closed, Millis, none, Page, page, route, Text } from './api-schema.ts';
import { BoiError, type Issue } from './errors.ts';

export type { RouteRole, RouteShape } from './api-schema.ts';

export type SpecState = 'writing' | 'dispatching' | 'active' | 'cancelling' | 'succeeded' | 'failed' | 'cancelled';

/** Task states as people see them; the first four are not final. */
export type TaskState =
  | 'blocked'
  | 'queued'
  | 'waiting'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'timed-out'
  | 'cancelled'
  | 'skipped'
  | 'poison';
export const TASK_STATES: readonly TaskState[] = [
  'blocked',
  'queued',
  'waiting',
  'running',
  'succeeded',
  'failed',
  'timed-out',
  'cancelled',
  'skipped',
  'poison',
];
export const TaskStateSchema = Type.Unsafe<TaskState>({
  type: 'string',
  enum: [...TASK_STATES],
  description:
    'blocked: waits for its needs; queued: on a node, not started; waiting: for a time, a lock, a pause or a capable node; running; the others are final.',
});
const SpecStateWire = Type.Unsafe<SpecState>({
  type: 'string',
  enum: ['writing', 'dispatching', 'active', 'cancelling', 'succeeded', 'failed', 'cancelled'],
  description: 'Where the spec is in its life. The last three are final.',
});

export const Ref = Type.Object({ id: Text('The id.'), name: Type.Optional(Text('The name, if it has one.')) }, closed);
export type Ref = Static<typeof Ref>;

export const SpecCounts = Type.Object(
  {
    succeeded: Count('Tasks that succeeded.'),
    failed: Count('Tasks that failed, timed-out and poison ones included.'),
    cancelled: Count('Tasks cancelled.'),
    skipped: Count('Tasks skipped since what they need did not end as required.'),
  },
  closed,
);
export type SpecCounts = Static<typeof SpecCounts>;

export const SpecView = Type.Object(
  {
    id: Text('Spec id.'),
    name: Type.Optional(Text('Name given in the file.')),
    project: Ref,
    state: SpecStateWire,
    tasks: Count('Tasks after expansion.'),
    dispatched: Count(
      'How many of them have been handed out so far; less than `tasks` while a large spec is dispatched.',
    ),
    counts: SpecCounts,
    policy: Type.Object(
      {
        failure: Type.Unsafe<'fail-fast' | 'continue'>({ type: 'string', enum: ['fail-fast', 'continue'] }),
        concurrency: Type.Optional(Count('At most this many tasks of the spec at once.')),
      },
      closed,
    ),
    actor: Type.Optional(Text('Who dispatched it.')),
    createdAt: Millis('When it was accepted.'),
    endedAt: Type.Optional(Millis('When its last task ended.')),
    retryOf: Type.Optional(Text('The finished spec this one runs again.')),
    coordinator: Type.Optional(Text('Node id that coordinates it.')),
    archived: Type.Optional(Type.Boolean({ description: 'Its results are in the archive.' })),
  },
  closed,
);
export type SpecView = Static<typeof SpecView>;

export const Why = Type.Object(
  {
    summary: Text('One sentence: what it waits for.'),
    constraints: Type.Optional(
      Type.Array(
        Type.Object(
          { constraint: Text('For instance `gpu exists`, `cordoned`.'), nodes: Count('Nodes it excludes.') },
          closed,
        ),
      ),
    ),
  },
  closed,
);
export type Why = Static<typeof Why>;

export const TaskMove = Type.Object(
  {
    at: Millis('When.'),
    from: Type.Optional(Text('Node id it left; absent: no node.')),
    to: Type.Optional(Text('Node id it went to; absent: unassigned.')),
    why: Text('retry, adopted, stolen, rebalanced, wedged, drained, placed, killed, handed-back.'),
  },
  closed,
);
export type TaskMove = Static<typeof TaskMove>;

export const TaskView = Type.Object(
  {
    id: Text('Task id.'),
    ref: Text('Its ref within the spec.'),
    spec: Text('Spec id.'),
    index: Type.Integer({ minimum: 1, description: 'Its number within the spec.' }),
    state: TaskStateSchema,
    node: Type.Optional(Ref),
    attempt: Type.Integer({ minimum: 1, description: 'Grows with each retry.' }),
    deliveries: Type.Optional(Count('Claims of this attempt so far.')),
    fence: Type.Optional(Text('Decimal 64-bit fence of the claim.')),
    priority: Type.Optional(Type.Integer()),
    claimedAt: Type.Optional(Millis('When it was claimed.')),
    startedAt: Type.Optional(Millis('When its process started.')),
    endedAt: Type.Optional(Millis('When its last process ended.')),
    reason: Type.Optional(Text('Why it failed, for a program.')),
    message: Type.Optional(Text('Why it failed, for a person.')),
    exitCode: Type.Optional(Type.Integer()),
    signal: Type.Optional(Text('Signal that ended it.')),
    tail: Type.Optional(Text('Last output, at most 2 KiB.')),
    outputs: Type.Optional(Type.Record(Type.String(), Type.String())),
    notBefore: Type.Optional(Millis('Not started before this time.')),
    cancelling: Type.Optional(Type.Boolean()),
    why: Type.Optional(Why),
    moves: Type.Optional(Type.Array(TaskMove)),
    definition: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true })),
  },
  closed,
);
export type TaskView = Static<typeof TaskView>;

export const Capabilities = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
  description: 'What the node offers: os, arch, cpus, memory (bytes), labels.',
});

const Age = Type.Optional(
  Count(
    'Only with `stale=ok`: the store is away and this is what the node remembers, at most so many milliseconds old.',
  ),
);

export const NodeView = Type.Object(
  {
    id: Text('Node id.'),
    name: Type.Optional(Text('Name.')),
    state: Type.Unsafe<'ready' | 'degraded' | 'cordoned' | 'draining' | 'drained' | 'cooling' | 'dead'>({
      type: 'string',
      enum: ['ready', 'degraded', 'cordoned', 'draining', 'drained', 'cooling', 'dead'],
      description: 'dead: no live session, but work or settings of it remain.',
    }),
    address: Type.Optional(Text('URL of its API.')),
    version: Type.Optional(Text('Version of boi-node it runs.')),
    capabilities: Type.Optional(Capabilities),
    slots: Type.Optional(Count('Tasks of one slot it runs at once.')),
    busy: Type.Optional(Count('Slots in use.')),
    queued: Type.Optional(Count('Entries in its queue not claimed yet.')),
    running: Type.Optional(Count('Tasks claimed by it.')),
    epoch: Type.Optional(Text('Session epoch, decimal.')),
    startedAt: Type.Optional(Millis('When its session began.')),
    drain: Type.Optional(
      Type.Object(
        { since: Millis('Since when.'), deadlineAt: Type.Optional(Millis('Running tasks are requeued then.')) },
        closed,
      ),
    ),
    coolingUntil: Type.Optional(Millis('Placement skips it until then.')),
    ageMs: Age,
  },
  closed,
);
export type NodeView = Static<typeof NodeView>;

export const ClusterView = Type.Object(
  {
    id: Text('Cluster id.'),
    schema: Count('Version of the record schema.'),
    paused: Type.Boolean({ description: 'Claims are stopped everywhere; dispatch still queues.' }),
    defaultProject: Ref,
    nodes: Type.Object(
      { live: Count('With a live session.'), ready: Count('That take work.'), dead: Count('That left work.') },
      closed,
    ),
    slots: Type.Object({ total: Count('All slots of live nodes.'), busy: Count('Of them in use.') }, closed),
    specs: Type.Optional(Type.Object({ active: Count('Not ended.'), total: Count('All that are known.') }, closed)),
    queued: Count('Entries not claimed yet, over live nodes.'),
    unassigned: Type.Optional(Count('Entries no live node can run.')),
    store: Type.Optional(
      Type.Object(
        {
          revision: Text('Decimal.'),
          dbBytes: Count('Database file.'),
          dbBytesInUse: Count('In use.'),
          version: Text('Server version.'),
          alarms: Type.Array(Type.String()),
        },
        closed,
      ),
    ),
    servedBy: Text('Node id that answered.'),
    ageMs: Age,
  },
  { ...closed, description: '`specs`, `unassigned` and `store` are absent from an answer with an age.' },
);
export type ClusterView = Static<typeof ClusterView>;

export const FsckFinding = Type.Object(
  {
    kind: Text('Stable name of the finding, for instance `task-without-record`.'),
    severity: Type.Unsafe<'error' | 'warning'>({ type: 'string', enum: ['error', 'warning'] }),
    subject: Text('Id or key it concerns.'),
    message: Text('What is wrong.'),
    repair: Type.Optional(
      Type.Unsafe<'possible' | 'done' | 'changed' | 'left'>({
        type: 'string',
        enum: ['possible', 'done', 'changed', 'left'],
        description:
          'Of a repair: possible (it would be mended), done, changed (it is not as it was found; check again), left (not safe to mend).',
      }),
    ),
  },
  closed,
);
/** What one node knows without the store. */
export const LocalView = Type.Object(
  {
    node: Ref,
    version: Text('Of the daemon.'),
    session: Type.Unsafe<'joining' | 'live' | 'lost' | 'stopped'>({
      type: 'string',
      enum: ['joining', 'live', 'lost', 'stopped'],
    }),
    storeAwayMs: Type.Optional(Count('How long the store has not answered; absent while it does.')),
    fallbackSince: Type.Optional(Millis('Local fallback is on since then.')),
    tasks: Type.Array(
      Type.Object(
        {
          id: Text('Task id.'),
          project: Text('Project id.'),
          phase: Type.Unsafe<'ahead' | 'starting' | 'running' | 'ended'>({
            type: 'string',
            enum: ['ahead', 'starting', 'running', 'ended'],
            description: 'ahead: claimed, not started; ended: its result is not committed yet.',
          }),
          attempt: Count('From 1.'),
          fence: Text('Decimal fence of the claim.'),
        },
        closed,
      ),
    ),
    results: Type.Array(
      Type.Object(
        {
          task: Text('Task id.'),
          fence: Text('Decimal fence of the claim.'),
          attempt: Count('From 1.'),
          outcome: Text('How it ended.'),
          exitCode: Type.Optional(Type.Integer()),
          endedAt: Millis('When.'),
        },
        closed,
      ),
      { description: 'Kept on disk until the store takes them, oldest first.' },
    ),
  },
  closed,
);
export type LocalView = Static<typeof LocalView>;

export const FsckReport = Type.Object(
  {
    revision: Text('The one store revision that was read.'),
    specs: Count('Specs checked.'),
    tasks: Count('Tasks checked.'),
    records: Type.Object({ blocked: Count(''), queued: Count(''), results: Count('') }, closed),
    clean: Type.Boolean({ description: 'No finding of severity error.' }),
    findings: Type.Array(FsckFinding),
  },
  closed,
);
export type FsckReport = Static<typeof FsckReport>;

export const DispatchBody = Type.Object(
  {
    source: Text('The spec file, as it is.', { minLength: 1 }),
    format: Type.Unsafe<'yaml' | 'toml' | 'json'>({ type: 'string', enum: ['yaml', 'toml', 'json'] }),
    set: Type.Optional(
      Type.Record(Type.String(), Type.String(), { description: 'Values for the variables the file declares.' }),
    ),
    idempotencyKey: Type.Optional(
      Text('The same key and content answers the same spec.', { minLength: 1, maxLength: 128 }),
    ),
    dryRun: Type.Optional(Type.Boolean({ description: 'Validate and show the placement; write nothing.' })),
  },
  closed,
);
export type DispatchBody = Static<typeof DispatchBody>;

export const DispatchAnswer = Type.Object(
  {
    id: Text('Spec id.'),
    name: Type.Optional(Text('Name.')),
    project: Ref,
    tasks: Count('Tasks after expansion.'),
    existing: Type.Boolean({
      description: 'The idempotency key was used before for the same content: nothing new was made.',
    }),
  },
  closed,
);
export type DispatchAnswer = Static<typeof DispatchAnswer>;

export const DryRunAnswer = Type.Object(
  {
    tasks: Type.Array(
      Type.Object(
        {
          index: Count('Number.'),
          ref: Text('Ref.'),
          needs: Type.Array(Type.String()),
          node: Type.Optional(Ref),
          why: Text('Why it would go there, or why nowhere.'),
        },
        closed,
      ),
    ),
    total: Count('Tasks after expansion; `tasks` holds at most 1000.'),
  },
  closed,
);
export type DryRunAnswer = Static<typeof DryRunAnswer>;

export const CancelAnswer = Type.Object(
  {
    id: Text('What was cancelled.'),
    state: Text('Its state now.'),
    level: Type.Integer({ description: '1: cancel; 2: also `when: always` and `failure` tasks, without grace.' }),
  },
  closed,
);
export type CancelAnswer = Static<typeof CancelAnswer>;

export const Problem = Type.Object(
  {
    type: Text('`urn:boi:problem:` and the code.'),
    title: Text('The code in words.'),
    status: Type.Integer(),
    code: Text('Stable code, see the table of errors.'),
    detail: Text('What happened and what to do.'),
    issues: Type.Optional(
      Type.Array(
        Type.Object(
          {
            path: Text('JSON pointer into the input.'),
            message: Text('What was wrong and what would be right.'),
            line: Type.Optional(Type.Integer()),
            column: Type.Optional(Type.Integer()),
          },
          closed,
        ),
      ),
    ),
    details: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true })),
    requestId: Type.Optional(Text('Also in the daemon log.')),
  },
  closed,
);
export type Problem = Static<typeof Problem>;

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

export const LogQuery = Type.Object(
  {
    attempt: Type.Optional(Type.Integer({ minimum: 1, description: 'Default: the last.' })),
    delivery: Type.Optional(Type.Integer({ minimum: 1, description: 'Default: the last of the attempt.' })),
    offset: Type.Optional(Type.Integer({ minimum: 0, description: 'First byte wanted. Default 0.' })),
    tailBytes: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Only the last so many bytes of what there is; excludes `offset`.' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, description: 'At most so many bytes.' })),
    follow: Type.Optional(
      Type.Boolean({ description: 'Go on until the task has ended, also on its next attempts and nodes.' }),
    ),
  },
  closed,
);
export type LogQuery = Static<typeof LogQuery>;

/** A log query that is consistent: not both an offset and a tail, no delivery without its attempt. */
export function validateLogQuery(query: LogQuery): LogQuery {
  const issues: Issue[] = [];
  if (query.offset !== undefined && query.tailBytes !== undefined) {
    issues.push({ path: '/query/tailBytes', message: 'excludes `offset`; give one of them' });
  }
  if (query.delivery !== undefined && query.attempt === undefined) {
    issues.push({ path: '/query/delivery', message: 'is a delivery of an attempt; give `attempt` too' });
  }
  if (issues.length > 0) {
    throw new BoiError('bad-request', issues.map((i) => `${i.path}: ${i.message}`).join('; '), { issues });
  }
  return query;
}

/** Content type of a log stream: newline-delimited JSON of {@link LogEvent}. */
export const LOG_STREAM_TYPE = 'application/x-ndjson';

/**
 * A log stream. `begin` opens each attempt and delivery, `data` carries bytes in base64 with their offset in that log,
 * `gap` says that bytes are gone (rotation), `note` is for a person (reassigned, holder unreachable), `end` closes the
 * stream: `complete` when the task has ended and nothing follows.
 */
export type LogEvent =
  | {
      readonly type: 'begin';
      readonly attempt: number;
      readonly delivery: number;
      readonly node: string;
      readonly offset: number;
    }
  | {
      readonly type: 'data';
      readonly offset: number;
      readonly stream: 'stdout' | 'stderr' | 'system';
      readonly at?: number;
      readonly data: string;
    }
  | { readonly type: 'gap'; readonly offset: number; readonly to: number }
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'end'; readonly complete: boolean; readonly state?: TaskState };

/** Server-sent events of `spec.events`: `event:` is the type, `data:` this as JSON. */
export type SpecEvent =
  | { readonly type: 'spec'; readonly spec: SpecView }
  | { readonly type: 'task'; readonly task: TaskView }
  | { readonly type: 'end'; readonly spec: SpecView };

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
      { name: Type.Optional(Text('Exact name.')), state: Type.Optional(SpecStateWire), ...Page },
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
    summary: "Adopt a dead node's work now and forget its settings. 409 while it lives.",
    params: NodeParam,
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
} as const;

export type RouteId = keyof typeof ROUTES;
type Body<R> = R extends { body: infer B extends TSchema } ? Static<B> : undefined;
type Query<R> = R extends { query: infer Q extends TSchema } ? Static<Q> : undefined;
type Answer<R> = R extends { answer: infer A extends TSchema } ? Static<A> : undefined;
export type RouteBody<K extends RouteId> = Body<(typeof ROUTES)[K]>;
export type RouteQuery<K extends RouteId> = Query<(typeof ROUTES)[K]>;
export type RouteAnswer<K extends RouteId> = Answer<(typeof ROUTES)[K]>;
