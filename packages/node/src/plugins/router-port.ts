/** The router plugin of this node, as placement asks it: the first one that is ready, if there are several. */
import type { Hints, RouteAsk, RouterPort } from '@boi/cluster';
import { specOf } from '@boi/core';
import { hint, type PluginSupervisor } from '@boi/plugin-host';
import { wireRequirement } from './requirements.ts';

/** Placement stops waiting much earlier, and with it the call: this is for a signal that never comes. */
const LIMIT_MS = 5_000;

export class PluginRouter implements RouterPort {
  readonly #plugins: readonly PluginSupervisor[];

  constructor(plugins: readonly PluginSupervisor[]) {
    this.#plugins = plugins;
  }

  get ready(): boolean {
    return this.#first() !== undefined;
  }

  async hint(ask: RouteAsk, signal: AbortSignal): Promise<Hints> {
    const plugin = this.#first();
    return plugin === undefined ? new Map() : hint(plugin.channel(), wireAsk(ask), { signal, timeoutMs: LIMIT_MS });
  }

  #first(): PluginSupervisor | undefined {
    return this.#plugins.find(({ status }) => status.state === 'ready');
  }
}

function wireAsk({ tasks, candidates }: RouteAsk): Parameters<typeof hint>[1] {
  const places = new Map<string, number>(candidates.map(({ id }, i) => [id, i]));
  return {
    tasks: tasks.map(({ task, prj, facts, priority = 0, attempt = 1, failedOn = [], eligible }) => ({
      taskId: task,
      specId: specOf(task),
      projectId: prj,
      slots: facts.slots ?? 1,
      priority,
      attempt,
      failedNodeIds: [...failedOn],
      requirements: (facts.requires ?? []).map(wireRequirement),
      eligible: eligible.map((id) => places.get(id) as number),
    })),
    candidates: candidates.map(({ id, slots, busy, queued, capabilities }) => ({
      nodeId: id,
      slots,
      busy,
      queued,
      capabilities: Object.fromEntries(Object.entries(capabilities).map(([key, value]) => [key, String(value)])),
    })),
  };
}
