/** The routes about plugins of a node that has none. */
import type { ClusterApi } from '@boi/cluster';
import type { NodeId } from '@boi/core';
import { PluginDesk } from '../plugins/desk.ts';
import { noPlugin } from '../plugins/house.ts';

export function noPlugins(api: Pick<ClusterApi, 'node'>, self: NodeId): PluginDesk {
  const logOf = (name: string): never => {
    throw noPlugin(name, []);
  };
  return new PluginDesk({ api, self, house: { all: [], find: () => undefined, logOf }, tlsOf: () => undefined });
}
