/**
 * One task from claim to report, as an ordered list of small steps: secrets, workspace, log, `run`, each `verify`, outputs,
 * report, cleanup.
 *
 * States: waiting (an earlier life is still being reaped) → running → ended. A stop (cancel, timeout, lost session, disk)
 * may come in any of them; the first one decides the outcome, later ones can only hurry it. `done` settles once, after
 * the last process of the tree is gone, and never rejects.
 */
import {
  type Assignment,
  type Clock,
  type Command,
  type FailureReason,
  type RunningTask,
  specOf,
  type TaskReport,
  type Timer,
} from '@boi/core';
import type { Logger } from '@boi/system';
import type { Guard } from './guard/guard.ts';
import type { LogPlace } from './logs/log-place.ts';
import type { LogStore } from './logs/log-store.ts';
import type { LogWriter } from './logs/log-writer.ts';
import { Masker } from './masker.ts';
import { OutputTail } from './output-tail.ts';
import type { TreeRoot } from './processes/process-scan.ts';
import type { ProcessTable } from './processes/process-table.ts';
import { ProcessTree } from './processes/process-tree.ts';
import type { Secrets } from './secrets.ts';
import { taskEnvironment } from './steps/environment.ts';
import { readOutputs } from './steps/outputs.ts';
import { runCommand } from './steps/process.ts';
import type { TaskUser } from './steps/task-user.ts';
import { prepareWorkspace, type Workspace } from './steps/workspace.ts';

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
}

type StopCause = 'cancelled' | 'timeout' | 'lost' | 'disk';
type Ending = Pick<TaskReport, 'outcome' | 'reason' | 'message' | 'exitCode' | 'signal' | 'outputs'>;

export class TaskRun implements RunningTask {
  readonly assignment: Assignment;
  readonly done: Promise<TaskReport>;
  readonly #deps: TaskRunDeps;
  readonly #graceMs: number;
  readonly #place: LogPlace;
  readonly #tail = new OutputTail();
  readonly #log: LogWriter;
  /** One per stream, since their bytes interleave; the first is used for single texts too. */
  #maskers = { stdout: new Masker([]), stderr: new Masker([]) };
  #tree: ProcessTree | undefined;
  #stop: { readonly cause: StopCause; graceMs: number } | undefined;
  #startedAt: number | undefined;

  constructor(assignment: Assignment, deps: TaskRunDeps) {
    this.assignment = assignment;
    this.#deps = deps;
    this.#graceMs = assignment.definition.graceMs ?? deps.graceMs;
    const { task, attempt, delivery } = assignment;
    this.#place = { spec: specOf(task), task, attempt, delivery };
    // From the start, so that a follower who comes before the first byte is served.
    this.#log = deps.logs.create(this.#place);
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
    this.#tree?.stop(graceMs);
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
    if (this.#startedAt === undefined && ending.message !== undefined) this.#note(`[boi] ${ending.message}`);
    const logBytes = await this.#closeLog();
    if (this.#log.error !== undefined && ending.reason !== 'disk') ending = this.#stopped('disk');
    const message = ending.message === undefined ? {} : { message: this.#maskers.stdout.text(ending.message) };
    return {
      ...ending,
      ...message,
      ...(this.#startedAt === undefined ? {} : { startedAt: this.#startedAt }),
      endedAt: this.#deps.clock.now(),
      tail: this.#tail.text(),
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
    const values = Object.values(secrets);
    this.#maskers = { stdout: new Masker(values), stderr: new Masker(values) };
    const prepared = await prepareWorkspace(workRoot, this.assignment, this.#deps.user);
    if ('reason' in prepared) return failed(prepared.reason, prepared.message);
    const { workspace } = prepared;
    try {
      return await this.#inWorkspace(workspace, secrets);
    } finally {
      const problem = await workspace.remove();
      if (problem !== undefined) {
        this.#deps.logger.warn({ task: this.assignment.task, err: problem }, 'the work directory could not be removed');
      }
    }
  }

  async #inWorkspace(workspace: Workspace, secrets: Readonly<Record<string, string>>): Promise<Ending> {
    const { assignment } = this;
    const deps = this.#deps;
    const { definition } = assignment;
    const env = taskEnvironment({
      assignment,
      allowedEnv: deps.allowedEnv,
      allowed: deps.envAllowed,
      secrets,
      outputPath: workspace.outputPath,
    });
    const timeout = this.#armTimeout();
    try {
      for (const [step, command] of [definition.run, ...(definition.verify ?? [])].entries()) {
        if (this.#stop !== undefined) return this.#stopped(this.#stop.cause);
        const ending = await this.#command(command, step, workspace.dir, env);
        if (ending !== undefined) return ending;
      }
    } finally {
      timeout?.cancel();
    }
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

  /** `run` is step 0, the first verify command 1. Undefined: it exited 0, go on. */
  async #command(
    command: Command,
    step: number,
    cwd: string,
    env: Readonly<Record<string, string>>,
  ): Promise<Ending | undefined> {
    const { clock, table, guard, user } = this.#deps;
    const { task, fence, definition } = this.assignment;
    let root: TreeRoot | undefined;
    const result = await runCommand({
      command,
      cwd,
      env,
      ...(user === undefined ? {} : { user }),
      task,
      fence,
      clock,
      onStart: (started) => {
        root = started;
        this.#startedAt ??= clock.now();
        this.#tree = new ProcessTree(started, { clock, table, graceMs: this.#graceMs });
        guard.started(started, definition.exclusive === true);
      },
      onOutput: (stream, bytes) => this.#output(stream, bytes),
      settle: async () => this.#tree?.settle(),
    });
    this.#tree = undefined;
    if (root !== undefined) guard.ended(root);
    for (const stream of ['stdout', 'stderr'] as const) this.#keep(stream, this.#maskers[stream].flush());
    if ('startError' in result) return failed('start-failed', stepMessage(step, result.startError));
    if (result.heldOpen) {
      this.#note('[boi] a process outside the task still holds its output open; it is not waited for');
    }
    if (this.#stop !== undefined) return { ...this.#stopped(this.#stop.cause), ...exitOf(result) };
    if (result.exitCode === 0) return undefined;
    const how = result.signal === undefined ? `exited ${result.exitCode}` : `was ended by ${result.signal}`;
    if (step > 0)
      return { ...failed('verify-failed', `verify command ${step} ${how}: ${shown(command)}`), ...exitOf(result) };
    return {
      ...failed(result.signal === undefined ? 'exit-code' : 'signal', `the command ${how}`),
      ...exitOf(result),
    };
  }

  #armTimeout(): Timer | undefined {
    const { timeoutMs } = this.assignment.definition;
    if (timeoutMs === undefined) return undefined;
    return this.#deps.clock.timer(timeoutMs, () => {
      this.#note(`[boi] timeout after ${timeoutMs} ms`);
      this.#end('timeout', this.#graceMs);
    });
  }

  #watchDisk(): void {
    void this.#log.failed.then((error) => {
      this.#deps.logger.error({ task: this.assignment.task, err: error }, 'the log of a task cannot be written');
      this.#end('disk', 0);
    });
  }

  #output(stream: 'stdout' | 'stderr', raw: Buffer): Promise<void> | undefined {
    return this.#keep(stream, this.#maskers[stream].push(raw));
  }

  #keep(stream: 'stdout' | 'stderr', masked: Buffer): Promise<void> | undefined {
    if (masked.length === 0) return undefined;
    this.#tail.add(masked);
    return this.#log.write(stream, masked) === false ? this.#log.drained() : undefined;
  }

  #note(line: string): void {
    this.#log.write('system', Buffer.from(`${line}\n`));
  }

  async #closeLog(): Promise<number> {
    await this.#log.end();
    this.#deps.logs.forget(this.#place);
    return this.#log.size;
  }

  #maskOutputs(outputs: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(Object.entries(outputs).map(([key, value]) => [key, this.#maskers.stdout.text(value)]));
  }

  #stopped(cause: StopCause): Ending {
    switch (cause) {
      case 'cancelled':
        return { outcome: 'cancelled' };
      case 'timeout':
        return {
          outcome: 'timed-out',
          reason: 'timeout',
          message: `it ran longer than its timeout of ${this.assignment.definition.timeoutMs} ms`,
        };
      case 'lost':
        // Nobody asked for it: to the cluster it is a claim that was lost, and it runs again.
        return {
          outcome: 'cancelled',
          reason: 'lost',
          message: 'the node was losing its session, and an exclusive task must not outlive it',
        };
      case 'disk':
        return failed('disk', `the log cannot be written: ${this.#log.error?.message ?? 'unknown error'}`);
    }
  }
}

function failed(reason: FailureReason, message: string): Ending {
  return { outcome: 'failed', reason, message };
}

function exitOf(result: {
  exitCode: number | undefined;
  signal: string | undefined;
}): Pick<Ending, 'exitCode' | 'signal'> {
  return {
    ...(result.exitCode === undefined ? {} : { exitCode: result.exitCode }),
    ...(result.signal === undefined ? {} : { signal: result.signal }),
  };
}

function stepMessage(step: number, message: string): string {
  return step === 0 ? message : `verify command ${step}: ${message}`;
}

const SHOWN_LENGTH_MAX = 200;

function shown(command: Command): string {
  const text = typeof command === 'string' ? command : command.join(' ');
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
}
