/**
 * The events of this node and the plugins they go to. One hub takes the events of the cluster's work and those about plugins; what
 * the audit tier needs of the store (the marks, the settling of intents that a crash left) is read and written through it.
 *
 * Made by daemon.ts. `start` before the node registers: what an earlier life left open is settled while nothing new is claimed; a
 * log that is damaged keeps the node from starting. `stop` after the node has left, so that its last events have a log.
 */
import { join } from 'node:path';
import { Events, HookMarks, Keys, type MetricSink, settleIntent } from '@boi/cluster';
import { BoiError, type Clock, type IntendedEvent, type NodeId, type Random, sleep } from '@boi/core';
import { HooksHub, type PluginSupervisor } from '@boi/plugin-host';
import type { Store } from '@boi/store';
import type { Logger } from '@boi/system';

/** A store that answers nothing at the start is asked again so often before an outcome is told as unknown. */
const SETTLE_TRIES = 10;
const SETTLE_AGAIN_MS = 1_000;

export interface NodeHooksOptions {
  readonly supervisors: readonly PluginSupervisor[];
  readonly dataDir: string;
  readonly node: NodeId;
  readonly store: Store;
  /** Of the keys. Default `/boi/`. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricSink;
  /** The work waits for a plugin of the audit tier (true), or no longer (false). */
  readonly behind: (plugin: string, isBehind: boolean) => void;
  /** Delivery broke off, a log was cut, a mark is not written: for the operator and whoever wrote the plugin. */
  readonly problem: (plugin: string, message: string, error?: unknown) => void;
}

export class NodeHooks {
  /** For the cluster's work. */
  readonly hub: HooksHub;
  /** For what happens beside the cluster's work. */
  readonly events: Events;
  readonly #metrics: MetricSink;
  #dropped = new Map<string, number>();

  constructor(options: NodeHooksOptions) {
    const { supervisors, dataDir, node, store, prefix, clock, random, log, metrics, behind, problem } = options;
    const reader = { store, keys: new Keys(prefix), clock, metrics };
    const settle = (intended: IntendedEvent) => settleIntent(reader, intended);
    this.#metrics = metrics;
    this.hub = new HooksHub(supervisors, {
      clock,
      nodeId: node,
      directory: join(dataDir, 'hooks'),
      marks: new HookMarks(reader, node),
      settle: (intended) => patiently(clock, () => settle(intended)),
      onProblem: problem,
      onSaturated: (plugin, isBehind) => {
        if (isBehind) metrics.count('boi_core_hook_saturations_total', 1, { plugin });
        behind(plugin, isBehind);
      },
    });
    this.events = new Events({ port: this.hub, clock, random, node, log, metrics, settle });
  }

  /** Throws what is wrong with a log, and what to do about it. */
  start(): Promise<void> {
    return this.hub.start();
  }

  async stop(): Promise<void> {
    await this.events.stop();
    await this.hub.stop();
  }

  /** Read at each scrape. */
  count(): void {
    for (const { plugin, backlog, dropped } of this.hub.stats) {
      this.#metrics.gauge('boi_core_hook_backlog', backlog, { plugin });
      this.#metrics.count('boi_core_hook_drops_total', dropped - (this.#dropped.get(plugin) ?? 0), { plugin });
      this.#dropped.set(plugin, dropped);
    }
  }
}

async function patiently<T>(clock: Clock, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof BoiError) || error.code !== 'store-unreachable' || tries === SETTLE_TRIES) throw error;
      await sleep(clock, SETTLE_AGAIN_MS);
    }
  }
}
