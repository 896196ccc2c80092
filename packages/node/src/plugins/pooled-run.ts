/**
 * One run of a task by a pool plugin: spawned once, its output followed to its end through restarts of the plugin, then released.
 *
 * States: starting (the plugin is awaited, leftovers of an earlier life are cleared, Spawn) → following → released. One that an
 * earlier life of the daemon started begins with following, if the plugin still lists it. A stop may
 * come at any time. Before the spawn nothing has run, and nothing will; afterwards Cancel is sent with the grace, again by
 * force when it is over, and again to each new process of the plugin, which may have forgotten that it was asked.
 *
 * The offset counts what the node has taken; a tail that breaks is opened again there, so that no byte is missing or comes
 * twice. What cannot be followed any more ends as lost: the plugin is unstable, has forgotten the run, or does not end by force.
 * What is left (the daemon gives up its start) runs on, unreleased, for the next life of the daemon.
 */
import { type Clock, sleep, type Timer } from '@boi/core';
import {
  cancelTask,
  listTasks,
  type PluginSupervisor,
  releaseTask,
  spawnTask,
  type TaskEnd,
  tailTask,
} from '@boi/plugin-host';
import type { Logger } from '@boi/system';
import type { PoolEnd, PooledTask, PoolRun } from '@boi/worker';
import { claimContext } from './claim-context.ts';
import type { Leftovers } from './leftovers.ts';
import { isBroken, throughRestarts } from './through-restarts.ts';

const RETRY_MS = 1_000;
/** Between a tail that broke and the word of its process's end. */
const FOLLOW_AGAIN_MS = 50;
/** From force to its effect; a virtual machine that is gone never tells. */
const FORCED_MS_MAX = 60_000;
const RELEASE_MS_MAX = 30_000;

export interface PooledRunDeps {
  readonly supervisor: PluginSupervisor;
  readonly leftovers: Leftovers;
  /** Resolves when the plugins have been begun with: what is taken up is there before. */
  readonly begun: Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly epoch: () => string | undefined;
}

export class PooledRun implements PooledTask {
  readonly done: Promise<PoolEnd | 'left'>;
  readonly #run: PoolRun;
  readonly #deps: PooledRunDeps;
  readonly #key: { readonly taskId: string; readonly fence: string };
  /** Aborted by a stop before the spawn, and when force has had no effect. */
  readonly #givingUp = new AbortController();
  readonly #over = new AbortController();
  #phase: 'starting' | 'spawning' | 'following' = 'starting';
  /** Of what was taken. */
  #offset: number;
  #left = false;
  #killAtMs: number | undefined;
  #killTimer: Timer | undefined;

  constructor(run: PoolRun, deps: PooledRunDeps) {
    this.#run = run;
    this.#deps = deps;
    this.#key = { taskId: run.task, fence: run.fence };
    this.#offset = run.resume?.offset ?? 0;
    if (run.resume !== undefined) this.#phase = 'following';
    this.done = this.#live();
  }

  stop(graceMs: number): void {
    const { clock } = this.#deps;
    const killAtMs = clock.mono() + Math.max(0, graceMs);
    if (this.#killAtMs !== undefined && killAtMs >= this.#killAtMs) return;
    const isFirst = this.#killAtMs === undefined;
    this.#killAtMs = killAtMs;
    this.#killTimer?.cancel();
    if (this.#phase === 'starting') {
      this.#givingUp.abort(new Error('it was stopped before it was started'));
      return;
    }
    if (graceMs <= 0) this.#force();
    else {
      // A second Cancel is force whatever its grace: the shorter wait is kept here.
      if (isFirst) this.#cancel(graceMs);
      this.#killTimer = clock.timer(graceMs, () => this.#force());
    }
  }

  leave(): void {
    this.#left = true;
    this.#givingUp.abort(new Error('it is left to run on'));
  }

  async #live(): Promise<PoolEnd | 'left'> {
    const end = await this.#untilEnd();
    this.#killTimer?.cancel();
    this.#over.abort(new Error('it has ended'));
    if (this.#left) return 'left';
    await this.#run.onEnd?.(end);
    if (this.#phase !== 'starting') await this.#release();
    return end;
  }

  async #untilEnd(): Promise<PoolEnd> {
    const { resume } = this.#run;
    try {
      await orAborted(this.#deps.begun, this.#givingUp.signal);
      if (resume?.end !== undefined) return resume.end;
      if (resume === undefined) await this.#spawn();
      else if (!(await this.#find())) return { lost: 'its pool does not know it any more' };
      this.#phase = 'following';
      this.#cancelAgain();
      return poolEnd(await this.#follow());
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return this.#phase === 'following' ? { lost: message } : { startError: message };
    }
  }

  async #spawn(): Promise<void> {
    const { supervisor, clock, leftovers } = this.#deps;
    const { signal } = this.#givingUp;
    const { handle } = await throughRestarts({ supervisor, clock, signal }, async (channel) => {
      // No task starts where an older copy of it still lives.
      await orAborted(leftovers.cleared, signal);
      // From here on it may run: a stop is told to the plugin.
      this.#phase = 'spawning';
      return spawnTask(channel, this.#request(), { context: this.#context(), signal });
    });
    this.#run.onStart(handle);
  }

  /** Whether the plugin still has it; if it runs, it is told as started. */
  async #find(): Promise<boolean> {
    const { supervisor, clock } = this.#deps;
    const { signal } = this.#givingUp;
    const listed = await throughRestarts({ supervisor, clock, signal }, (channel) => listTasks(channel));
    const own = listed.find(({ taskId, fence }) => taskId === this.#key.taskId && fence === this.#key.fence);
    if (own?.running === true) this.#run.onStart(own.handle);
    return own !== undefined;
  }

  /** To the end, over as many processes of the plugin as it takes. */
  async #follow(): Promise<TaskEnd> {
    const { supervisor, clock, log } = this.#deps;
    const { signal } = this.#givingUp;
    for (;;) {
      const channel = await supervisor.untilReady(signal);
      try {
        return await tailTask(channel, this.#key, {
          fromOffset: this.#offset,
          context: this.#context(),
          signal,
          onOutput: async ({ offset, stream, data }) => {
            const kept = await this.#run.onOutput(stream, data, offset + data.length);
            this.#offset = offset + data.length;
            return kept;
          },
        });
      } catch (error) {
        signal.throwIfAborted();
        if (!isBroken(error)) throw error;
        log.info({ task: this.#run.task, offset: this.#offset, err: error }, 'the output of a task is followed anew');
        await sleep(clock, FOLLOW_AGAIN_MS, signal);
        this.#cancelAgain();
      }
    }
  }

  #force(): void {
    this.#cancel(0);
    this.#killTimer = this.#deps.clock.timer(FORCED_MS_MAX, () =>
      this.#givingUp.abort(new Error(`it did not end within ${FORCED_MS_MAX / 1_000} s of force; it may still run`)),
    );
  }

  /** A stop that came before what is to be stopped, or before the process that is to do it. */
  #cancelAgain(): void {
    if (this.#killAtMs !== undefined) this.#cancel(Math.max(0, this.#killAtMs - this.#deps.clock.mono()));
  }

  /** Until the plugin has heard it, or the run is over. */
  #cancel(graceMs: number): void {
    const { clock, supervisor, log } = this.#deps;
    const { signal } = this.#over;
    const insist = async (): Promise<void> => {
      const until = clock.mono() + graceMs;
      for (;;) {
        try {
          await throughRestarts({ supervisor, clock, signal }, (channel) => {
            const left = Math.round(Math.max(0, until - clock.mono()));
            return cancelTask(channel, this.#key, left, { context: this.#context(), signal });
          });
          return;
        } catch (error) {
          signal.throwIfAborted();
          log.warn({ task: this.#run.task, err: error }, 'a task could not be cancelled yet');
          await sleep(clock, RETRY_MS, signal);
        }
      }
    };
    // Ends with the run.
    void insist().catch(() => undefined);
  }

  async #release(): Promise<void> {
    const { supervisor, clock, log, leftovers } = this.#deps;
    const signal = AbortSignal.timeout(RELEASE_MS_MAX);
    try {
      await throughRestarts({ supervisor, clock, signal }, (channel) =>
        releaseTask(channel, this.#key, { context: this.#context(), signal }),
      );
    } catch (error) {
      log.warn({ task: this.#run.task, err: error }, 'a task could not be released from its pool yet');
      leftovers.later(this.#key);
    }
  }

  #request() {
    const { attempt, delivery, argv, env, workdir, slots, pool } = this.#run;
    return { ...this.#key, attempt, delivery, argv: [...argv], env, workdir, slots, options: pool?.options ?? {} };
  }

  #context() {
    return claimContext(this.#run, this.#deps.epoch());
  }
}

function poolEnd({ exitCode, signal, startFailure, lost }: TaskEnd): PoolEnd {
  if (lost !== undefined) return { lost };
  if (startFailure !== undefined) return { startError: startFailure };
  return { exitCode, signal };
}

function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
  });
}
