/**
 * The plugins of this node: one supervisor for each file in `<data-dir>/plugins`, read once when the daemon starts. Who needs
 * plugins of a kind takes the supervisors here and calls through their channels.
 *
 * Life: `start` begins all plugins and waits for none, since a plugin that hangs must not keep the node from working; `stop`
 * resolves when every process group is gone. Made by daemon.ts, which has read the files before it touched anything, started
 * before the node joins and stopped after it has left, since running tasks need their plugins.
 */
import { join } from 'node:path';
import type { Clock, NodeId, Random } from '@boi/core';
import {
  type CrashLog,
  type PluginConfig,
  type PluginObserver,
  type PluginStatus,
  PluginSupervisor,
} from '@boi/plugin-host';

export interface PluginHouseDeps {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly nodeId: NodeId;
  /** Version of boi-node, told in the handshake. */
  readonly hostVersion: string;
  readonly crashLog: CrashLog;
  /** Told of what happens to each plugin. */
  readonly observer: PluginObserver;
}

export class PluginHouse {
  readonly #supervisors: readonly PluginSupervisor[];

  /** `configs`: as {@link readPluginFiles} answers them. */
  constructor(configs: readonly PluginConfig[], { dataDir, ...deps }: PluginHouseDeps) {
    const runtimeDir = join(dataDir, 'run');
    this.#supervisors = configs.map((config) => new PluginSupervisor(config, { ...deps, runtimeDir }));
  }

  ofKind(kind: PluginConfig['kind']): readonly PluginSupervisor[] {
    return this.#supervisors.filter(({ config }) => config.kind === kind);
  }

  find(name: string): PluginSupervisor | undefined {
    return this.#supervisors.find(({ config }) => config.name === name);
  }

  get statuses(): readonly PluginStatus[] {
    return this.#supervisors.map(({ status }) => status);
  }

  /** Begins all of them; waits for none to be ready. */
  async start(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.start()));
  }

  /** Resolves when nothing of any plugin runs. */
  async stop(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stop()));
  }
}
