/**
 * The plugins of this node that the cluster asks: its router and its provisioners, as ports of the protocol. Made by daemon.ts
 * before the plugins are, since what these print is looked through for join tokens from the first line on.
 */
import type { JoinTokens, ProvisionerOptions, RouterPort } from '@boi/cluster';
import type { TokenId } from '@boi/core';
import type { Logger } from '@boi/system';
import type { PluginHouse } from './house.ts';
import { PluginProvisioner } from './provisioner-port.ts';
import { PluginRouter } from './router-port.ts';
import { TokenLeaks } from './token-leaks.ts';

export interface LeakEvent {
  readonly kind: 'provision.token_leak_suspected';
  readonly token: TokenId;
  readonly plugin: string;
}

export interface ClusterPortsDeps {
  readonly log: Logger;
  readonly tell: (event: LeakEvent) => void;
}

/** Parts of the options of a node; a plugin that is not configured leaves its part out. */
export interface NodePorts {
  readonly router?: RouterPort;
  readonly provisioner?: ProvisionerOptions;
}

export class ClusterPorts {
  readonly #log: Logger;
  readonly #leaks: TokenLeaks;
  #tokens: JoinTokens | undefined;

  constructor({ log, tell }: ClusterPortsDeps) {
    this.#log = log;
    this.#leaks = new TokenLeaks({
      suspected: (token, plugin) => {
        log.error({ leaked: token, plugin }, `plugin ${plugin} wrote a join token; it is revoked`);
        tell({ kind: 'provision.token_leak_suspected', token, plugin });
        this.#tokens
          ?.revoke(token)
          .catch((error: unknown) =>
            log.error({ err: error, leaked: token }, 'a token that leaked could not be revoked'),
          );
      },
    });
  }

  /** What a plugin wrote, as it may be shown. */
  readonly mask = (plugin: string, text: string): string => this.#leaks.mask(plugin, text);

  /** `tokens`: absent on a node without identities. */
  of(house: Pick<PluginHouse, 'ofKind'>, tokens: JoinTokens | undefined): NodePorts {
    this.#tokens = tokens;
    const routers = house.ofKind('router');
    const provisioners = house.ofKind('provisioner');
    const plugin = new PluginProvisioner(provisioners, { log: this.#log, leaks: this.#leaks });
    return {
      ...(routers.length === 0 ? {} : { router: new PluginRouter(routers) }),
      ...(provisioners.length === 0 ? {} : { provisioner: { plugin, ...(tokens === undefined ? {} : { tokens }) } }),
    };
  }
}
