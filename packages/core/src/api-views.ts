/**
 * The wire types of the HTTP API: what is sent and answered, as schemas and as types. Which route takes which is in api.ts.
 * Optional fields are absent, never null.
 */
import { type Static, Type } from 'typebox';
import { Count, closed, Millis, Text } from './api-schema.ts';
import { BoiError, type Issue } from './errors.ts';

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
export const SpecStateSchema = Type.Unsafe<SpecState>({
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
    state: SpecStateSchema,
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

/** Of an answer that is remembered, not read. */
export const Age = Type.Optional(
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
    ailments: Type.Optional(
      Type.Array(Type.String(), { description: 'Why it is degraded, in words: plugins that are not ready.' }),
    ),
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
