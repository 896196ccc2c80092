/**
 * What plugins do wrong, as a row of the failure table: they crash in a loop, hang, and write garbage. The node lives, what it
 * runs is unharmed, everyone is told, and an operator's restart mends it. The first node has a plugin that crashes while a file
 * is there, the third has one for each way never to become ready; the second is asked about both.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeView, PluginView } from '@boi/core';
import { bundleProgram } from '@boi/plugin-host/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, seconds } from './support/figures.ts';
import type { NodeProcess } from './support/node-process.ts';
import type { Shell } from './support/shell.ts';
import { until } from './support/until.ts';

const MISBEHAVING = join(import.meta.dirname, '../../plugin-host/src/testing/misbehaving-plugin.ts');
const SECRET = 'hunter2-of-the-store';

let files: string;
let program: string;
let flag: string;
/** Names how the plugin of the first node behaves from its next start on. */
let mode: string;
let cluster: Cluster;
let crashing: NodeProcess;
let asked: NodeProcess;
let never: NodeProcess;
/** Knows the second node only. */
let shell: Shell;

function configure(node: string, plugins: Readonly<Record<string, object>>): { dataDir: string } {
  const dataDir = join(files, node);
  mkdirSync(join(dataDir, 'plugins'), { recursive: true });
  for (const [name, settings] of Object.entries(plugins))
    writeFileSync(join(dataDir, 'plugins', `${name}.json`), JSON.stringify({ kind: 'router', ...settings }));
  return { dataDir };
}

const script = (text: string, readyTimeoutMs: number) => ({ command: 'sh', args: ['-c', text], readyTimeoutMs });

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'boi-plugins-'));
  flag = join(files, 'crash');
  program = await bundleProgram(MISBEHAVING);
  mode = join(files, 'mode');
  writeFileSync(mode, 'well');
  const well = `test -e ${flag} && exit 3; exec ${process.execPath} ${program} $(cat ${mode})`;
  cluster = await Cluster.start({
    slots: 4,
    hosts: {
      'node-1': {
        ...configure('node-1', { flaky: script(well, 60_000) }),
        env: { ETCDCTL_PASSWORD: SECRET, BOI_SECRET: SECRET },
      },
      'node-2': { dataDir: join(files, 'node-2') },
      'node-3': {
        ...configure('node-3', {
          'never-ready': script('sleep 3600', 500),
          'no-socket': script('echo BOI_READY; sleep 3600', 2_000),
          garbage: script('echo Listening on port 8080; sleep 3600', 60_000),
          'wrong-major': { command: process.execPath, args: [program, 'wrong-major'], readyTimeoutMs: 60_000 },
        }),
      },
    },
  });
  [crashing, asked, never] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
  shell = await cluster.shellOf('asks', asked);
}, START_WITHIN_MS);
afterAll(async () => {
  await cluster?.stop();
  rmSync(files, { recursive: true, force: true });
});

const plugin = (node: NodeProcess, name: string) =>
  cluster.client.call('plugin.show', { params: { nod: node.id, plg: name } });
const view = (node: NodeProcess): Promise<NodeView> => shell.json<NodeView>(['node', 'show', node.id]);
const reaches = (node: NodeProcess, name: string, state: PluginView['state'], withinMs = 60_000) =>
  until(`${name} is ${state}`, async () => ((await plugin(node, name)).state === state ? true : undefined), withinMs);
const isAlive = (pid: number) => existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/** Asked of the second node until it says so; answers how long that took. */
async function untilState(node: NodeProcess, state: NodeView['state'], since = performance.now()): Promise<number> {
  await until(`${node.name} is ${state}`, async () => {
    const response = await fetch(`${asked.url}/v1/nodes/${node.id}`);
    return ((await response.json()) as NodeView).state === state;
  });
  return performance.now() - since;
}

/** When the node's log first said so from line `from` on. */
const logged = (node: NodeProcess, what: string, from: number) =>
  until(`${node.name} logs: ${what}`, () => node.log.slice(from).find(({ msg }) => msg.includes(what)), 60_000);

describe('a plugin that crashes four times within five minutes', () => {
  test('is left stopped; its node is degraded within two seconds, takes nothing, and what runs is unharmed', async () => {
    await reaches(crashing, 'flaky', 'ready');
    const daemon = crashing.pid;
    const release = join(files, 'release');
    const running = await cluster.dispatch({
      tasks: [{ ref: 'long', run: `until [ -e ${release} ]; do sleep 0.1; done`, requires: { at: crashing.name } }],
    });
    await cluster.taskIn(`${running}/long`, 'running');

    writeFileSync(flag, '');
    const from = crashing.log.length;
    process.kill((await plugin(crashing, 'flaky')).pid as number, 'SIGKILL');
    await logged(crashing, 'plugin flaky is waiting', from);
    figure('degraded, seen from another node, after the first crash', seconds(await untilState(crashing, 'degraded')));
    await logged(crashing, 'plugin flaky is unstable', from);
    const toldAt = performance.now();
    await until('the others know', async () => {
      const node = await cluster.client.call('node.show', { params: { nod: crashing.id } });
      return node.ailments?.some((what) => what.includes('unstable'));
    });
    figure('not placed on any more after the fourth crash', seconds(performance.now() - toldAt));

    expect(await plugin(crashing, 'flaky')).toMatchObject({ state: 'unstable', crashes: 4, reason: 'crashed' });
    expect(await crashing.metric('boi_core_plugin_restarts_total', 'plugin="flaky"')).toBe(3);
    expect(await crashing.metric('boi_core_plugin_unstable', 'plugin="flaky"')).toBe(1);
    await untilState(crashing, 'degraded');
    await until('the reason is told alone', async () => {
      const { ailments = [] } = await view(crashing);
      return ailments.join() === 'plugin flaky is unstable: its process ended';
    });
    const readiness = (await (await fetch(`${crashing.url}/readyz`)).json()) as object;
    expect(readiness).toMatchObject({ ready: false, plugins: [{ plugin: 'flaky', state: 'unstable' }] });
    expect(await shell.ok(['plugin', 'list', '--node', crashing.name])).toMatch(/flaky +router +unstable/);
    expect(await shell.ok(['plugin', 'logs', 'flaky', '--node', crashing.name])).toContain('boi is unstable: ');

    const waiting = await cluster.dispatch({
      tasks: [{ ref: 'next', run: 'true', requires: { at: crashing.name } }],
    });
    const task = await cluster.taskThat(`${waiting}/next`, 'says why it waits', ({ why }) => why !== undefined);
    expect(task.why?.summary).toMatch(/1 degraded/);

    expect(crashing.pid).toBe(daemon);
    expect(crashing.alive).toBe(true);
    writeFileSync(release, '');
    expect(await cluster.ended(running)).toMatchObject({ state: 'succeeded' });
    expect(await cluster.task(`${running}/long`)).toMatchObject({ attempt: 1, deliveries: 1 });
  });

  test('is unstable still after a restart of the daemon, and is not started', async () => {
    await crashing.stop();
    const from = crashing.log.length;
    crashing.launch();
    const unstable = await logged(crashing, 'plugin flaky is unstable', from);
    await logged(crashing, 'ready', from);
    expect(crashing.log.slice(from).some(({ msg }) => msg.includes('plugin flaky is starting'))).toBe(false);
    expect(unstable.level).toBe('warn');
    await untilState(crashing, 'degraded');
    expect((await fetch(`${crashing.url}/readyz`)).status).toBe(503);
  });

  test('is unstable again when it is restarted and still crashes', async () => {
    const { code, stdout } = await shell.run(['plugin', 'restart', 'flaky', '--node', crashing.name, '-o', 'json']);
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as PluginView).reason).toBe('crashed');
    await reaches(crashing, 'flaky', 'unstable');
  });

  test('comes back by a restart once it is mended, and its node with it', async () => {
    rmSync(flag);
    await shell.ok(['plugin', 'restart', 'flaky', '--node', crashing.name]);
    figure('ready, seen from another node, after the restart', seconds(await untilState(crashing, 'ready')));
    await crashing.ready();
    const { items } = await cluster.client.call('spec.list', { params: { prj: 'default' }, query: { limit: 1 } });
    expect(await cluster.ended(items[0]?.id as string)).toMatchObject({ state: 'succeeded' });
    expect(await shell.json<PluginView>(['plugin', 'show', 'flaky', '--node', crashing.name])).toMatchObject({
      state: 'ready',
      crashes: 0,
      program: 'misbehaving',
      version: '1',
      minor: 0,
      capabilities: [],
    });
  });
});

describe('a call of a plugin ends, whatever it does, and the node goes on:', () => {
  test.each([
    ['huge', 'an answer of 100 MB'],
    ['garbage-bytes', 'an answer that is no message'],
    ['hang', 'no answer'],
  ])('%s: %s', async (behaviour) => {
    const daemon = crashing.pid;
    writeFileSync(mode, behaviour);
    await shell.ok(['plugin', 'restart', 'flaky', '--node', crashing.name]);
    // Late or failed: which of the two a machine that is busy otherwise decides.
    const useless = async () =>
      (await crashing.metric('boi_core_router_answers_total')) -
      (await crashing.metric('boi_core_router_answers_total', 'outcome="used"'));
    const before = await useless();
    const client = await cluster.shellOf(behaviour, crashing);
    const spec = (
      await client.ok(['spec', 'dispatch', '-'], JSON.stringify({ tasks: [{ ref: 'any', run: 'true' }] }))
    ).trim();
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    expect(await useless()).toBeGreaterThan(before);
    expect(crashing.pid).toBe(daemon);
    expect(crashing.alive).toBe(true);
  });

  test('and a plugin that does better again is asked again', async () => {
    writeFileSync(mode, 'well');
    await shell.ok(['plugin', 'restart', 'flaky', '--node', crashing.name]);
    await untilState(crashing, 'ready');
  });
});

describe('a plugin that never becomes ready ends in a typed error, and its node lives:', () => {
  test.each([
    ['never-ready', 'unstable', 'not-ready'],
    ['garbage', 'unstable', 'garbage'],
    ['no-socket', 'unstable', 'socket-not-served'],
    ['wrong-major', 'refused', 'wrong-contract'],
  ] as const)('%s is %s', async (name, state, reason) => {
    await reaches(never, name, state);
    expect(await plugin(never, name)).toMatchObject({ state, reason });
  });

  test('all of them are named in the reasons, and the rest of the cluster works', async () => {
    await until('all are named', async () => {
      const { state, ailments = [] } = await view(never);
      const all = /garbage is unstable.*never-ready is unstable.*no-socket is unstable.*wrong-major is refused/s;
      return state === 'degraded' && ailments.length === 4 && all.test(ailments.join());
    });
    const spec = await cluster.dispatch({ tasks: [{ ref: 'any', run: 'true' }] });
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    expect((await cluster.task(`${spec}/any`)).node?.id).not.toBe(never.id);
  });
});

test('a plugin sees neither the store nor a secret of the daemon, and nobody else its socket', async () => {
  const { pid } = await plugin(crashing, 'flaky');
  const seen = ['environ', 'cmdline'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1')).join('\0');
  expect(seen).toContain('BOI_PLUGIN_SOCKET=');
  expect(seen).not.toContain(SECRET);
  expect(seen.toLowerCase()).not.toContain('etcd');
  expect(seen).not.toContain(String(cluster.etcd.port));
  expect(statSync(join(files, 'node-1', 'run')).mode & 0o777).toBe(0o700);
});

test('what a killed daemon left of its plugins is gone before they are started again', async () => {
  const { pid } = await plugin(crashing, 'flaky');
  await crashing.kill();
  expect(isAlive(pid as number)).toBe(true);
  await crashing.start();
  expect(isAlive(pid as number)).toBe(false);
  await reaches(crashing, 'flaky', 'ready');
});

describe('plugin install', () => {
  const install = (words: readonly string[]) =>
    shell.run(['plugin', 'install', 'mine', '--data-dir', join(files, 'node-2'), '--kind', 'router', ...words]);
  const file = () => join(files, 'node-2', 'plugins', 'mine.json');

  test('writes nothing unless the program answers the handshake', async () => {
    const silent = await install(['--ready-timeout', '300ms', '--', 'sleep', '60']);
    expect(silent.code).toBe(1);
    expect(silent.stderr).toContain('it did not print BOI_READY in time');
    const garbage = await install(['--', 'sh', '-c', 'echo oops >&2; echo hello; sleep 60']);
    expect(garbage.stderr).toMatch(/it printed something else than BOI_READY.*oops/s);
    const wrong = await install(['--tier', 'audit', '--', 'sleep', '60']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('/kind must be hooks where tier or events are set');
    expect(existsSync(file())).toBe(false);
  });

  test('writes the file for the next start of the daemon', async () => {
    const done = await install(['--set', 'KEY=value', '--', process.execPath, program, 'well']);
    expect(done.stderr).toContain('misbehaving 1 answered');
    expect(done.code).toBe(0);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect((await install(['--', process.execPath, program, 'well'])).stderr).toContain('--replace');
    await asked.stop();
    await asked.start();
    await reaches(asked, 'mine', 'ready');
    const { pid } = await plugin(asked, 'mine');
    expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).toContain('KEY=value');
  });

  test('a file that is wrong keeps the daemon from starting, which says where and what', async () => {
    writeFileSync(file(), '{"kind":"router","comand":"x"}');
    await asked.stop();
    const from = asked.log.length;
    asked.launch();
    expect((await asked.exited()).code).toBe(2);
    const said = asked.log
      .slice(from)
      .map(({ msg }) => msg)
      .join('\n');
    expect(said).toContain(`${file()}: /comand is no field of a plugin; did you mean "command"?`);
    await shell.ok(['plugin', 'remove', 'mine', '--data-dir', join(files, 'node-2')]);
    await asked.start();
  });
});

test('after all of it every task has exactly one record', async () => {
  expect(await cluster.findings()).toEqual([]);
});
