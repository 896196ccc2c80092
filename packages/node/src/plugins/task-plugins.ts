/**
 * The plugins in the path of every task: workspaces and pools of this node, for the worker; and what the node can do by
 * them, as capabilities, so that a task which asks for a plugin is placed where there is one.
 */
import { BoiError, type Clock, pluginCapability } from '@boi/core';
import type { PluginSupervisor } from '@boi/plugin-host';
import type { Logger } from '@boi/system';
import type { TaskPool, WorkspaceProvider } from '@boi/worker';
import { PoolPlugins } from './task-pool.ts';
import { WorkspacePlugins } from './workspace-provider.ts';

export interface TaskPluginsDeps {
  /** Of all plugins, in the order of their names. */
  readonly supervisors: readonly PluginSupervisor[];
  readonly clock: Clock;
  readonly log: Logger;
  /** The node's session epoch, for the plugins' information. */
  readonly epoch: () => string | undefined;
}

export class TaskPlugins {
  readonly #workspaces: WorkspacePlugins | undefined;
  readonly #pools: PoolPlugins | undefined;
  /** `workspace`, `workspace/NAME`, `pool`, `pool/NAME`. */
  readonly capabilities: Readonly<Record<string, boolean>>;

  constructor({ supervisors, ...deps }: TaskPluginsDeps) {
    const capabilities: Record<string, boolean> = {};
    const ofKind = (kind: 'workspace' | 'pool') => {
      const some = supervisors.filter(({ config }) => config.kind === kind);
      if (some.length === 0) return undefined;
      capabilities[pluginCapability(kind)] = true;
      for (const { config } of some) capabilities[pluginCapability(kind, config.name)] = true;
      return { ...deps, supervisors: some };
    };
    const workspaces = ofKind('workspace');
    const pools = ofKind('pool');
    this.#workspaces = workspaces && new WorkspacePlugins(workspaces);
    this.#pools = pools && new PoolPlugins(pools);
    this.capabilities = capabilities;
  }

  get workspaces(): WorkspaceProvider | undefined {
    return this.#workspaces;
  }

  get pool(): TaskPool | undefined {
    return this.#pools;
  }

  /** Begins to clear what an earlier life of the daemon left in them, once they are ready; waits for nothing. */
  start(): void {
    this.#workspaces?.start();
    this.#pools?.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#workspaces?.stop(), this.#pools?.stop()]);
  }
}

/** Throws `config-invalid`: plugins run as the daemon's user, and would give tasks what their own user is to keep from them. */
export function checkTaskUser(taskUser: string | undefined, kinds: readonly { name: string; kind: string }[]): void {
  const [first] = kinds.filter(({ kind }) => kind === 'workspace' || kind === 'pool');
  if (taskUser === undefined || first === undefined) return;
  throw new BoiError(
    'config-invalid',
    `--task-user ${taskUser} does not go together with the ${first.kind} plugin ${first.name}, which works as the daemon's user; leave one of the two`,
  );
}
