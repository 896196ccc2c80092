/**
 * Every value in the store: its type, its schema and its codec. JSON with a schema version `v`; a value of an unknown
 * version or shape is refused with a typed error, never guessed at. Fields at their neutral value are left out.
 */
import { BoiError, type NodeId, type Outcome, type ProjectId, type SpecId, type TaskId } from '@boi/core';
import type { Revision } from '@boi/store';
import { type Static, type TSchema, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

/** Version of every record written by this code. A node refuses to join a cluster whose version it does not know. */
export const SCHEMA_VERSION = 1;

const V = Type.Literal(SCHEMA_VERSION);
const Int = Type.Integer();
const Nat = Type.Integer({ minimum: 0 });
const Str = Type.String();
const opt = Type.Optional;
const id = <T extends string>() => Type.Unsafe<T>({ type: 'string' });
const oneOf = <const T extends readonly string[]>(...values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] });

export const ClusterRecord = Type.Object({
  v: V,
  id: Str,
  /** Project that everything belongs to unless it says otherwise. */
  defaultProject: id<ProjectId>(),
  paused: opt(Type.Object({ at: Nat, actor: opt(Str) })),
  createdAt: Nat,
});
export type ClusterRecord = Static<typeof ClusterRecord>;

export const IncarnationRecord = Type.Object({ v: V, id: Str });
export type IncarnationRecord = Static<typeof IncarnationRecord>;

/** How far the clock that removes old things has come, milliseconds since 1970. */
export const RetentionRecord = Type.Object({ v: V, at: Nat });

export const ProjectRecord = Type.Object({ v: V, name: opt(Str), share: opt(Nat), createdAt: Nat });
export type ProjectRecord = Static<typeof ProjectRecord>;

/** Lease-bound, written by that node only. Its create revision is the session epoch. */
export const NodeRecord = Type.Object({
  v: V,
  name: opt(Str),
  /** URL of its API, for tail and relays. */
  address: Str,
  version: Str,
  capabilities: Type.Record(Str, Type.Union([Str, Type.Number(), Type.Boolean()])),
  slots: Nat,
  startedAt: Nat,
  /** It has a plugin that makes nodes. */
  provisioner: opt(Type.Boolean()),
});
export type NodeRecord = Static<typeof NodeRecord>;

/** Survives restarts; written by any node for an operator (cooldown: by the node itself). Absent: nothing set. */
export const NodeConfRecord = Type.Object({
  v: V,
  cordoned: opt(Type.Object({ at: Nat, actor: opt(Str) })),
  /** Draining implies cordoned. At `deadlineAt` (wall clock) running tasks are requeued. */
  drain: opt(Type.Object({ at: Nat, deadlineAt: Nat, actor: opt(Str) })),
  coolingUntil: opt(Nat),
  /** What keeps it from taking tasks until it is mended, in words; written by the node itself. */
  unhealthy: opt(Type.Array(Str)),
  labels: opt(Type.Record(Str, Str)),
});
export type NodeConfRecord = Static<typeof NodeConfRecord>;

/** Says nothing: as good as absent. */
export function isNeutral({ v: _, ...conf }: NodeConfRecord): boolean {
  return Object.values(conf).every((value) => value === undefined);
}

/** Lease-bound, at most one write a second, never watched. */
export const LoadRecord = Type.Object({
  v: V,
  /** Slots in use. */
  busy: Nat,
  /** Unclaimed entries in its queue. */
  queued: Nat,
  /** Tasks claimed. */
  running: Nat,
  health: oneOf('ok', 'degraded'),
  /** Why it is degraded, in words. */
  ailments: opt(Type.Array(Str)),
  /** Newest mod revision of its own queue that its claim loop has considered. */
  scanned: Str,
});
export type LoadRecord = Static<typeof LoadRecord>;

export const SpecCountsRecord = Type.Object({ succeeded: Nat, failed: Nat, cancelled: Nat, skipped: Nat });

export const SpecHeader = Type.Object({
  v: V,
  name: opt(Str),
  state: oneOf('writing', 'dispatching', 'active', 'cancelling', 'succeeded', 'failed', 'cancelled'),
  /** Tasks 1…cursor have their record; none above has. */
  cursor: Nat,
  tasks: Nat,
  /** Chunks of the body; 0 when the only task's definition is inline in its entry. */
  chunks: Nat,
  /** Of all its chunks; absent: none, or written before this was kept. */
  bodyBytes: opt(Nat),
  counts: SpecCountsRecord,
  failure: oneOf('fail-fast', 'continue'),
  concurrency: opt(Nat),
  actor: opt(Str),
  digest: Str,
  idempotency: opt(Str),
  retryOf: opt(id<SpecId>()),
  createdAt: Nat,
  endedAt: opt(Nat),
  /** Who writes body and records while `writing` or `dispatching`: resumed by another when this session is gone. */
  dispatcher: opt(Type.Object({ node: id<NodeId>(), epoch: Str })),
  /** Absent for a one-task spec without a policy: it has no coordinator. */
  coordinator: opt(id<NodeId>()),
  cancel: opt(Type.Object({ at: Nat, level: Type.Integer({ minimum: 1, maximum: 2 }), actor: opt(Str) })),
  /** The last task retry. */
  retried: opt(Type.Object({ at: Nat, task: id<TaskId>(), actor: opt(Str) })),
  /** A fail-fast spec has seen a failure: `when: success` tasks that have not run are cancelled. */
  failing: opt(Type.Boolean()),
  /** The definition of a one-task spec whose body has no chunks: what `spec retry` and views read after its entry is gone. */
  def: opt(Type.Unsafe<Record<string, unknown>>({ type: 'object' })),
  /** `firsts`: index of the first result in each chunk, so that one task's result is found with one read. `bytes`: of all chunks. */
  archived: opt(Type.Object({ chunks: Nat, firsts: opt(Type.Array(Nat)), bytes: opt(Nat) })),
});
export type SpecHeader = Static<typeof SpecHeader>;

/** This node coordinates that spec. */
export const CoordRecord = Type.Object({ v: V, prj: id<ProjectId>() });
export type CoordRecord = Static<typeof CoordRecord>;

/** One claim whose end is not the task's result, or not any more; the newest {@link HISTORY_MAX} are kept. */
const HistoryRecord = Type.Object({
  attempt: Nat,
  delivery: Nat,
  node: id<NodeId>(),
  at: Nat,
  /** `lost`: the node died or was fenced off; `drained`, `killed`; else how the attempt ended. Only a task retry takes back the others. */
  end: oneOf('failed', 'timed-out', 'lost', 'drained', 'killed', 'succeeded', 'cancelled', 'poison'),
  reason: opt(Str),
  exitCode: opt(Int),
  /** Who killed it. */
  actor: opt(Str),
  /** It was the task's result, until a task retry took that back. */
  final: opt(Type.Literal(true)),
});
export type HistoryRecord = Static<typeof HistoryRecord>;
export const HISTORY_MAX = 10;

export const BlockedRecord = Type.Object({
  v: V,
  /** From 1, which is left out. */
  attempt: opt(Nat),
  /** Of attempts that a task retry took back: goes on into the entry and the result. */
  history: opt(Type.Array(HistoryRecord)),
});
export type BlockedRecord = Static<typeof BlockedRecord>;

export const RequirementRecord = Type.Union([
  Type.Object({ key: Str, op: Type.Literal('eq'), value: Str }),
  Type.Object({ key: Str, op: Type.Literal('in'), values: Type.Array(Str) }),
  Type.Object({ key: Str, op: Type.Literal('exists'), value: Type.Boolean() }),
  Type.Object({ key: Str, op: oneOf('>=', '<='), value: Type.Number() }),
]);

const MoveRecord = Type.Object({
  at: Nat,
  from: opt(id<NodeId>()),
  to: opt(id<NodeId>()),
  why: oneOf('retry', 'adopted', 'stolen', 'rebalanced', 'wedged', 'drained', 'placed', 'killed', 'handed-back'),
});
export type MoveRecord = Static<typeof MoveRecord>;

export const MOVES_MAX = 10;

export const ClaimRecord = Type.Object({
  /** Session epoch of the claimant; the node is the one in whose queue the entry is. */
  epoch: Str,
  nonce: Str,
  at: Nat,
});
export type ClaimRecord = Static<typeof ClaimRecord>;

/** A task waiting for, or held by, a node: the key says which. Its mod revision while claimed is the fence. */
export const QueueEntry = Type.Object({
  v: V,
  prj: id<ProjectId>(),
  requires: opt(Type.Array(RequirementRecord)),
  target: opt(Str),
  /** Default 1. */
  slots: opt(Nat),
  exclusive: opt(Type.Boolean()),
  /** Concurrency key: hash of its name and how many hold it at once. */
  lock: opt(Type.Object({ hash: Str, limit: Nat })),
  priority: opt(Int),
  /** Wall clock; and the delay it stood for, so that a node with a wrong clock waits on its monotonic one. */
  notBefore: opt(Nat),
  delayMs: opt(Nat),
  /** From 1. */
  attempt: Nat,
  /** Claims of this attempt so far, the present one included. */
  deliveries: Nat,
  /** A one-task spec without a coordinator: its header is written by the transaction that writes the result. */
  single: opt(Type.Boolean()),
  /** The definition, when inline (TaskDefinition, ≤ 2 KiB of JSON in a one-task spec). */
  def: opt(Type.Unsafe<Record<string, unknown>>({ type: 'object' })),
  /** Else: the chunk of the spec's body that has it. */
  chunk: opt(Nat),
  /** It has needs whose outputs it is given: read their results before starting. */
  inputs: opt(Type.Boolean()),
  queuedAt: Nat,
  claim: opt(ClaimRecord),
  /** The lock slot this claim holds. */
  lockSlot: opt(Nat),
  /** Of a claimed one. `fence`: the revision that claimed it, which the mark has replaced; absent: marked by a version before this was kept. */
  cancel: opt(Type.Object({ at: Nat, fence: opt(Str), force: opt(Type.Boolean()), actor: opt(Str) })),
  moves: opt(Type.Array(MoveRecord)),
  history: opt(Type.Array(HistoryRecord)),
  /** Why no node can run it, for entries under `unassigned` and claimed ones nobody can adopt. */
  why: opt(Type.Object({ summary: Str, constraints: Type.Array(Type.Object({ constraint: Str, nodes: Nat })) })),
});
export type QueueEntry = Static<typeof QueueEntry>;

export const ResultRecord = Type.Object({
  v: V,
  outcome: oneOf('succeeded', 'failed', 'timed-out', 'cancelled', 'skipped', 'poison'),
  reason: opt(Str),
  message: opt(Str),
  exitCode: opt(Int),
  signal: opt(Str),
  startedAt: opt(Nat),
  endedAt: Nat,
  node: opt(id<NodeId>()),
  attempt: Nat,
  delivery: opt(Nat),
  fence: opt(Str),
  tail: opt(Str),
  outputs: opt(Type.Record(Str, Str)),
  logBytes: opt(Nat),
  /** Who cancelled it before it ran. */
  actor: opt(Str),
  /** A skip that counts as a failure for `when: failure` dependents. */
  byFailure: opt(Type.Boolean()),
  history: opt(Type.Array(HistoryRecord)),
});
export type ResultRecord = Static<typeof ResultRecord> & { readonly outcome: Outcome };

/** Which task holds a concurrency slot. Removed by whatever ends or moves the claim. */
export const LockRecord = Type.Object({ v: V, task: id<TaskId>(), nonce: Str });
export type LockRecord = Static<typeof LockRecord>;

export const IdempotencyRecord = Type.Object({ v: V, spec: id<SpecId>(), digest: Str, at: Nat });
export type IdempotencyRecord = Static<typeof IdempotencyRecord>;

export const HoldRecord = Type.Object({ v: V, revision: Str, why: Str });
export type HoldRecord = Static<typeof HoldRecord>;

/** What a node must remember of a plugin of its own beyond its daemon's life. */
export const PluginRecord = Type.Object({
  v: V,
  /** Crashes within the window that counts. */
  crashes: Type.Array(Type.Object({ id: Str, at: Nat })),
  /** It crashed too often and is left stopped until an operator restarts it. */
  unstable: opt(Type.Boolean()),
});
export type PluginRecord = Static<typeof PluginRecord>;

/** How far a hooks plugin of a node has acknowledged. */
export const HooksMarkRecord = Type.Object({ v: V, sequence: Nat });

/** A codec for one kind of record. `decode` throws `schema-unknown`, naming key and field. */
export interface Codec<T> {
  encode(record: T): string;
  decode(key: string, value: Uint8Array): T;
}

/** The codec of a schema whose `v` is {@link SCHEMA_VERSION}. `kind` is what messages call the record. */
export function codec<S extends TSchema>(kind: string, schema: S): Codec<Static<S>> {
  let validator: Validator | undefined;
  return {
    encode: (record) => JSON.stringify(record),
    decode(key, value) {
      let parsed: unknown;
      try {
        parsed = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8'));
      } catch (cause) {
        throw new BoiError('schema-unknown', `${key}: the ${kind} record is not JSON`, { cause, details: { key } });
      }
      validator ??= Compile(schema) as unknown as Validator;
      if (!validator.Check(parsed)) {
        const version = (parsed as { v?: unknown } | null)?.v;
        const first = validator.Errors(parsed)[0];
        const what =
          version === SCHEMA_VERSION
            ? `${first?.instancePath || '/'} ${first?.message ?? 'is malformed'}`
            : `version ${JSON.stringify(version)}, this node knows ${SCHEMA_VERSION}`;
        throw new BoiError('schema-unknown', `${key}: the ${kind} record is of an unknown shape: ${what}`, {
          details: { key },
        });
      }
      return parsed as Static<S>;
    },
  };
}

export const codecs = {
  cluster: codec('cluster', ClusterRecord),
  incarnation: codec('incarnation', IncarnationRecord),
  retention: codec('retention', RetentionRecord),
  project: codec('project', ProjectRecord),
  node: codec('node', NodeRecord),
  nodeconf: codec('node settings', NodeConfRecord),
  load: codec('load', LoadRecord),
  spec: codec('spec header', SpecHeader),
  coord: codec('coordinator', CoordRecord),
  blocked: codec('blocked task', BlockedRecord),
  entry: codec('queue entry', QueueEntry),
  result: codec('result', ResultRecord) as Codec<ResultRecord>,
  lock: codec('lock', LockRecord),
  idempotency: codec('idempotency', IdempotencyRecord),
  hold: codec('hold', HoldRecord),
  plugin: codec('plugin', PluginRecord),
  hooksMark: codec('mark of hooks', HooksMarkRecord),
} as const;

/** A decoded record with the revisions a compare needs. */
export interface Stored<T> {
  readonly key: string;
  readonly record: T;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
}

/** The fence of a claimed entry: the revision that claimed it, which a cancel mark keeps when it replaces it. */
export function fenceOf({ record, modRevision }: Pick<Stored<QueueEntry>, 'record' | 'modRevision'>): Revision {
  return (record.cancel?.fence as Revision | undefined) ?? modRevision;
}
