/**
 * The seam between the cluster protocol and whatever executes tasks: `packages/worker` (real processes), the simulator
 * (virtual ones), the benchmark (none). The cluster hands over a claimed task and gets a report; it alone decides about
 * retries, fences and results.
 */
import type { Command, FailureReason, Outcome, TaskDefinition } from './definition.ts';
import type { NodeId, ProjectId, SpecId, TaskId } from './ids.ts';

export interface Assignment {
  readonly task: TaskId;
  readonly spec: SpecId;
  readonly project: ProjectId;
  readonly node: NodeId;
  readonly definition: TaskDefinition;
  /** From 1; grows with each retry. */
  readonly attempt: number;
  /** From 1; grows each time this attempt is claimed. Together with attempt it names the log file. */
  readonly delivery: number;
  /** The claim's fence, decimal. (task, fence) is the key of idempotence of a start. */
  readonly fence: string;
  /** The claim's nonce: what the entry carries as long as the claim is this node's. */
  readonly nonce?: string;
  /** Outputs of the tasks it needs, by their ref. */
  readonly inputs: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** How the tasks it needs ended, by their ref: for one whose `when` lets it run after failures. */
  readonly needs?: Readonly<Record<string, Outcome>>;
}

export interface TaskReport {
  readonly outcome: Exclude<Outcome, 'skipped' | 'poison'>;
  readonly reason?: FailureReason;
  /** For a person: which verify command, which output, what could not be started. */
  readonly message?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  /** Wall clock, milliseconds since the epoch. `startedAt` absent: no process was ever started. */
  readonly startedAt?: number;
  readonly endedAt: number;
  /** Last ≤ 2 KiB of output, sanitized and masked. */
  readonly tail: string;
  /** `key=value` lines the task wrote to `BOI_OUTPUT`, ≤ 4 KiB in all. */
  readonly outputs?: Readonly<Record<string, string>>;
  readonly logBytes: number;
}

export interface RunningTask {
  /** Settles exactly once, after the last descendant process is gone; never rejects. */
  readonly done: Promise<TaskReport>;
  /**
   * TERM, grace, KILL to the whole tree. A second call, or `force`, skips the grace. The report says `cancelled`.
   * `graceMs` overrides the task's own.
   */
  cancel(options?: { readonly force?: boolean; readonly graceMs?: number }): void;
}

export interface TaskRunner {
  /**
   * Starts at most one process tree per (task, fence): a second start with the same pair answers the same running task.
   * Never throws: what cannot be started ends with a report `failed`, reason `start-failed` or the like.
   */
  start(assignment: Assignment): RunningTask;
  /**
   * What runs here now, from this or an earlier life of the daemon. Of the latter the nonce tells whose claim it is, and what has
   * ended is there until it is forgotten.
   */
  list(): readonly {
    readonly task: TaskId;
    readonly fence: string;
    readonly nonce?: string;
    readonly running: RunningTask;
  }[];
  /** The claim is over, committed, given back or lost: what was kept of it for a later life of the daemon can go. */
  forget?(task: TaskId, fence: string): void;
  /**
   * Called with the session's deadline after each keep-alive (on `clock.mono()`), and with `undefined` when it is lost.
   * Exclusive tasks get TERM at `termAtMs` and KILL at `killAtMs` whatever their grace, also when the daemon itself hangs.
   */
  setDeadline(deadline: { readonly termAtMs: number; readonly killAtMs: number } | undefined): void;
}

export type { Command };
