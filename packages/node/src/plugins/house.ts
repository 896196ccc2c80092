/**
 * The plugins of this node: one supervisor for each file in `<data-dir>/plugins`, read once when the daemon starts. Who needs
 * plugins of a kind takes the supervisors here and calls through their channels.
 *
 * Life: `start` ends what an earlier life of the daemon left, then begins all plugins and waits for none, since a plugin that
 * hangs must not keep the node from working; `stop` resolves when every process group is gone. Made by daemon.ts, which has read
 * the files before it touched anything; started before the node joins, and stopped after it has left, since running tasks need
 * their plugins.
 *
 * What happens to them goes to a log for each, the daemon's log, the metrics, the event catalogue, and the node's health.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MetricSink } from '@boi/cluster';
import { BoiError, type Clock, type NodeId, type Random } from '@boi/core';
import {
  type CrashLog,
  killOrphans,
  type PluginConfig,
  type PluginObserver,
  type PluginStatus,
  PluginSupervisor,
} from '@boi/plugin-host';
import type { Logger } from '@boi/system';
import { PluginHealth } from './health.ts';
import { observePlugins } from './observer.ts';
import { PluginLog, pluginLogFile } from './plugin-log.ts';

export interface PluginHouseDeps {
  /** An absolute path without links: processes are known by it. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly nodeId: NodeId;
  /** Version of boi-node, told in the handshake. */
  readonly hostVersion: string;
  readonly crashLog: CrashLog;
  readonly log: Logger;
  readonly metrics: MetricSink;
  /** What a plugin wrote, as it may be shown: without the secrets it was given. */
  readonly mask: (plugin: string, text: string) => string;
  /** Takes the events of the catalogue that are about plugins. */
  readonly tell: (event: PluginEvent) => void;
}

export type PluginEvent = {
  readonly kind: 'plugin.crashed' | 'plugin.unstable';
  readonly plugin: string;
  readonly crashes: number;
  readonly exitCode?: number;
};

export class PluginHouse {
  /** What the plugins make of the node's health. */
  readonly health: PluginHealth;
  /** For what else goes wrong between the node and a plugin: to both logs. */
  readonly problem: PluginObserver['problem'];
  readonly #supervisors: readonly PluginSupervisor[];
  readonly #logs: ReadonlyMap<string, PluginLog>;
  readonly #runtimeDir: string;
  readonly #deps: PluginHouseDeps;

  /** `configs`: as readPluginFiles answers them. */
  constructor(configs: readonly PluginConfig[], deps: PluginHouseDeps) {
    const { dataDir, clock, log } = deps;
    this.#deps = deps;
    this.#runtimeDir = join(dataDir, 'run');
    this.health = new PluginHealth(configs.map(({ name }) => name));
    this.#logs = new Map(
      configs.map(({ name }) => {
        const onProblem = (err: unknown) => log.error({ plugin: name, err }, 'the log of a plugin cannot be written');
        const path = pluginLogFile(dataDir, name);
        return [name, new PluginLog({ path, now: () => clock.now(), onProblem })];
      }),
    );
    const observer = observePlugins({ ...deps, health: this.health, logs: this.#logs });
    this.problem = observer.problem;
    const rest = { ...deps, runtimeDir: this.#runtimeDir, observer };
    this.#supervisors = configs.map((config) => new PluginSupervisor(config, rest));
  }

  /** By name. */
  get all(): readonly PluginSupervisor[] {
    return this.#supervisors;
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

  /** What a plugin wrote. Throws `not-found`. */
  logOf(name: string): PluginLog {
    const log = this.#logs.get(name);
    if (log === undefined) throw noPlugin(name, [...this.#logs.keys()]);
    return log;
  }

  /** Begins all of them; waits for none to be ready. */
  async start(): Promise<void> {
    // Also of plugins that were taken out since.
    if (existsSync(this.#runtimeDir)) {
      const processes = await killOrphans(this.#runtimeDir, this.#deps.clock);
      if (processes > 0)
        this.#deps.log.warn({ processes }, 'ended what an earlier life of the daemon left of its plugins');
    }
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.start()));
  }

  /** Resolves when nothing of any plugin runs. */
  async stop(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stop()));
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
  }
}

export function noPlugin(name: string, known: readonly string[]): BoiError {
  const list = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  return new BoiError('not-found', `this node has no plugin ${JSON.stringify(name)}: ${list}`, {
    details: { plugin: name },
  });
}
