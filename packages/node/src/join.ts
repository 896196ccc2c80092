/** `boi-node join`: one node against etcd. */
import type { Logger } from '@boi/system';
import type { DaemonConfig } from './config.ts';
import { checkSettings, Daemon } from './daemon.ts';
import { openEtcd } from './etcd-options.ts';

/** Resolves when the node is a member; throws what is wrong. */
export async function startNode(config: DaemonConfig, log: Logger): Promise<Daemon> {
  checkSettings(config);
  return Daemon.start({ config, store: await openEtcd(config), log });
}
