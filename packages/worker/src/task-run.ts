/**
 * One task from claim to report, as an ordered list of small steps: secrets, workspace, log, `run`, each `verify`, outputs,
 * workspace given back (and pushed), report, cleanup. `run` and `verify` are processes of this host, or one run of a pool.
 *
 * States: waiting (an earlier life is still being reaped) → running → giving back → ended. A stop (cancel, timeout, lost
 * session, disk) may come in any of them; the first one decides the outcome, later ones can only hurry it. While a workspace
 * is given back what ran has its end already: only force, or the end of the grace, stops a push then. `done` settles once,
 * after the last process of the tree is gone, and never rejects.
 *
 * What a pool runs outlives the daemon, unless it is `exclusive`: its claim is kept on disk (pooled/kept-claim.ts), and the next life
 * of the daemon goes through the same steps, with what is behind them left out.
 */
import { type Assignment, type Clock, type RunningTask, specOf, type TaskReport, type Timer } from '@boi/core';
import type { Logger } from '@boi/system';
import type { Guard } from './guard/guard.ts';
import type { LogStore } from './logs/log-store.ts';
import { KeptClaim, markSecrets } from './pooled/kept-claim.ts';
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
import { adoptWorkspace, prepareWorkspace, type Workspace } from './steps/workspace.ts';
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
  /** Where claims are kept whose tasks a pool runs. */
  readonly keptDir: string;
}

/** What an earlier life of the daemon left running in a pool, or to be told. */
export interface ResumedRun {
  readonly kept: KeptClaim;
  /** Goes on at the kept place. */
  readonly output: TaskOutput;
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
  readonly #resumed: boolean;
  #kept: KeptClaim | undefined;
  /** The directory that a workspace plugin made. */
  #borrowed: { readonly path: string; readonly version: string } | undefined;
  /** Since when the timeout counts. */
  #from: number;
  /** Why what was resumed cannot be followed. */
  #lost: string | undefined;
  #left = false;

  constructor(assignment: Assignment, deps: TaskRunDeps, resumed?: ResumedRun) {
    this.assignment = assignment;
    this.#deps = deps;
    this.#resumed = resumed !== undefined;
    this.#kept = resumed?.kept;
    this.#from = resumed?.kept.facts.from ?? deps.clock.now();
    this.#startedAt = resumed && (resumed.kept.facts.startedAt ?? this.#from);
    this.#graceMs = assignment.definition.graceMs ?? deps.graceMs;
    const { task, attempt, delivery } = assignment;
    this.#output = resumed?.output ?? new TaskOutput(deps.logs, { spec: specOf(task), task, attempt, delivery });
    this.done = this.#run();
  }

  cancel(options: { readonly force?: boolean; readonly graceMs?: number } = {}): void {
    const again = this.#stop?.cause === 'cancelled';
    this.#end('cancelled', options.force === true || again ? 0 : (options.graceMs ?? this.#graceMs));
  }

  /** Lets what is kept go on for the next life of the daemon; what is not is cancelled. `done` settles at once. */
  leave(): void {
    if (this.#kept === undefined || this.#givingBack) {
      this.cancel({ force: true });
      return;
    }
    this.#left = true;
    this.#execution?.leave?.();
  }

  /** The claim is over. */
  forget(): void {
    void this.#kept?.forget();
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
      if (!this.#left) logger.error({ err: error, task: this.assignment.task }, 'a task could not be run');
      ending = this.#left
        ? { outcome: 'cancelled', reason: 'lost' }
        : failed('start-failed', `the node could not run it: ${(error as Error).message}`);
    }
    // What was never started has no output; its log says why.
    if (this.#startedAt === undefined && ending.message !== undefined) this.#output.note(`[boi] ${ending.message}`);
    const logBytes = await this.#output.close();
    await this.#kept?.close();
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
    if (this.#stop !== undefined && !this.#resumed) return this.#stopped(this.#stop.cause);
    let secrets: Readonly<Record<string, string>> = {};
    try {
      secrets = await this.#deps.secrets.resolve(this.assignment.definition.secrets ?? []);
    } catch (error) {
      if (!this.#resumed) return failed('secret-missing', (error as Error).message);
    }
    if (this.#resumed) this.#checkSecrets(secrets);
    this.#output.hide(Object.values(secrets));
    // One that is resumed may have ended in time.
    if (!this.#resumed) this.#armTimeout();
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
    const known = this.#kept?.facts.workspace;
    const prepared = known === undefined ? await borrowed.prepare() : borrowed.adopt(known);
    if (prepared === undefined) return this.#stopped(this.#stop?.cause ?? 'cancelled');
    if ('outcome' in prepared) return prepared;
    this.#borrowed = { path: prepared.path, version: prepared.version };
    const ending = await this.#inDirectory(workRoot, prepared.path, prepared.env, secrets).catch((error: Error) => {
      if (this.#left) throw error;
      return failed('start-failed', `the node could not run it: ${error.message}`);
    });
    if (this.#kept?.facts.givenBack === true) return ending;
    this.#givingBack = true;
    this.#timeout?.cancel();
    this.#timeout = undefined;
    const given = await borrowed.giveBack(ending);
    // Stopped by force while it was pushed: whether it was, nobody knows.
    const forced = given.reason === 'push-failed' && this.#stop !== undefined && this.#aborting.signal.aborted;
    const final = forced && this.#stop !== undefined ? this.#stopped(this.#stop.cause) : given;
    await this.#kept?.set({ ending: this.#masked(final), givenBack: true });
    return final;
  }

  async #inDirectory(
    workRoot: string,
    dir: string | undefined,
    workspaceEnv: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Ending> {
    const { user, pool } = this.#deps;
    const prepared = this.#resumed
      ? { workspace: adoptWorkspace(workRoot, this.assignment, dir) }
      : await prepareWorkspace(workRoot, this.assignment, { dir, user, apart: pool !== undefined });
    if ('reason' in prepared) return failed(prepared.reason, prepared.message);
    const { workspace } = prepared;
    try {
      const ending = this.#kept?.facts.ending ?? (await this.#inWorkspace(workspace, workspaceEnv, secrets));
      await this.#kept?.set({ ending: this.#masked(ending) });
      return ending;
    } finally {
      if (!this.#left) await this.#remove(workspace);
    }
  }

  async #remove(workspace: Workspace): Promise<void> {
    const problem = await workspace.remove();
    if (problem !== undefined) {
      this.#deps.logger.warn({ task: this.assignment.task, err: problem }, 'the work directory could not be removed');
    }
  }

  async #inWorkspace(
    workspace: Workspace,
    workspaceEnv: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Ending> {
    const deps = this.#deps;
    const { definition } = this.assignment;
    const env = this.#resumed ? {} : await this.#environment(workspace, workspaceEnv, secrets);
    if (this.#stop !== undefined && !this.#resumed) return this.#stopped(this.#stop.cause);
    const ending = await this.#execute(workspace, env, secrets);
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

  async #environment(
    workspace: Workspace,
    workspaceEnv: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, string>>> {
    const { assignment } = this;
    const deps = this.#deps;
    const needsPath = assignment.needs === undefined ? undefined : workspace.beside('needs.json');
    if (needsPath !== undefined) {
      workspace.made.push(needsPath);
      await writeNeeds(needsPath, assignment);
    }
    return taskEnvironment({
      assignment,
      allowedEnv: deps.allowedEnv,
      allowed: deps.envAllowed,
      secrets,
      outputPath: workspace.outputPath,
      workspaceEnv,
      needsPath,
    });
  }

  /** Undefined: all commands exited 0. */
  async #execute(
    workspace: Workspace,
    env: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Ending | undefined> {
    const { run, verify = [] } = this.assignment.definition;
    if (!this.#resumed) {
      this.#kept = await this.#keep(secrets);
      if (this.#stop !== undefined) return this.#stopped(this.#stop.cause);
    }
    const execution = this.#executionOf();
    this.#execution = execution;
    const running = execution.run([run, ...verify], workspace, env);
    // Of what runs already a stop may have come before.
    if (this.#stop !== undefined) execution.stop(this.#stop.graceMs);
    if (this.#left) execution.leave?.();
    const { ending, exit } = await running;
    this.#execution = undefined;
    if (this.#stop === undefined) return ending;
    return { ...this.#stopped(this.#stop.cause), ...(exit === undefined ? {} : exitOf(exit)) };
  }

  /** Undefined: it ends with this life of the daemon. A pool cannot be kept from running an exclusive task on beyond the session. */
  async #keep(secrets: Readonly<Record<string, string>>): Promise<KeptClaim | undefined> {
    const { pool, keptDir, logger } = this.#deps;
    const { definition, task, needs: _needs, ...claim } = this.assignment;
    const plugin = pool?.plugin(definition.pool);
    if (plugin === undefined || definition.exclusive === true) return undefined;
    const logBytes = await this.#output.settled();
    if (logBytes === undefined) return undefined;
    const facts = {
      assignment: { ...claim, task, definition, inputs: {} },
      plugin,
      from: this.#from,
      secrets: markSecrets(secrets),
      ...(this.#borrowed === undefined ? {} : { workspace: this.#borrowed }),
    };
    return KeptClaim.create(keptDir, facts, { taken: 0, logBytes }, (err, file) =>
      logger.warn({ task, file, err }, 'the claim of a pooled task cannot be kept for another life of this daemon'),
    );
  }

  /** Output that cannot be masked is not read. */
  #checkSecrets(secrets: Readonly<Record<string, string>>): void {
    const mark = this.#kept?.facts.secrets;
    if (mark === undefined || markSecrets(secrets, mark.salt).digest === mark.digest) return;
    this.#lost = 'a secret of it has changed while the daemon was away, so its output could not be masked any more';
  }

  #executionOf(): Execution {
    const { clock, table, guard, user, pool } = this.#deps;
    const onStart = () => {
      if (this.#resumed) this.#armTimeout();
      if (this.#startedAt !== undefined) return;
      this.#startedAt = clock.now();
      void this.#kept?.set({ startedAt: this.#startedAt });
    };
    const deps = { assignment: this.assignment, clock, output: this.#output, onStart };
    if (pool === undefined) return new OnHost({ ...deps, table, guard, user, graceMs: this.#graceMs });
    const resumed = this.#resumed ? { lost: this.#lost } : undefined;
    return new InPool({ ...deps, pool, kept: this.#kept, resumed });
  }

  #armTimeout(): void {
    const { timeoutMs } = this.assignment.definition;
    if (timeoutMs === undefined || this.#timeout !== undefined) return;
    const { clock } = this.#deps;
    if (!this.#resumed) this.#from = clock.now();
    // A wall clock that was set back meanwhile gives it no more than its whole time.
    const leftMs = Math.min(timeoutMs, Math.max(0, timeoutMs - (clock.now() - this.#from)));
    this.#timeout = clock.timer(leftMs, () => {
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

  #masked(ending: Ending): Ending {
    return ending.message === undefined ? ending : { ...ending, message: this.#output.mask(ending.message) };
  }

  #maskOutputs(outputs: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(Object.entries(outputs).map(([key, value]) => [key, this.#output.mask(value)]));
  }

  #stopped(cause: StopCause): Ending {
    return stopped(cause, this.assignment.definition, this.#output.error);
  }
}
