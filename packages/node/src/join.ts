/** `boi-node join`: one node against etcd. */
import { BoiError } from '@boi/core';
import { EtcdStore } from '@boi/store';
import { type Logger, systemClock, systemRandom } from '@boi/system';
import type { DaemonConfig } from './config.ts';
import { checkSettings, Daemon } from './daemon.ts';

/** Resolves when the node is a member; throws what is wrong. */
export async function startNode(config: DaemonConfig, log: Logger): Promise<Daemon> {
  checkSettings(config);
  for (const endpoint of config.etcd) {
    if (!/^https?:\/\/[^/]+$/.test(endpoint)) {
      throw new BoiError('config-invalid', `--etcd ${endpoint}: must be a URL such as http://127.0.0.1:2379`);
    }
  }
  const store = new EtcdStore({ endpoints: config.etcd, clock: systemClock, random: systemRandom });
  return Daemon.start({ config, store, log });
}
