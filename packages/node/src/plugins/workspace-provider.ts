import {
  cleanupWorkspace,
  listWorkspaces,
  PluginError,
  type PluginSupervisor,
  prepareWorkspace,
} from '@boi/plugin-host';
import {
  type CleanedWorkspace,
  type PreparedWorkspace,
  type WorkspaceCleanup,
  type WorkspaceProvider,
  WorkspaceRefused,
} from '@boi/worker';
import { claimContext } from './claim-context.ts';
import { Leftovers, type TaskPluginDeps } from './leftovers.ts';
import { throughRestarts } from './through-restarts.ts';

interface Found {
  readonly supervisor: PluginSupervisor;
  readonly leftovers: Leftovers;
}

export class WorkspacePlugins implements WorkspaceProvider {
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
          list: async (channel) => (await listWorkspaces(channel)).filter(({ kept }) => !kept),
          clear: (channel, { taskId, fence }) =>
            cleanupWorkspace(
              channel,
              { taskId, fence, keep: false },
              { context: this.#context({ task: taskId, fence }) },
            ),
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

  spare({ task, fence, plugin }: Parameters<WorkspaceProvider['spare']>[0]): void {
    // Without its plugin there is nothing that could clear it.
    this.#find(plugin)?.leftovers.spare({ taskId: task, fence });
  }

  async prepare(
    { task, fence, project, workspace }: Parameters<WorkspaceProvider['prepare']>[0],
    signal: AbortSignal,
  ): Promise<PreparedWorkspace> {
    const { supervisor, leftovers } = this.#plugin(workspace.plugin);
    leftovers.spare({ taskId: task, fence });
    const request = {
      taskId: task,
      fence,
      projectId: project,
      source: workspace.source,
      ref: workspace.ref ?? '',
      options: workspace.options ?? {},
    };
    try {
      const { path, env, version } = await throughRestarts({ ...this.#deps, supervisor, signal }, (channel) =>
        prepareWorkspace(channel, request, { signal, context: this.#context({ task, fence }) }),
      );
      return { path, env, version };
    } catch (error) {
      throw isRefusal(error) ? new WorkspaceRefused(error.message, error) : error;
    }
  }

  async cleanup(cleanup: WorkspaceCleanup, signal: AbortSignal): Promise<CleanedWorkspace> {
    const { task, fence, plugin, keep, pushBranch = '' } = cleanup;
    const { supervisor, leftovers } = this.#plugin(plugin);
    const request = { taskId: task, fence, keep, pushBranch };
    try {
      const { keptPath, pushedVersion } = await throughRestarts({ ...this.#deps, supervisor, signal }, (channel) =>
        cleanupWorkspace(channel, request, { signal, context: this.#context({ task, fence }) }),
      );
      return { ...(keptPath === '' ? {} : { keptPath }), ...(pushedVersion === '' ? {} : { pushedVersion }) };
    } catch (error) {
      // Nobody is to look at it, and nothing of it was to be pushed.
      if (!keep && pushBranch === '') leftovers.later({ taskId: task, fence });
      throw error;
    }
  }

  #plugin(name: string | undefined): Found {
    const found = this.#find(name);
    if (found === undefined) throw new Error(`this node has no workspace plugin ${name ?? ''}`.trimEnd());
    return found;
  }

  #find(name: string | undefined): Found | undefined {
    const { supervisors } = this.#deps;
    const at = name === undefined ? 0 : supervisors.findIndex(({ config }) => config.name === name);
    const [supervisor, leftovers] = [supervisors[at], this.#leftovers[at]];
    return supervisor === undefined || leftovers === undefined ? undefined : { supervisor, leftovers };
  }

  #context(claim: { readonly task: string; readonly fence: string }) {
    return claimContext(claim, this.#deps.epoch());
  }
}

/** It will not do it for anyone: the source is wrong, and not the node. */
function isRefusal(error: unknown): error is PluginError {
  return (
    error instanceof PluginError &&
    error.reason === 'refused' &&
    /FAILED_PRECONDITION|INVALID_ARGUMENT/.test(error.message)
  );
}
