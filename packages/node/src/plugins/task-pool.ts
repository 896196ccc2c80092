import { listTasks, releaseTask } from '@boi/plugin-host';
import type { PooledTask, PoolRun, TaskPool } from '@boi/worker';
import { Leftovers, type TaskPluginDeps } from './leftovers.ts';
import { PooledRun } from './pooled-run.ts';

export class PoolPlugins implements TaskPool {
  readonly #deps: TaskPluginDeps;
  readonly #leftovers: readonly Leftovers[];

  constructor(deps: TaskPluginDeps) {
    this.#deps = deps;
    const { clock, log, supervisors } = deps;
    this.#leftovers = supervisors.map(
      (supervisor) =>
        new Leftovers({
          supervisor,
          clock,
          log,
          list: listTasks,
          clear: (channel, { taskId, fence }) => releaseTask(channel, { taskId, fence }, { context: { fence } }),
        }),
    );
  }

  /** Begins to clear what an earlier life left; waits for nothing. */
  start(): void {
    for (const leftovers of this.#leftovers) leftovers.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#leftovers.map((leftovers) => leftovers.stop()));
  }

  run(run: PoolRun): PooledTask {
    const { supervisors } = this.#deps;
    const name = run.pool?.plugin;
    const at = name === undefined ? 0 : supervisors.findIndex(({ config }) => config.name === name);
    const supervisor = supervisors[at];
    const leftovers = this.#leftovers[at];
    if (supervisor === undefined || leftovers === undefined)
      return { done: Promise.resolve({ startError: `this node has no pool plugin ${name} any more` }), stop: () => {} };
    leftovers.spare({ taskId: run.task, fence: run.fence });
    return new PooledRun(run, { ...this.#deps, supervisor, leftovers });
  }
}
