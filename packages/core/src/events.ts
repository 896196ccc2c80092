/**
 * The event catalogue: every kind of event there is, with its payload, in one table. Payloads hold ids, numbers and stable
 * codes, never names, output or secrets: names change, and events are kept. Hook plugins receive them, logs and the
 * audit trail carry them; the enum in the hooks contract is checked against this table.
 */
import { type EventId, type IdKind, type IdOf, isId, type NodeId, type ProjectId } from './ids.ts';

/** An id kind, a number ≥ 0, a short stable word, or a decimal 64-bit number. A trailing `?`: may be absent. */
type Plain = IdKind | 'count' | 'code' | 'decimal';
type Field = Plain | `${Plain}?`;

interface EventShape {
  readonly meaning: string;
  readonly fields: Readonly<Record<string, Field>>;
}

const claim = {
  task: 'task',
  spec: 'spec',
  executor: 'node',
  attempt: 'count',
  delivery: 'count',
  fence: 'decimal',
} as const;
const ended = { ...claim, outcome: 'code', exitCode: 'count?', reason: 'code?' } as const;

export const EVENTS = {
  'task.dispatched': {
    meaning: 'A task is in a queue, or waits for its needs.',
    fields: { task: 'task', spec: 'spec', queue: 'node?' },
  },
  'task.claimed': { meaning: 'A node claimed a task.', fields: claim },
  'task.started': { meaning: 'Its process runs.', fields: claim },
  'task.completed': { meaning: 'It succeeded and the result is committed.', fields: ended },
  'task.failed': { meaning: 'It failed, timed out or is poison, and the result is committed.', fields: ended },
  'task.retried': { meaning: 'An attempt failed and another follows.', fields: { ...ended, delayMs: 'count' } },
  'task.reassigned': {
    meaning: 'It went to another node.',
    fields: { task: 'task', spec: 'spec', from: 'node?', to: 'node?', why: 'code', attempt: 'count' },
  },
  'task.cancelled': {
    meaning: 'It was cancelled and has its result.',
    fields: { task: 'task', spec: 'spec', executor: 'node?' },
  },
  'task.superseded': {
    meaning: 'A result came after another node had taken the task over, and was dropped.',
    fields: { ...claim, reason: 'code' },
  },
  'spec.started': { meaning: 'A spec was accepted.', fields: { spec: 'spec', tasks: 'count' } },
  'spec.completed': {
    meaning: 'All its tasks ended, none failed.',
    fields: { spec: 'spec', outcome: 'code', tasks: 'count' },
  },
  'spec.failed': {
    meaning: 'All its tasks ended, at least one failed.',
    fields: { spec: 'spec', tasks: 'count', failed: 'count' },
  },
  'node.joined': { meaning: 'A node registered.', fields: { node: 'node', epoch: 'decimal' } },
  'node.drained': { meaning: 'A draining node has no work left.', fields: { node: 'node', requeued: 'count' } },
  'node.crashed': {
    meaning: 'The session of a node ended without its doing.',
    fields: { node: 'node', epoch: 'decimal', claimed: 'count' },
  },
  'node.degraded': { meaning: 'A node works, but not wholly.', fields: { node: 'node', reason: 'code' } },
  'node.recovered': { meaning: 'A degraded node is well again.', fields: { node: 'node' } },
  'provision.requested': {
    meaning: 'A provisioner was asked for a node.',
    fields: { request: 'provision', tasks: 'count' },
  },
  'provision.fulfilled': { meaning: 'The node asked for has joined.', fields: { request: 'provision', node: 'node' } },
  'provision.failed': { meaning: 'No node came.', fields: { request: 'provision', reason: 'code', failures: 'count' } },
  'provision.token_leak_suspected': {
    meaning: 'A join token was seen in the output of a plugin.',
    fields: { token: 'token', plugin: 'code' },
  },
  'plugin.crashed': {
    meaning: 'A plugin ended unasked and is started again.',
    fields: { plugin: 'code', exitCode: 'count?', crashes: 'count' },
  },
  'plugin.unstable': {
    meaning: 'A plugin crashed too often and is left stopped.',
    fields: { plugin: 'code', crashes: 'count' },
  },
  'cluster.ca_rotated': { meaning: 'A new certificate authority is in force.', fields: { step: 'code' } },
  'cluster.paused': { meaning: 'Claims stopped everywhere.', fields: { actor: 'user?' } },
  'cluster.resumed': { meaning: 'Claims go on.', fields: { actor: 'user?' } },
  'cluster.partition_detected': { meaning: 'This node cannot reach the store.', fields: { node: 'node' } },
  'cluster.partition_healed': {
    meaning: 'This node reaches the store again.',
    fields: { node: 'node', lastedMs: 'count' },
  },
  'checkpoint.exported': {
    meaning: 'A project was exported.',
    fields: { checkpoint: 'checkpoint', revision: 'decimal' },
  },
  'checkpoint.imported': { meaning: 'A project was imported.', fields: { checkpoint: 'checkpoint', specs: 'count' } },
  'dispatch.refused': { meaning: 'A spec was not accepted.', fields: { reason: 'code' } },
  'claim.fence_rejected': {
    meaning: 'A claim or commit was refused: somebody else has the task.',
    fields: { ...claim, step: 'code' },
  },
} as const satisfies Readonly<Record<string, EventShape>>;

export type EventKind = keyof typeof EVENTS;
export const EVENT_KINDS = Object.keys(EVENTS) as EventKind[];

type Value<P> = P extends IdKind ? IdOf<P> : P extends 'count' ? number : string;
type Fields<K extends EventKind> = (typeof EVENTS)[K]['fields'];
/** The payload of a kind, from its row in {@link EVENTS}. */
export type EventPayload<K extends EventKind> = {
  readonly [F in keyof Fields<K> as Fields<K>[F] extends `${string}?` ? never : F]: Value<Fields<K>[F]>;
} & {
  readonly [F in keyof Fields<K> as Fields<K>[F] extends `${string}?` ? F : never]?: Fields<K>[F] extends `${infer P}?`
    ? Value<P>
    : never;
};

/** An event as it is delivered. */
export interface BoiEvent<K extends EventKind = EventKind> {
  readonly id: EventId;
  readonly kind: K;
  /** Wall clock of the emitting node, milliseconds since the epoch. */
  readonly at: number;
  readonly emitter: NodeId;
  /** Absent for what belongs to no project. */
  readonly project?: ProjectId;
  /** Correlates what one request brought about. */
  readonly correlation?: string;
  /** Whether the transaction it tells of happened could not be settled (audit tier only). */
  readonly outcome?: 'unknown';
  readonly payload: EventPayload<K>;
}

/** What is wrong with a payload: fields missing, unknown, or of the wrong form. Empty if nothing. */
export function eventPayloadProblems(kind: EventKind, payload: Readonly<Record<string, unknown>>): string[] {
  const fields: Readonly<Record<string, Field>> = EVENTS[kind].fields;
  const problems = Object.keys(payload)
    .filter((name) => !Object.hasOwn(fields, name))
    .map((name) => `${kind} has no field ${name}`);
  for (const [name, field] of Object.entries(fields)) {
    const value = payload[name];
    const optional = field.endsWith('?');
    if (value === undefined ? !optional : !isOfForm(value, (optional ? field.slice(0, -1) : field) as Plain))
      problems.push(`${kind}.${name} must be ${optional ? 'absent or ' : ''}a ${field.replace('?', '')}`);
  }
  return problems;
}

function isOfForm(value: unknown, field: Plain): boolean {
  if (field === 'count') return typeof value === 'number' && Number.isFinite(value) && value >= 0;
  if (field === 'decimal') return typeof value === 'string' && /^\d{1,20}$/.test(value);
  if (field === 'code') return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value);
  return isId(value, field);
}

/** The catalogue as Markdown, for the documentation. */
export function eventsMarkdown(): string {
  const rows = Object.entries<EventShape>(EVENTS).map(([kind, { meaning, fields }]) => {
    const list = Object.entries(fields).map(
      ([name, field]) => `\`${name}\`${field.endsWith('?') ? ' (optional)' : ''}`,
    );
    return `| \`${kind}\` | ${meaning} | ${list.join(', ')} |`;
  });
  return ['| kind | meaning | payload |', '|---|---|---|', ...rows, ''].join('\n');
}
