/**
 * One task from claim to report, as an ordered list of small steps: secrets, workspace, log, `run`, each `verify`, outputs,
 * workspace given back (and pushed), report, cleanup. `run` and `verify` are processes of this host, or one run of a pool.
 *
 * States: waiting (an earlier life is still being reaped) → running → giving back → ended. A stop (cancel, timeout, lost
 * session, disk) may come in any of them; the first one decides the outcome, later ones can only hurry it. While a workspace
 * is given back what ran has its end already: only force, or the end of the grace, stops a push then. `done` settles once,
 * after the last process of the tree is gone, and never rejects.
 */
import { type Assignment, type Clock, type RunningTask, specOf, type TaskReport, type Timer } from '@boi/core';
import type { Logger } from '@boi/system';
import type { Guard } from './guard/guard.ts';
import type { LogStore } from './logs/log-store.ts';
import type { TaskPool, WorkspaceProvider } from './ports.ts';
import type { ProcessTable } from './processes/process-table.ts';
import type { Secrets } from './secrets.ts';
import { BorrowedWorkspace } from './steps/borrowed-workspace.ts';
import { type Ending, exitOf, failed, type StopCause, stopped } from './steps/ending.ts';
import { taskEnvironment } from './steps/environment.ts';
import type { Execution } from './steps/execution.ts';
import { InPool } from './steps/in-pool.ts';
import { writeNeeds } from './steps/needs-file.ts';
import { OnHost } from './steps/on-host.ts';
import { readOutputs } from './steps/outputs.ts';
import type { TaskUser } from './steps/task-user.ts';
import { prepareWorkspace, type Workspace } from './steps/workspace.ts';
import { TaskOutput } from './task-output.ts';

export interface TaskRunDeps {
  /** Resolves to the real path of the directory of all work directories once nothing of an earlier life runs. */
  readonly ready: Promise<string>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logs: LogStore;
  readonly table: ProcessTable;
  readonly guard: Guard;
  readonly secrets: Secrets;
  readonly user: TaskUser | undefined;
  readonly allowedEnv: Readonly<Record<string, string>>;
  readonly envAllowed: readonly string[];
  /** Between TERM and KILL unless the task says otherwise. */
  readonly graceMs: number;
  readonly outputBytesMax: number;
  readonly workspaces: WorkspaceProvider | undefined;
  /** Runs the commands in this host's stead. */
  readonly pool: TaskPool | undefined;
}

export class TaskRun implements RunningTask {
  readonly assignment: Assignment;
  readonly done: Promise<TaskReport>;
  readonly #deps: TaskRunDeps;
  readonly #graceMs: number;
  readonly #output: TaskOutput;
  #execution: Execution | undefined;
  /** Of what runs; while a workspace is given back, of a grace. */
  #timeout: Timer | undefined;
  /** Aborted by a stop; while a workspace is given back, by force only. */
  readonly #aborting = new AbortController();
  #givingBack = false;
  #stop: { readonly cause: StopCause; graceMs: number } | undefined;
  #startedAt: number | undefined;

  constructor(assignment: Assignment, deps: TaskRunDeps) {
    this.assignment = assignment;
    this.#deps = deps;
    this.#graceMs = assignment.definition.graceMs ?? deps.graceMs;
    const { task, attempt, delivery } = assignment;
    this.#output = new TaskOutput(deps.logs, { spec: specOf(task), task, attempt, delivery });
    this.done = this.#run();
  }

  cancel(options: { readonly force?: boolean; readonly graceMs?: number } = {}): void {
    const again = this.#stop?.cause === 'cancelled';
    this.#end('cancelled', options.force === true || again ? 0 : (options.graceMs ?? this.#graceMs));
  }

  /** The session is being lost: an exclusive task ends now, with TERM or with KILL. */
  endForLostSession(force: boolean, graceMs: number): void {
    this.#end('lost', force ? 0 : graceMs);
  }

  #end(cause: StopCause, graceMs: number): void {
    if (this.#stop === undefined) this.#stop = { cause, graceMs };
    else this.#stop.graceMs = Math.min(this.#stop.graceMs, graceMs);
    this.#execution?.stop(graceMs);
    const abort = () => this.#aborting.abort(new Error(`the task was stopped: ${cause}`));
    if (!this.#givingBack || graceMs <= 0) abort();
    else this.#timeout ??= this.#deps.clock.timer(graceMs, abort);
  }

  async #run(): Promise<TaskReport> {
    const { logger } = this.#deps;
    let ending: Ending;
    try {
      ending = await this.#steps();
    } catch (error) {
      logger.error({ err: error, task: this.assignment.task }, 'a task could not be run');
      ending = failed('start-failed', `the node could not run it: ${(error as Error).message}`);
    }
    // What was never started has no output; its log says why.
    if (this.#startedAt === undefined && ending.message !== undefined) this.#output.note(`[boi] ${ending.message}`);
    const logBytes = await this.#output.close();
    if (this.#output.error !== undefined && ending.reason !== 'disk') ending = this.#stopped('disk');
    const message = ending.message === undefined ? {} : { message: this.#output.mask(ending.message) };
    return {
      ...ending,
      ...message,
      ...(this.#startedAt === undefined ? {} : { startedAt: this.#startedAt }),
      endedAt: this.#deps.clock.now(),
      tail: this.#output.tail,
      logBytes,
    };
  }

  async #steps(): Promise<Ending> {
    this.#watchDisk();
    const workRoot = await this.#deps.ready;
    if (this.#stop !== undefined) return this.#stopped(this.#stop.cause);
    const { definition } = this.assignment;
    let secrets: Readonly<Record<string, string>>;
    try {
      secrets = await this.#deps.secrets.resolve(definition.secrets ?? []);
    } catch (error) {
      return failed('secret-missing', (error as Error).message);
    }
    this.#output.hide(Object.values(secrets));
    this.#timeout = this.#armTimeout();
    try {
      return await this.#withWorkspace(workRoot, secrets);
    } finally {
      this.#timeout?.cancel();
    }
  }

  async #withWorkspace(workRoot: string, secrets: Readonly<Record<string, string>>): Promise<Ending> {
    const { assignment } = this;
    const { workspace: request, workdir } = assignment.definition;
    if (request === undefined) return this.#inDirectory(workRoot, workdir, {}, secrets);
    const { workspaces: provider, logger } = this.#deps;
    const borrowed = new BorrowedWorkspace({
      provider,
      assignment,
      request,
      signal: this.#aborting.signal,
      note: (line) => this.#output.note(line),
      onProblem: (err) => logger.warn({ task: assignment.task, err }, 'the workspace of a task could not be removed'),
    });
    const prepared = await borrowed.prepare();
    if (prepared === undefined) return this.#stopped(this.#stop?.cause ?? 'cancelled');
    if ('outcome' in prepared) return prepared;
    const ending = await this.#inDirectory(workRoot, prepared.path, prepared.env, secrets).catch((error: Error) =>
      failed('start-failed', `the node could not run it: ${error.message}`),
    );
    this.#givingBack = true;
    this.#timeout?.cancel();
    this.#timeout = undefined;
    const given = await borrowed.giveBack(ending);
    // Stopped by force while it was pushed: whether it was, nobody knows.
    if (given.reason === 'push-failed' && this.#stop !== undefined && this.#aborting.signal.aborted)
      return this.#stopped(this.#stop.cause);
    return given;
  }

  async #inDirectory(
    workRoot: string,
    dir: string | undefined,
    workspaceEnv: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Ending> {
    const { user, pool, logger } = this.#deps;
    const prepared = await prepareWorkspace(workRoot, this.assignment, { dir, user, apart: pool !== undefined });
    if ('reason' in prepared) return failed(prepared.reason, prepared.message);
    const { workspace } = prepared;
    try {
      return await this.#inWorkspace(workspace, workspaceEnv, secrets);
    } finally {
      const problem = await workspace.remove();
      if (problem !== undefined) {
        logger.warn({ task: this.assignment.task, err: problem }, 'the work directory could not be removed');
      }
    }
  }

  async #inWorkspace(
    workspace: Workspace,
    workspaceEnv: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Ending> {
    const { assignment } = this;
    const deps = this.#deps;
    const { definition } = assignment;
    const needsPath = assignment.needs === undefined ? undefined : workspace.beside('needs.json');
    if (needsPath !== undefined) {
      workspace.made.push(needsPath);
      await writeNeeds(needsPath, assignment);
    }
    const env = taskEnvironment({
      assignment,
      allowedEnv: deps.allowedEnv,
      allowed: deps.envAllowed,
      secrets,
      outputPath: workspace.outputPath,
      workspaceEnv,
      needsPath,
    });
    if (this.#stop !== undefined) return this.#stopped(this.#stop.cause);
    const ending = await this.#execute(workspace, env);
    if (ending !== undefined) return ending;
    const result = await readOutputs(
      workspace.outputPath,
      definition.outputs ?? [],
      deps.outputBytesMax,
      deps.user?.uid,
    );
    if ('reason' in result) return failed(result.reason, result.message);
    return {
      outcome: 'succeeded',
      exitCode: 0,
      ...(result.outputs === undefined ? {} : { outputs: this.#maskOutputs(result.outputs) }),
    };
  }

  /** Undefined: all commands exited 0. */
  async #execute(workspace: Workspace, env: Readonly<Record<string, string>>): Promise<Ending | undefined> {
    const { run, verify = [] } = this.assignment.definition;
    this.#execution = this.#executionOf();
    const { ending, exit } = await this.#execution.run([run, ...verify], workspace, env);
    this.#execution = undefined;
    if (this.#stop === undefined) return ending;
    return { ...this.#stopped(this.#stop.cause), ...(exit === undefined ? {} : exitOf(exit)) };
  }

  #executionOf(): Execution {
    const { clock, table, guard, user, pool } = this.#deps;
    const onStart = () => {
      this.#startedAt ??= clock.now();
    };
    const deps = { assignment: this.assignment, clock, output: this.#output, onStart };
    return pool === undefined
      ? new OnHost({ ...deps, table, guard, user, graceMs: this.#graceMs })
      : new InPool({ ...deps, pool });
  }

  #armTimeout(): Timer | undefined {
    const { timeoutMs } = this.assignment.definition;
    if (timeoutMs === undefined) return undefined;
    return this.#deps.clock.timer(timeoutMs, () => {
      this.#output.note(`[boi] timeout after ${timeoutMs} ms`);
      this.#end('timeout', this.#graceMs);
    });
  }

  #watchDisk(): void {
    void this.#output.failed.then((error) => {
      this.#deps.logger.error({ task: this.assignment.task, err: error }, 'the log of a task cannot be written');
      this.#end('disk', 0);
    });
  }

  #maskOutputs(outputs: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(Object.entries(outputs).map(([key, value]) => [key, this.#output.mask(value)]));
  }

  #stopped(cause: StopCause): Ending {
    return stopped(cause, this.assignment.definition, this.#output.error);
  }
}
