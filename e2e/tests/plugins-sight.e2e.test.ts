/**
 * What a plugin can see of the store, on a cluster whose store asks for certificates: a plugin of each kind, which keeps every byte it
 * is sent, looked at from the outside as well.
 */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import type { Container } from '../harness/container.ts';
import { configure, provide, reaches, START_WITHIN_MS } from '../harness/plugins.ts';
import type { TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';
import { lines, type Recorded, readable } from '../harness/witnesses.ts';

/** The founder: the one that may mint tokens, so the one that provisions. */
const AT = 1;
const KINDS = ['hooks', 'pool', 'provisioner', 'router', 'workspace'] as const;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2, tls: true });
});

afterAll(() => cluster?.remove());

const sent = (kind: string) => lines<Recorded>(cluster, kind);

/** Until it was called so. */
const called = (kind: string, method: string) =>
  until(`${kind} is asked to ${method}`, async () =>
    (await sent(kind)).some(({ path }) => path.endsWith(`/${method}`)),
  );

/** What one process is, as its host knows it. */
async function process(pid: number): Promise<{ readonly told: string; readonly open: string; readonly tcp: string[] }> {
  const read = async (command: string) => (await cluster.node(AT).exec(['sh', '-c', command])).stdout;
  const open = await read(`ls -l /proc/${pid}/fd`);
  const sockets = (await read(`cat /proc/${pid}/net/tcp /proc/${pid}/net/tcp6`))
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[9])
    .filter((inode) => inode !== undefined && open.includes(`socket:[${inode}]`));
  return { told: await read(`cat /proc/${pid}/environ /proc/${pid}/cmdline`), open, tcp: sockets as string[] };
}

test('never_sees_store: no address of it and nothing of its certificate in the environment, arguments, open files, connections or messages of a plugin of any kind', async () => {
  onTestFailed(({ task }) => cluster.keep(task.name));
  const recorder = await provide(cluster, 'recorder');
  const plugins = KINDS.map((kind) => [
    kind,
    { kind, command: 'node', args: [recorder, kind], readyTimeoutMs: START_WITHIN_MS },
  ]);
  await configure(cluster, AT, Object.fromEntries(plugins));
  for (const kind of KINDS) await reaches(cluster, AT, kind, 'ready');
  await cluster.ready(cluster.node(AT));
  const at = { requires: { at: cluster.node(AT).name } };
  const pooled = await cluster.dispatch({ tasks: [{ ref: 'pooled', run: 'true', ...at }] });
  await cluster.dispatch({ tasks: [{ ref: 'housed', run: 'true', workspace: 'somewhere', ...at }] });
  await cluster.dispatch({ tasks: [{ ref: 'nowhere', run: 'true', requires: { rare: 'yes' } }] });
  // The router that is asked is that of the node to which it is handed.
  const anywhere = ['--endpoints', `https://${cluster.node(AT).name}:7440`];
  await cluster.dispatch({ tasks: [{ ref: 'anywhere', count: 20, run: 'true' }] }, anywhere);
  await Promise.all([
    called('hooks', 'Deliver'),
    called('pool', 'Spawn'),
    called('provisioner', 'Provision'),
    called('router', 'Hint'),
    called('workspace', 'Prepare'),
  ]);

  const { stdout } = await (cluster.etcd[0] as Container).exec(['hostname', '-i']);
  const body = async (file: string) =>
    (await cluster.node(AT).exec(['sed', '-n', '2p', `/effects/tls/${file}`])).stdout.trim();
  const [key, certificate] = [await body('client.key'), await body('client.pem')];
  expect([key.length, certificate.length]).toEqual([64, 64]);
  const secrets = ['etcd-1', `${stdout.trim()}:2379`, ':2379', '/tls/client', key, certificate];
  const found = (text: string) => secrets.filter((secret) => text.includes(secret));

  // They would be found where they are: in what the daemon was told, and in what is wrapped up.
  const daemon = (await cluster.node(AT).exec(['sh', '-c', 'cat /proc/1/cmdline'])).stdout;
  expect(found(daemon)).toContain('etcd-1');
  const wrapped = Buffer.from(`token ${Buffer.from('{"boot":"https://etcd-1:2379"}').toString('base64url')}`);
  expect(found(readable([{ path: '', bytes: wrapped.toString('hex') }]))).toContain('etcd-1');
  const [task] = await cluster.json<TaskView[]>(['task', 'list', pooled]);
  expect(readable(await sent('pool'))).toContain(task?.id);
  expect(readable(await sent('provisioner'))).toContain('"boot":["https://node-1:7440"');

  for (const kind of KINDS) {
    const { pid } = await reaches(cluster, AT, kind, 'ready');
    const { told, open, tcp } = await process(pid as number);
    expect(told).toContain('BOI_PLUGIN_SOCKET=');
    expect(found(told), kind).toEqual([]);
    expect(told, kind).not.toMatch(/etcd/i);
    // Of the node's files it has none open; what it listens on is not of the network.
    expect(open, kind).toMatch(/socket:/);
    expect(open, kind).not.toMatch(/\/var\/lib\/boi-node|\/tls\//);
    expect(tcp, kind).toEqual([]);
    expect(found(readable(await sent(kind))), kind).toEqual([]);
    const { stdout: file } = await cluster.node(AT).exec(['cat', `plugins/${kind}.json`]);
    expect(found(file), kind).toEqual([]);
  }
});
