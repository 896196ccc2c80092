/**
 * How the commands of a task are run, `run` first and then each `verify`: by this host (on-host.ts) or by a pool (in-pool.ts). Both tell
 * how it went by the commands alone; why they were stopped, if they were, is the task's to say.
 */
import type { Assignment, Clock, Command } from '@boi/core';
import type { Exit } from '../spawn/spawned.ts';
import type { TaskOutput } from '../task-output.ts';
import type { Ending } from './ending.ts';
import type { Workspace } from './workspace.ts';

export interface ExecutionDeps {
  readonly assignment: Assignment;
  readonly clock: Clock;
  readonly output: TaskOutput;
  /** Something runs now, for the first time or again. */
  readonly onStart: () => void;
}

export interface Executed {
  /** Of the command that did not exit 0, or could not be started. Absent: all exited 0, or a stop came between two. */
  readonly ending?: Ending;
  /** Of the last command that ran. */
  readonly exit?: Exit;
}

export interface Execution {
  /** Once. Resolves when nothing of it runs any more. */
  run(commands: readonly Command[], workspace: Workspace, env: Readonly<Record<string, string>>): Promise<Executed>;
  /** TERM, KILL after `graceMs`; nothing further is started. A later call can only shorten the wait. */
  stop(graceMs: number): void;
  /** What can go on without this daemon is left to its next life; `run` rejects then. */
  leave?(): void;
}
