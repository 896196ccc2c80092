/** Runs the commands of a task as process trees of this host, one after the other. */
import type { Command } from '@boi/core';
import type { Guard } from '../guard/guard.ts';
import type { TreeRoot } from '../processes/process-scan.ts';
import type { ProcessTable } from '../processes/process-table.ts';
import { ProcessTree } from '../processes/process-tree.ts';
import { failed, failedCommand, stepMessage } from './ending.ts';
import type { Executed, Execution, ExecutionDeps } from './execution.ts';
import { runCommand } from './process.ts';
import type { TaskUser } from './task-user.ts';
import type { Workspace } from './workspace.ts';

export interface OnHostDeps extends ExecutionDeps {
  readonly table: ProcessTable;
  readonly guard: Guard;
  readonly user: TaskUser | undefined;
  /** For descendants that outlive a command. */
  readonly graceMs: number;
}

export class OnHost implements Execution {
  readonly #deps: OnHostDeps;
  #tree: ProcessTree | undefined;
  /** Set by a stop; it may come while a program is being started. */
  #stopGraceMs: number | undefined;

  constructor(deps: OnHostDeps) {
    this.#deps = deps;
  }

  stop(graceMs: number): void {
    this.#stopGraceMs = Math.min(graceMs, this.#stopGraceMs ?? graceMs);
    this.#tree?.stop(graceMs);
  }

  async run(
    commands: readonly Command[],
    workspace: Workspace,
    env: Readonly<Record<string, string>>,
  ): Promise<Executed> {
    let executed: Executed = {};
    for (const [step, command] of commands.entries()) {
      if (this.#stopGraceMs !== undefined) break;
      executed = await this.#command(command, step, workspace, env);
      if (executed.ending !== undefined) break;
    }
    return executed;
  }

  async #command(
    command: Command,
    step: number,
    { dir, foreign }: Workspace,
    env: Readonly<Record<string, string>>,
  ): Promise<Executed> {
    const { assignment, clock, table, guard, user, output, onStart, graceMs } = this.#deps;
    const { task, fence, definition } = assignment;
    let root: TreeRoot | undefined;
    const result = await runCommand({
      command,
      cwd: dir,
      ...(foreign === true ? { foreign } : {}),
      env,
      ...(user === undefined ? {} : { user }),
      task,
      fence,
      clock,
      onStart: (started) => {
        root = started;
        this.#tree = new ProcessTree(started, { clock, table, graceMs });
        guard.started(started, definition.exclusive === true);
        onStart();
        if (this.#stopGraceMs !== undefined) this.#tree.stop(this.#stopGraceMs);
      },
      onOutput: (stream, bytes) => output.write(stream, bytes),
      settle: async () => this.#tree?.settle(),
    });
    this.#tree = undefined;
    if (root !== undefined) guard.ended(root);
    output.flush();
    if ('startError' in result) return { ending: failed('start-failed', stepMessage(step, result.startError)) };
    if (result.heldOpen)
      output.note('[boi] a process outside the task still holds its output open; it is not waited for');
    if (result.exitCode === 0) return { exit: result };
    return { ending: failedCommand(result, step, command), exit: result };
  }
}
