/**
 * Runs claimed tasks as processes of this host: {@link TaskRunner} for the cluster's protocol. Holds what tasks share (the
 * process table, the guard, logs, secrets) and which tasks run; a task's own life is task-run.ts.
 *
 * Invariant: at most one process tree per (task, fence). A second start answers the first's running task, also for a while
 * after it ended, since a claim may be handed over twice.
 *
 * What a pool runs is taken up again by the next life of a daemon that was killed: listed from the start, as the rest is not.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Assignment,
  type Clock,
  type RunningTask,
  specOf,
  type TaskId,
  type TaskRunner,
  type Timer,
} from '@boi/core';
import type { Logger } from '@boi/system';
import { Guard, type SessionDeadline } from './guard/guard.ts';
import { LogStore } from './logs/log-store.ts';
import { KeptClaim } from './pooled/kept-claim.ts';
import type { TaskPool, WorkspaceProvider } from './ports.ts';
import { treeKey } from './processes/process-scan.ts';
import { ProcessTable } from './processes/process-table.ts';
import { type ReapedLeftovers, reapLeftovers } from './reap-leftovers.ts';
import { Secrets } from './secrets.ts';
import { keepDescriptors } from './spawn/keep-descriptors.ts';
import { spawnProblem } from './spawn/spawn.ts';
import { allowedEnvironment, ENV_ALLOWED } from './steps/environment.ts';
import { OUTPUT_BYTES_MAX } from './steps/outputs.ts';
import type { TaskUser } from './steps/task-user.ts';
import { workRoot, workspaceName } from './steps/workspace.ts';
import { TaskOutput } from './task-output.ts';
import { type ResumedRun, TaskRun, type TaskRunDeps } from './task-run.ts';

const GRACE_MS = 10_000;
/** Ended tasks that are remembered, by their report of a few KiB. */
const ENDED_MAX = 1_024;

export interface ProcessRunnerOptions {
  /** Locked by this daemon. Logs go to `<dataDir>/logs`. */
  readonly dataDir: string;
  /** Of the work directories of tasks. Default `<dataDir>/work`. */
  readonly workDir?: string;
  /** Whom tasks run as; the daemon is root then, and `workDir` a place that this user can reach. Default: the daemon's user. */
  readonly user?: TaskUser;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Environment of the daemon, of which tasks see only what is allowed. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Names (or prefixes with `*`) that tasks may see. Default {@link ENV_ALLOWED}. */
  readonly envAllowed?: readonly string[];
  /** JSON file of secrets, mode 0600. Default: environment only. */
  readonly secretsFile?: string;
  /** Cap of one task's log. Default 1 GiB. */
  readonly logBytesMax?: number;
  /** Between TERM and KILL unless the task says otherwise. Default 10 s. */
  readonly graceMs?: number;
  /** Of what a task writes to `BOI_OUTPUT`. Default 4 KiB. */
  readonly outputBytesMax?: number;
  /** Makes the workspaces that tasks ask for. Default: none, and a task that asks for one fails. */
  readonly workspaces?: WorkspaceProvider;
  /** Runs all tasks in this host's stead. Default: they are processes of this host. */
  readonly pool?: TaskPool;
  /** Default: the built one of this package. */
  readonly guardProgram?: string;
}

export class ProcessRunner implements TaskRunner {
  readonly logs: LogStore;
  readonly #options: ProcessRunnerOptions;
  readonly #table: ProcessTable;
  readonly #guard: Guard;
  readonly #secrets: Secrets;
  readonly #keptDir: string;
  readonly #allowedEnv: Readonly<Record<string, string>>;
  readonly #running = new Map<string, TaskRun>();
  readonly #ended = new Map<string, TaskRun>();
  /** Taken up, until their claims are over: one that has ended before the node is a member is still to be told. */
  readonly #resumed = new Map<string, TaskRun>();
  #ready: Promise<string> | undefined;
  #deadlineTimers: Timer[] = [];
  #deadline: SessionDeadline | undefined;

  constructor(options: ProcessRunnerOptions) {
    const { clock, logger, dataDir, env = process.env, secretsFile, logBytesMax, guardProgram } = options;
    this.#options = options;
    this.#allowedEnv = {
      ...allowedEnvironment(env, options.envAllowed ?? ENV_ALLOWED),
      ...(options.user === undefined ? {} : loginOf(options.user)),
    };
    this.#table = new ProcessTable(clock);
    this.#secrets = new Secrets({ env, ...(secretsFile === undefined ? {} : { file: secretsFile }) });
    this.logs = new LogStore({ dataDir, clock, ...(logBytesMax === undefined ? {} : { bytesMax: logBytesMax }) });
    this.#keptDir = join(dataDir, 'pooled');
    this.#guard = new Guard({
      clock,
      logger,
      keptDir: this.#keptDir,
      workDir: options.workDir ?? workRoot(dataDir),
      ...(guardProgram === undefined ? {} : { program: guardProgram }),
    });
  }

  /**
   * Takes up what an earlier life left in pools, ends what else it left running, then starts the guard. Called by the first `start` too, whose task waits for
   * it; called before, its failure (a data directory that cannot be used) is seen at once.
   */
  async open(): Promise<void> {
    this.#ready ??= this.#open();
    await this.#ready;
  }

  async #open(): Promise<string> {
    const { clock, logger, user } = this.#options;
    await mkdir(this.#options.dataDir, { recursive: true, mode: 0o700 });
    const workDir = this.#options.workDir ?? workRoot(await realpath(this.#options.dataDir));
    const resumed = await this.#resumable();
    const assignments = resumed.map(({ kept }) => kept.facts.assignment);
    const spared = {
      keys: new Set(assignments.map(({ task, fence }) => treeKey(task, fence))),
      names: new Set(assignments.map((one) => workspaceName(one))),
    };
    const reaped: ReapedLeftovers = await reapLeftovers({ root: workDir, table: this.#table, clock, user, spared });
    if (reaped.processes > 0) logger.warn(reaped, 'killed tasks that an earlier life of this daemon left running');
    const descriptors = await keepDescriptors();
    if (descriptors.length > 0) logger.warn({ descriptors }, 'tasks inherit descriptors this daemon was started with');
    const err = await spawnProblem();
    if (err !== undefined) logger.warn({ err }, 'tasks start slower here: the C library cannot be called');
    const root = await realpath(workDir);
    for (const one of resumed) this.#resume(one, root);
    this.#guard.start();
    return root;
  }

  /** What a pool of this daemon may still run. Of the rest nothing is kept: to the cluster those claims are lost. */
  async #resumable(): Promise<ResumedRun[]> {
    const { pool, logger } = this.#options;
    const found = await KeptClaim.readAll(this.#keptDir, (err, file) =>
      logger.warn({ file, err }, 'a claim that an earlier life of this daemon kept is not taken up'),
    );
    const resumed: ResumedRun[] = [];
    for (const kept of found) {
      const { plugin, assignment } = kept.facts;
      const { task, attempt, delivery } = assignment;
      const place = { spec: specOf(task), task, attempt, delivery };
      try {
        if (pool?.plugin({ plugin }) === undefined) throw new Error(`this node has no pool plugin ${plugin} any more`);
        resumed.push({ kept, output: await TaskOutput.resume(this.logs, place, kept.place.logBytes) });
      } catch (err) {
        logger.warn({ task, err }, 'what a pool runs is not taken up');
        await kept.forget();
      }
    }
    return resumed;
  }

  #resume(resumed: ResumedRun, root: string): void {
    const { pool, workspaces, logger } = this.#options;
    const { plugin, assignment } = resumed.kept.facts;
    const { task, fence, definition } = assignment;
    pool?.spare({ task, fence, plugin });
    const { workspace } = definition;
    if (workspace !== undefined)
      workspaces?.spare({ task, fence, ...(workspace.plugin === undefined ? {} : { plugin: workspace.plugin }) });
    logger.info({ task, fence, offset: resumed.kept.place.taken }, 'a task that an earlier life started is taken up');
    const run = new TaskRun(assignment, this.#deps(Promise.resolve(root)), resumed);
    this.#resumed.set(treeKey(task, fence), run);
    this.#add(run);
  }

  start(assignment: Assignment): RunningTask {
    const key = treeKey(assignment.task, assignment.fence);
    const known = this.#running.get(key) ?? this.#resumed.get(key) ?? this.#ended.get(key);
    if (known !== undefined) return known;
    this.#ready ??= this.#open();
    const run = new TaskRun(assignment, this.#deps(this.#ready));
    this.#add(run);
    // Claimed just before the deadline, started after it: no timer would end it any more.
    const { definition } = assignment;
    if (definition.exclusive === true && this.#deadline !== undefined) {
      if (this.#options.clock.mono() >= this.#deadline.termAtMs) run.endForLostSession(true, 0);
    }
    return run;
  }

  #deps(ready: Promise<string>): TaskRunDeps {
    return {
      ready,
      clock: this.#options.clock,
      logger: this.#options.logger,
      logs: this.logs,
      table: this.#table,
      guard: this.#guard,
      secrets: this.#secrets,
      user: this.#options.user,
      allowedEnv: this.#allowedEnv,
      envAllowed: this.#options.envAllowed ?? ENV_ALLOWED,
      graceMs: this.#options.graceMs ?? GRACE_MS,
      outputBytesMax: this.#options.outputBytesMax ?? OUTPUT_BYTES_MAX,
      workspaces: this.#options.workspaces,
      pool: this.#options.pool,
      keptDir: this.#keptDir,
    };
  }

  #add(run: TaskRun): void {
    const key = treeKey(run.assignment.task, run.assignment.fence);
    this.#running.set(key, run);
    void run.done.then(() => this.#onEnded(key, run));
  }

  #onEnded(key: string, run: TaskRun): void {
    this.#running.delete(key);
    this.#ended.set(key, run);
    if (this.#ended.size <= ENDED_MAX) return;
    const [oldest] = this.#ended.keys();
    if (oldest !== undefined) this.#ended.delete(oldest);
  }

  list(): ReturnType<TaskRunner['list']> {
    return [...new Set([...this.#running.values(), ...this.#resumed.values()])].map((running) => {
      const { task, fence, nonce } = running.assignment;
      return { task, fence, ...(nonce === undefined ? {} : { nonce }), running };
    });
  }

  forget(task: TaskId, fence: string): void {
    const key = treeKey(task, fence);
    (this.#running.get(key) ?? this.#resumed.get(key) ?? this.#ended.get(key))?.forget();
    this.#resumed.delete(key);
  }

  setDeadline(deadline: SessionDeadline | undefined): void {
    this.#guard.setDeadline(deadline);
    // A lost session keeps the deadline it had: the timers stay.
    if (deadline === undefined) return;
    this.#deadline = deadline;
    for (const timer of this.#deadlineTimers) timer.cancel();
    const { clock } = this.#options;
    const leftMs = Math.max(0, deadline.killAtMs - deadline.termAtMs);
    this.#deadlineTimers = [
      clock.timer(Math.max(0, deadline.termAtMs - clock.mono()), () => this.#endExclusive(false, leftMs)),
      clock.timer(Math.max(0, deadline.killAtMs - clock.mono()), () => this.#endExclusive(true, 0)),
    ];
  }

  #endExclusive(force: boolean, graceMs: number): void {
    for (const run of this.#running.values()) {
      if (run.assignment.definition.exclusive === true) run.endForLostSession(force, graceMs);
    }
  }

  /** Of the guard process; undefined before `open` and after `stop`. */
  get guardPid(): number | undefined {
    return this.#guard.pid;
  }

  /**
   * Cancels what runs (KILL after `graceMs`, default at once), waits for it, and ends the guard. `leave`: what a pool runs and the
   * next life of the daemon can take up is not cancelled.
   */
  async stop(options: { readonly graceMs?: number; readonly leave?: boolean } = {}): Promise<void> {
    for (const timer of this.#deadlineTimers) timer.cancel();
    const running = [...this.#running.values()];
    for (const run of running) {
      if (options.leave === true) run.leave();
      else run.cancel({ graceMs: options.graceMs ?? 0 });
    }
    await Promise.all(running.map((run) => run.done));
    await this.#ready?.catch(() => undefined);
    await this.#guard.stop();
  }
}

/** What a login of that user would set: the daemon's own home is not for tasks. */
function loginOf({ name, home }: TaskUser): Record<string, string> {
  return { HOME: home, USER: name, LOGNAME: name, SHELL: '/bin/sh' };
}
