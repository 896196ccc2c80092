/**
 * The provisioner plugins of this node, as provisioning asks them. With several, the first that is willing makes the node, by
 * the names of the plugins; a request goes on with the one that has it. One that is away may have it, so nobody is asked before
 * all are there. To remove a node all are asked, since a request that is not known is no error.
 *
 * Whatever a plugin says is looked through for the token it was given.
 */
import type { NodeWanted, ProvisionerPort } from '@boi/cluster';
import type { ProvisionId } from '@boi/core';
import {
  deprovision,
  listProvisions,
  type PluginChannel,
  PluginError,
  type PluginSupervisor,
  provision,
} from '@boi/plugin-host';
import type { Logger } from '@boi/system';
import { wireRequirement } from './requirements.ts';
import type { TokenLeaks } from './token-leaks.ts';

export interface PluginProvisionerDeps {
  readonly log: Logger;
  readonly leaks: TokenLeaks;
}

export class PluginProvisioner implements ProvisionerPort {
  readonly #plugins: readonly PluginSupervisor[];
  readonly #deps: PluginProvisionerDeps;

  constructor(plugins: readonly PluginSupervisor[], deps: PluginProvisionerDeps) {
    this.#plugins = plugins;
    this.#deps = deps;
  }

  async provision(wanted: NodeWanted, signal: AbortSignal): Promise<'begun' | 'refused'> {
    const { log, leaks } = this.#deps;
    if (wanted.token !== undefined) leaks.watch(wanted.token);
    for (const channel of await this.#inOrder(wanted.id)) {
      const { plugin } = channel;
      try {
        const { alreadyProvisioned, handle } = await provision(channel, wireRequest(wanted), { signal });
        const said = leaks.mask(plugin, handle);
        log.info({ plugin, request: wanted.id, handle: said, alreadyProvisioned }, 'the provisioner has begun');
        return 'begun';
      } catch (error) {
        const masked = this.#masked(plugin, error);
        if (masked.reason !== 'refused') throw masked;
        log.warn({ plugin, request: wanted.id, err: masked }, 'the provisioner refuses');
      }
    }
    return 'refused';
  }

  async deprovision(id: ProvisionId, signal: AbortSignal): Promise<void> {
    for (const channel of this.#channels()) {
      try {
        await deprovision(channel, id, { signal });
      } catch (error) {
        throw this.#masked(channel.plugin, error);
      }
    }
  }

  /** Whoever has the request comes first, and alone. */
  async #inOrder(id: ProvisionId): Promise<readonly PluginChannel[]> {
    const channels = this.#channels();
    if (channels.length === 1) return channels;
    for (const channel of channels) {
      const known = await listProvisions(channel);
      if (known.some(({ requestId }) => requestId === id)) return [channel];
    }
    return channels;
  }

  /** Throws while one of them is not ready. */
  #channels(): PluginChannel[] {
    return this.#plugins.map((plugin) => plugin.channel());
  }

  /** The plugin's own words stand in its errors. */
  #masked(plugin: string, error: unknown): PluginError {
    if (!(error instanceof PluginError)) throw error;
    const shown = this.#deps.leaks.mask(plugin, error.message);
    return shown === error.message ? error : new PluginError(plugin, error.reason, shown);
  }
}

function wireRequest(wanted: NodeWanted): Parameters<typeof provision>[1] {
  return {
    requestId: wanted.id,
    requirements: wanted.requires.map(wireRequirement),
    slots: Math.max(1, wanted.slots),
    tasks: wanted.tasks,
    joinToken: wanted.token ?? '',
    bootstrapAddresses: [...wanted.bootstrap],
    deadlineMs: wanted.deadlineAt,
    labels: { ...wanted.labels },
  };
}
