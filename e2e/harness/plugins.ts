/** Plugins of nodes: programs made for the tests (`programs/`), put where all nodes see them, configured as an operator does it by hand. */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bundleProgram } from '@boi/plugin-host/testing';
import type { Cluster } from './cluster.ts';
import { until } from './until.ts';

export interface PluginView {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly crashes: number;
  readonly pid?: number;
  readonly reason?: string;
  readonly program?: string;
  readonly version?: string;
  readonly minor?: number;
  readonly capabilities?: readonly string[];
}

/** For a plugin of which nothing else is asked: a machine that is busy starts one late. */
export const START_WITHIN_MS = 60_000;

/** What stands in its file. */
export type PluginSettings = Readonly<Record<string, unknown>>;

/** Bundles a program of `programs/`, or another one; answers its path on the nodes, for `node`. */
export async function provide(cluster: Cluster, name: string, entry?: string): Promise<string> {
  const program = await bundleProgram(entry ?? join(import.meta.dirname, 'programs', `${name}.ts`));
  const path = await cluster.share(`${name}.cjs`, program);
  await rm(dirname(program), { recursive: true });
  return path;
}

/** Bundles one that is shipped with the project, by the name of its folder. */
export function provideShipped(cluster: Cluster, name: string): Promise<string> {
  return provide(cluster, name, join(import.meta.dirname, '../../plugins', name, 'src/main.ts'));
}

/** The node has these plugins, no others, and was started again with them, in another image if one is named: they are begun, not more. */
export async function configure(
  cluster: Cluster,
  n: number,
  plugins: Readonly<Record<string, PluginSettings>>,
  image?: string,
): Promise<void> {
  const node = cluster.node(n);
  const files = Object.entries(plugins).map(
    ([name, settings]) => `cat >plugins/${name}.json <<'END'\n${JSON.stringify(settings)}\nEND`,
  );
  const script = ['umask 077', 'mkdir -p plugins', 'rm -f plugins/*.json', ...files].join('\n');
  const { code, stderr } = await node.exec(['sh', '-ec', script]);
  if (code !== 0) throw new Error(`plugins of ${node.name}: ${stderr}`);
  await node.stop();
  if (image === undefined) await node.start();
  else await cluster.replace(n, { image });
  const names = Object.keys(plugins).sort().join();
  await until(`the plugins of ${node.name} are begun`, async () => {
    const begun = await pluginsOf(cluster, n);
    return begun.map(({ name }) => name).join() === names;
  });
}

/** As the node itself says. */
export async function pluginsOf(cluster: Cluster, n: number): Promise<PluginView[]> {
  const { status, text } = await cluster.api.ask(cluster.node(n), 'GET', '/v1/nodes/local/plugins');
  if (status !== 200) throw new Error(`node-${n} answers ${status}: ${text}`);
  return (JSON.parse(text) as { items: PluginView[] }).items;
}

/** Waits until the plugin is in that state, with another process than `notPid` if one is named. */
export function reaches(
  cluster: Cluster,
  n: number,
  name: string,
  state: string,
  notPid?: number,
): Promise<PluginView> {
  return until(`plugin ${name} is ${state}`, async () => {
    const plugin = (await pluginsOf(cluster, n)).find((one) => one.name === name);
    return plugin?.state === state && (plugin.pid === undefined || plugin.pid !== notPid) && plugin;
  });
}

/** A signal to one process of the node. */
export async function signal(cluster: Cluster, n: number, pid: number | undefined, name: string): Promise<void> {
  const { code, stderr } = await cluster.node(n).exec(['sh', '-c', `kill -s ${name} ${pid}`]);
  if (code !== 0) throw new Error(`${name} to ${pid}: ${stderr}`);
}

/** The command lines of all processes of the node. */
export async function commandLines(cluster: Cluster, n: number): Promise<string> {
  const { stdout } = await cluster.node(n).exec(['sh', '-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "']);
  return stdout;
}
