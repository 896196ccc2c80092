/** The pool plugins of a node, for its worker: which of them runs a task, and what an earlier life of the daemon left in them. */
import type { PoolRequest } from '@boi/core';
import { listTasks, releaseTask } from '@boi/plugin-host';
import type { PooledTask, PoolRun, TaskPool } from '@boi/worker';
import { claimContext } from './claim-context.ts';
import { Leftovers, type TaskPluginDeps } from './leftovers.ts';
import { PooledRun } from './pooled-run.ts';

export class PoolPlugins implements TaskPool {
  readonly #deps: TaskPluginDeps;
  readonly #leftovers: readonly Leftovers[];
  readonly #begun: Promise<void>;
  #begin: () => void = () => undefined;

  constructor(deps: TaskPluginDeps) {
    this.#deps = deps;
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    const { clock, log, supervisors } = deps;
    this.#leftovers = supervisors.map(
      (supervisor) =>
        new Leftovers({
          supervisor,
          clock,
          log,
          list: listTasks,
          clear: (channel, { taskId, fence }) =>
            releaseTask(channel, { taskId, fence }, { context: claimContext({ task: taskId, fence }, deps.epoch()) }),
        }),
    );
  }

  /** Begins to clear what an earlier life left; waits for nothing. */
  start(): void {
    for (const leftovers of this.#leftovers) leftovers.start();
    this.#begin();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#leftovers.map((leftovers) => leftovers.stop()));
  }

  plugin(request: PoolRequest | undefined): string | undefined {
    return this.#find(request?.plugin)?.supervisor.config.name;
  }

  spare({ task, fence, plugin }: Parameters<TaskPool['spare']>[0]): void {
    this.#find(plugin)?.leftovers.spare({ taskId: task, fence });
  }

  run(run: PoolRun): PooledTask {
    const name = run.pool?.plugin;
    const found = this.#find(name);
    if (found === undefined) {
      const startError = `this node has no pool plugin ${name} any more`;
      return { done: Promise.resolve({ startError }), stop: () => {}, leave: () => {} };
    }
    found.leftovers.spare({ taskId: run.task, fence: run.fence });
    return new PooledRun(run, { ...this.#deps, ...found, begun: this.#begun });
  }

  /** The first by name unless one is named. */
  #find(name: string | undefined) {
    const { supervisors } = this.#deps;
    const at = name === undefined ? 0 : supervisors.findIndex(({ config }) => config.name === name);
    const [supervisor, leftovers] = [supervisors[at], this.#leftovers[at]];
    return supervisor === undefined || leftovers === undefined ? undefined : { supervisor, leftovers };
  }
}
