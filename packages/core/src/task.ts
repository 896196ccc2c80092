/**
 * The life of a task as people see it: one table of states and of the events that lead from one to the next. Documentation
 * is derived from it, tests and the simulation check every observed step against it. What a state is made of in the store
 * (a blocked record, a queue entry with or without a claim, a result) is the cluster package's business.
 */
import type { TaskState } from './api.ts';

export type TaskEvent =
  | 'dispatched'
  | 'dispatched-blocked'
  | 'released'
  | 'skipped'
  | 're-blocked'
  | 'held'
  | 'due'
  | 'moved'
  | 'claimed'
  | 'handed-back'
  | 'taken-over'
  | 'stranded'
  | 'retried'
  | 'succeeded'
  | 'failed'
  | 'timed-out'
  | 'cancelled'
  | 'poisoned'
  | 'retried-by-hand';

interface Transition {
  /** `new`: before the task has a record. */
  readonly from: readonly (TaskState | 'new')[];
  readonly to: TaskState;
  /** What happened, for the documentation. */
  readonly meaning: string;
}

const OPEN = ['blocked', 'queued', 'waiting', 'running'] as const;

/** A claim lives in `running`; in `waiting` too, if its node is dead and no other can take over: a late commit still counts. */
const CLAIMED = ['running', 'waiting'] as const;

export const TASK_TRANSITIONS = {
  dispatched: {
    from: ['new'],
    to: 'queued',
    meaning: 'The spec was dispatched; the task needs no other and is in a queue.',
  },
  'dispatched-blocked': {
    from: ['new'],
    to: 'blocked',
    meaning: 'The spec was dispatched; the task waits for its needs.',
  },
  released: { from: ['blocked'], to: 'queued', meaning: 'Its needs ended as `when` asks.' },
  skipped: { from: ['blocked'], to: 'skipped', meaning: 'Its needs ended otherwise than `when` asks.' },
  're-blocked': { from: ['skipped'], to: 'blocked', meaning: 'The task whose failure had it skipped is tried again.' },
  held: {
    from: ['queued'],
    to: 'waiting',
    meaning:
      'It may not start yet: its time has not come, its key is taken, dispatch is paused, or no node can run it.',
  },
  due: { from: ['waiting'], to: 'queued', meaning: 'What held it is gone.' },
  moved: {
    from: ['queued', 'waiting'],
    to: 'queued',
    meaning: 'Its entry went to another node: adopted, stolen, rebalanced, drained, placed.',
  },
  claimed: { from: ['queued', 'waiting'], to: 'running', meaning: 'A node claimed it and starts it.' },
  'handed-back': {
    from: ['running'],
    to: 'queued',
    meaning: 'A draining node gave it back; it does not count as lost.',
  },
  'taken-over': {
    from: CLAIMED,
    to: 'queued',
    meaning: 'Its node is gone; another has the entry. Counts as a lost delivery.',
  },
  stranded: {
    from: ['running'],
    to: 'waiting',
    meaning: 'Its node is gone and no other can run it; a late commit still counts.',
  },
  retried: { from: CLAIMED, to: 'waiting', meaning: 'The attempt failed; the next starts after its backoff.' },
  succeeded: {
    from: CLAIMED,
    to: 'succeeded',
    meaning: 'Its command and all gates exited 0, and the result was committed.',
  },
  failed: { from: CLAIMED, to: 'failed', meaning: 'The last attempt failed.' },
  'timed-out': { from: CLAIMED, to: 'timed-out', meaning: 'The last attempt ran longer than `timeout`.' },
  cancelled: { from: OPEN, to: 'cancelled', meaning: 'It was cancelled by a person or by the failure policy.' },
  poisoned: { from: CLAIMED, to: 'poison', meaning: 'Three nodes in a row were lost while they ran it.' },
  'retried-by-hand': {
    from: ['failed', 'timed-out', 'cancelled', 'poison'],
    to: 'queued',
    meaning: '`task retry`, while the spec is active.',
  },
} as const satisfies Readonly<Record<TaskEvent, Transition>>;

/** States that are not final. */
export const OPEN_TASK_STATES: readonly TaskState[] = OPEN;

export function isFinalTaskState(state: TaskState): boolean {
  return !OPEN_TASK_STATES.includes(state);
}

/** The state after `event`, or undefined if the event cannot happen in `state`. */
export function transition(state: TaskState | 'new', event: TaskEvent): TaskState | undefined {
  const { from, to }: Transition = TASK_TRANSITIONS[event];
  return from.includes(state) ? to : undefined;
}

/** The table as Markdown, for the documentation. */
export function taskTransitionsMarkdown(): string {
  const rows = Object.entries<Transition>(TASK_TRANSITIONS).map(
    ([event, { from, to, meaning }]) => `| ${event} | ${from.join(', ')} | ${to} | ${meaning} |`,
  );
  return ['| event | from | to | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}
