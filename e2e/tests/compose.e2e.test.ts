/** The compose file, as docs/containers.md has a reader use it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Api, type Credentials } from '../harness/api.ts';
import { docker } from '../harness/engine.ts';
import { until } from '../harness/until.ts';

const PROJECT = 'boi-e2e-compose';
const FILE = join(dirname(import.meta.dirname), '../docker/compose.yaml');
const PROJECT_LABEL = `com.docker.compose.project=${PROJECT}`;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: readonly string[], env: Readonly<Record<string, string>>, stdin = ''): Promise<Ended> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env: { ...process.env, ...env } });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      said[stream] += chunk.toString();
    });
  }
  child.stdin.end(stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

/** The plugin of the command, or the program of that name. */
async function composeCommand(): Promise<readonly string[]> {
  const plugin = await run(['docker', 'compose', 'version'], {});
  return plugin.code === 0 ? ['docker', 'compose'] : ['docker-compose'];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

const left = async () => {
  const filters = { label: [PROJECT_LABEL] };
  const { Volumes } = await docker.listVolumes({ filters });
  return [
    ...(await docker.listContainers({ all: true, filters })).map(({ Names }) => Names[0]),
    ...(await docker.listNetworks({ filters })).map(({ Name }) => Name),
    ...(Volumes ?? []).map(({ Name }) => Name),
  ];
};

let down: (() => Promise<Ended>) | undefined;
afterAll(() => down?.());

test('compose_quickstart: up, three nodes, a dispatch from the host, down, and nothing is left', async () => {
  const env = { BOI_PORT: String(await freePort()) };
  const compose = [...(await composeCommand()), '-p', PROJECT, '-f', FILE];
  down = () => run([...compose, 'down', '--volumes', '--timeout', '5'], env);
  // What an earlier run left, were it killed.
  await down();
  const up = await run([...compose, 'up', '-d'], env);
  expect(up.code, up.stderr).toBe(0);
  const boi = (args: readonly string[], stdin = '') =>
    run([...compose, 'exec', '-T', 'node-1', 'boi-node', ...args], env, stdin);
  const identity = ['context', 'add', 'here', 'https://node-1:7440', '--identity', '/var/lib/boi-node/identity'];
  expect(await boi(identity)).toMatchObject({ code: 0 });
  await until(
    'three nodes are ready',
    async () => {
      const { stdout } = await boi(['node', 'list', '-o', 'json']);
      return (JSON.parse(stdout) as { state: string }[]).filter(({ state }) => state === 'ready').length === 3;
    },
    90_000,
  );
  const spec = JSON.stringify({ tasks: [{ ref: 'each', count: 6, run: 'hostname' }] });
  const ran = await boi(['spec', 'dispatch', '-', '--format', 'json', '--tail'], spec);
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stderr).toMatch(/node-[123]$/m);
  // From this host, by the port that the file publishes on it.
  const bundle = '/tmp/host.json';
  expect(await boi(['user', 'create', 'host', '--role', 'operator', '--out', bundle])).toMatchObject({ code: 0 });
  const { stdout: credentials } = await run([...compose, 'exec', '-T', 'node-1', 'cat', bundle], env);
  const api = new Api(JSON.parse(credentials) as Credentials);
  const place = { host: '127.0.0.1', port: Number(env.BOI_PORT), servername: 'node-1' };
  const answer = await api.askAt(place, 'POST', '/v1/projects/default/specs', { source: spec, format: 'json' });
  api.close();
  expect(answer.status, answer.text).toBe(201);
  const { id } = JSON.parse(answer.text) as { id: string };
  expect(await boi(['spec', 'wait', id])).toMatchObject({ code: 0 });
  expect((await down()).code).toBe(0);
  expect(await left()).toEqual([]);
}, 240_000);
