/** The shipped provisioner on hosts of a cluster: what it makes are further daemons, or processes that never become one. */
import type { Cluster } from './cluster.ts';
import { type PluginSettings, provide, provideShipped } from './plugins.ts';

/** Where a host keeps what it made. */
export const MADE = '/var/lib/boi-node/made';
/** Programs begin slowly on a busy machine. */
const READY_MS = 60_000;
/** A script that makes a daemon of its token, directory and labels. */
export const JOIN =
  'exec boi-node join --token-file "$1" --data-dir "$2" --name made --listen 127.0.0.1:0 --label "$3" --slots 2 --session-ttl 3s --shutdown-drain 1s';
/** One that makes nothing. */
export const DUD = 'exec sleep 987654';

/**
 * Answers what makes settings of the plugin: its name, the labels of its nodes, and the shell script that makes one. Each request
 * is a line in the file of that name in the shared directory.
 */
export async function provisioners(
  cluster: Cluster,
): Promise<(name: string, offers: string, script: string) => PluginSettings> {
  const path = await provideShipped(cluster, 'provisioner-process');
  return (name, offers, script) => {
    const program = ['sh', '-c', `echo {request_id} >> /effects/${name}; ${script}`, 'sh'];
    const args = [path, '--state', `${MADE}/${name}`, '--offers', offers, '--', ...program];
    return {
      kind: 'provisioner',
      readyTimeoutMs: READY_MS,
      command: 'node',
      args: [...args, '{token_file}', '{data_dir}', '{labels}'],
    };
  };
}

/** One that refuses the first two requests for a node with `net=fast`, and all after the third: `programs/late-provisioner.ts`. */
export async function lateProvisioner(cluster: Cluster): Promise<PluginSettings> {
  const path = await provide(cluster, 'late-provisioner');
  const program = ['sh', '-c', JOIN, 'sh', '{token_file}', '{data_dir}', '{labels}'];
  return {
    kind: 'provisioner',
    readyTimeoutMs: READY_MS,
    command: 'node',
    args: [path, `${MADE}/late`, '/effects/late', '--', ...program],
  };
}

interface Need {
  readonly requires: readonly { readonly key: string }[];
  readonly failures: number;
  readonly coolingUntil?: number;
  readonly request?: { readonly id: string; readonly by: string; readonly tokens: readonly string[] };
}

/** What is noted of needs that no node meets, or did not a while ago. */
export async function noted(cluster: Cluster): Promise<Need[]> {
  return (await cluster.records('/boi/provision/')).map(({ value }) => JSON.parse(value) as Need);
}
