/**
 * The plugins for Docker on a real engine, the one the suite runs on: node-1 makes further nodes as containers beside itself, node-2
 * runs every task in a container beside itself. What an engine cannot be made to do at a given moment is in the plugins' own tests.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PluginChannel, releaseTask, spawnTask, tailTask } from '@boi/plugin-host';
import { type Lab, openLab } from '@boi/plugin-host/testing';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster, IMAGE } from '../harness/cluster.ts';
import { docker, LABEL } from '../harness/engine.ts';
import { configure, pluginsOf, reaches, signal } from '../harness/plugins.ts';
import { effect, type NodeView, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

const ROOT = join(import.meta.dirname, '../..');
const DATA = '/var/lib/boi-node';
const program = (name: string) => [join(ROOT, 'plugins', name, 'dist/main.js')];
/** Two files of tests at once may make for a slow start. */
const patient = { readyTimeoutMs: 60_000 };
/** On all that the plugins make: swept with the rest. */
const mark = () => ['--label', `${LABEL}=${cluster.id}`];

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2, engineOf: () => true, settings: { 'provision-idle': '3s' } });
  const made = ['--image', IMAGE, '--network', cluster.network, '--offers', 'gpu=a100', ...mark()];
  const quick = ['BOI_SLOTS=2', 'BOI_SESSION_TTL=3s', 'BOI_SHUTDOWN_DRAIN=1s'].flatMap((pair) => ['--env', pair]);
  const effects = ['--mount', `${cluster.shared}:/effects`];
  const makes = {
    ...patient,
    kind: 'provisioner',
    command: 'boi-provisioner-docker',
    args: [...made, ...quick, ...effects],
  };
  const path = ['--path', `${DATA}=${await cluster.diskOf(2)}`];
  const runs = {
    ...patient,
    kind: 'pool',
    command: 'boi-pool-docker',
    args: ['--image', IMAGE, '--pull', 'never', ...path, ...effects, ...mark()],
  };
  await Promise.all([configure(cluster, 1, { makes }), configure(cluster, 2, { runs })]);
  await Promise.all([reaches(cluster, 1, 'makes', 'ready'), reaches(cluster, 2, 'runs', 'ready')]);
  await cluster.ready(...cluster.nodes);
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const containers = (...labels: string[]) =>
  docker.listContainers({ all: true, filters: { label: [`${LABEL}=${cluster.id}`, ...labels] } });
/** A task in a container of the pool. */
const pooled = (run: string, options: Readonly<Record<string, string>> = {}, more: object = {}) => ({
  tasks: [{ ref: 'it', run, pool: { plugin: 'runs', options }, ...more }],
});
const onlyTask = async (spec: string): Promise<TaskView> => {
  const [task] = await cluster.json<TaskView[]>(['task', 'list', spec]);
  return cluster.json<TaskView>(['task', 'show', task?.id ?? '']);
};
/** However it ended; a busy machine is given time to start containers. */
const ended = (spec: string) => cluster.try(['spec', 'wait', spec], { withinMs: 180_000 });
/** Its container, when it runs. */
const containerOf = (task: string) =>
  until('its container runs', async () => {
    const [one] = await containers(`boi.pool.task=${task}`);
    return one?.State === 'running' && docker.getContainer(one.Id);
  });
const noneLeft = (label: string) =>
  until(`no container with ${label} is left`, async () => (await containers(label)).length === 0);

/** `boi-node plugin test` on this host: the kit's directories must be where the engine is. */
async function judged(kind: string, ...words: readonly string[]): Promise<{ code: number; said: string }> {
  const command = join(ROOT, 'packages/cli/bin/boi-node.js');
  const kit = spawn(process.execPath, [
    command,
    'plugin',
    'test',
    '--kind',
    kind,
    ...hostEngine(),
    '--',
    process.execPath,
    ...words,
  ]);
  let said = '';
  for (const stream of [kit.stdout, kit.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  const [code] = (await once(kit, 'close')) as [number];
  return { code, said };
}
const hostEngine = () => {
  const { DOCKER_HOST } = process.env;
  return DOCKER_HOST === undefined ? [] : ['--set', `DOCKER_HOST=${DOCKER_HOST}`];
};

test('docker_plugins_conform: the whole kit, each on the real engine, and nothing is left', async () => {
  keepOnFailure();
  const provisioner = await judged('provisioner', ...program('provisioner-docker'), '--image', 'boi-etcd', ...mark());
  expect(provisioner.code, provisioner.said).toBe(0);
  const pool = await judged('pool', ...program('pool-docker'), '--image', IMAGE, '--pull', 'never', ...mark());
  expect(pool.code, pool.said).toBe(0);
  expect(await containers('boi.pool.task')).toEqual([]);
  expect(await containers('boi.provisioner.request')).toEqual([]);
});

test('container_joins_and_runs: a task that no node can run has a container made, which joins by its token, runs it, and goes when idle', async () => {
  keepOnFailure();
  const before = (await cluster.json<NodeView[]>(['node', 'list'])).map(({ id }) => id);
  const spec = await cluster.dispatch({
    tasks: [{ ref: 'it', run: `${effect('ran', 'made')}; sleep 2`, requires: { gpu: 'a100' } }],
  });
  const inspected = await until('a container is made and runs', async () => {
    const [one] = await containers('boi.provisioner.request');
    return one?.State === 'running' && docker.getContainer(one.Id).inspect();
  });
  const request = inspected.Config.Labels['boi.provisioner.request'];
  // A token is a signed text of three parts, each long.
  expect(JSON.stringify(inspected)).not.toMatch(/eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/);
  await ended(spec);
  const task = await onlyTask(spec);
  expect(task).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(before).not.toContain(task.node?.id);
  expect((await cluster.effects('made')).map(readEffect)).toMatchObject([{ task: task.id, node: task.node?.id }]);
  const member = await cluster.json<NodeView & { capabilities: object }>(['node', 'show', task.node?.id ?? '']);
  expect(member.capabilities).toMatchObject({ gpu: 'a100', 'boi.request': request });
  await noneLeft('boi.provisioner.request');
  await until('it is no member', async () => (await cluster.records('/boi/provisioned/')).length === 0);
  expect((await cluster.json<NodeView[]>(['node', 'list'])).map(({ id }) => id)).toEqual(before);
});

test('task_in_container: its output, outputs and limits, and nothing is left of it', async () => {
  keepOnFailure();
  const run = `echo out; echo err >&2; echo size=7 >>"$BOI_OUTPUT"; while [ ! -e /effects/go ]; do sleep 0.05; done; hostname`;
  const spec = await cluster.dispatch(
    pooled(run, { cpus: '0.5', memory: '64MiB' }, { verify: ['test -s "$BOI_OUTPUT"'] }),
  );
  const { id } = await onlyTask(spec);
  const inspected = await (await containerOf(id)).inspect();
  expect(inspected.HostConfig).toMatchObject({ NanoCpus: 5e8, Memory: 2 ** 26, MemorySwap: 2 ** 26 });
  await cluster.say('go', '');
  await ended(spec);
  expect(await onlyTask(spec)).toMatchObject({ state: 'succeeded', outputs: { size: '7' } });
  // It had a host name of its own: that of the container.
  expect(await cluster.boi(['task', 'tail', id])).toBe(`out\n${inspected.Id.slice(0, 12)}\n`);
  await noneLeft('boi.pool.task');
});

test('plugin_killed_mid_output: the log is byte for byte what was written, in one container', async () => {
  keepOnFailure();
  const say = 'for i in 0 1 2 3 4 5 6 7; do dd if=all bs=50000 skip=$i count=1 2>/dev/null; sleep 0.4; done';
  const sum = `echo "sum=$(sha256sum all | cut -d ' ' -f 1)" >>"$BOI_OUTPUT"`;
  const spec = await cluster.dispatch(
    pooled(`head -c 400000 /dev/urandom >all; ${sum}; ${effect('began', 'bytes')}; ${say}`),
  );
  const { id } = await onlyTask(spec);
  await until('it has begun', async () => (await cluster.effects('bytes')).length > 0);
  for (let kill = 0; kill < 2; kill++) {
    const [{ pid } = { pid: undefined }] = await pluginsOf(cluster, 2);
    await signal(cluster, 2, pid, 'KILL');
    await reaches(cluster, 2, 'runs', 'ready', pid);
  }
  await ended(spec);
  const task = (await onlyTask(spec)) as TaskView & { outputs?: { sum?: string } };
  expect(task).toMatchObject({ state: 'succeeded', attempt: 1 });
  const tail = await cluster.laptop.exec(['sh', '-c', `boi-node task tail ${id} | sha256sum`]);
  expect(tail.stdout.split(' ')[0]).toBe(task.outputs?.sum);
  expect(await cluster.effects('bytes')).toHaveLength(1);
  expect((await pluginsOf(cluster, 2))[0]?.crashes).toBe(2);
  // For the tests after this one: as few crashes as it may have.
  await cluster.boi(['plugin', 'restart', 'runs', '--node', 'node-2']);
});

test('cancel_in_container: TERM and the grace, force for what does not hear it, and the container is gone', async () => {
  keepOnFailure();
  const polite = await cluster.dispatch(
    pooled(`trap 'echo bye; exit 3' TERM; ${effect('up', 'polite')}; while :; do sleep 0.05; done`),
  );
  await until('it is up', async () => (await cluster.effects('polite')).length > 0);
  await cluster.boi(['spec', 'cancel', polite]);
  await ended(polite);
  const task = await onlyTask(polite);
  expect(task.state).toBe('cancelled');
  expect(await cluster.boi(['task', 'tail', task.id])).toContain('bye\n');

  const deaf = await cluster.dispatch(pooled(`trap '' TERM; ${effect('up', 'deaf')}; while :; do sleep 0.05; done`));
  await until('it is up', async () => (await cluster.effects('deaf')).length > 0);
  await cluster.boi(['spec', 'cancel', deaf]);
  await cluster.boi(['spec', 'cancel', deaf]);
  await ended(deaf);
  expect((await onlyTask(deaf)).state).toBe('cancelled');
  await noneLeft('boi.pool.task');
});

test('start_failure_told: no such image, an option that is none, more memory than is allowed', async () => {
  keepOnFailure();
  const failed = async (run: string, options: Readonly<Record<string, string>>) => {
    const spec = await cluster.dispatch(pooled(run, options));
    await ended(spec);
    return JSON.stringify(await onlyTask(spec));
  };
  expect(await failed('true', { image: 'nobody/nothing:1' })).toContain(
    'image nobody/nothing:1: the engine does not have it',
  );
  expect(await failed('true', { gpu: '1' })).toContain('option gpu: there are image, cpus and memory');
  // Three of them in a row, and the node would rest.
  expect(await failed('tail /dev/zero', { memory: '32MiB' })).toContain('SIGKILL');
  await noneLeft('boi.pool.task');
});

test('node_killed_with_containers: what runs is taken up by the next life of the daemon, in the same container, and is gone afterwards', async () => {
  keepOnFailure();
  const spec = await cluster.dispatch(
    pooled(`${effect('began', 'left')}; while [ ! -e /effects/over ]; do sleep 0.05; done; ${effect('ended', 'left')}`),
  );
  await until('it has begun', async () => (await cluster.effects('left')).length > 0);
  const { id } = await onlyTask(spec);
  const before = await containers(`boi.pool.task=${id}`);
  await cluster.node(2).kill();
  await cluster.node(2).start();
  await cluster.ready(cluster.node(2));
  expect((await containers(`boi.pool.task=${id}`)).map(({ Id }) => Id)).toEqual(before.map(({ Id }) => Id));
  await cluster.say('over', '');
  await ended(spec);
  expect(await onlyTask(spec)).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect((await cluster.effects('left')).map(readEffect)).toMatchObject([
    { word: 'began', task: id },
    { word: 'ended', task: id },
  ]);
  await noneLeft('boi.pool.task');
});

/** Processes of the pool plugin on this host, each of a node of its own; and a task id. */
async function onHost(names: readonly string[], work: (channels: PluginChannel[], lab: Lab) => Promise<void>) {
  const lab = await openLab();
  try {
    const args = [...program('pool-docker'), '--image', IMAGE, '--pull', 'never', ...mark()];
    const { DOCKER_HOST } = process.env;
    const env = DOCKER_HOST === undefined ? {} : { DOCKER_HOST };
    const channels = names.map(async (name) => {
      const config = { ...patient, name, kind: 'pool' as const, command: process.execPath, args, env };
      const supervisor = lab.supervisor(config);
      await supervisor.start();
      return supervisor.untilReady();
    });
    await work(await Promise.all(channels), lab);
  } finally {
    await lab.close();
    const left = await containers('boi.pool.task');
    await Promise.all(left.map(({ Id }) => docker.getContainer(Id).remove({ force: true })));
  }
}

test('bytes_kept: whatever is written, with and without ends of lines, around the sizes at which the engine cuts', async () => {
  keepOnFailure();
  const line = (bytes: number) => 'x'.repeat(bytes);
  const cuts = [16_383, 16_384, 16_385, 32_768];
  const texts: Readonly<Record<string, string>> = {
    nothing: '',
    unended: 'one\ntwo',
    ends: '\n\n\r\n\n',
    ...Object.fromEntries(cuts.map((bytes) => [`line-${bytes}`, line(bytes)])),
    ...Object.fromEntries(cuts.map((bytes) => [`ended-${bytes}`, `${line(bytes)}\nmore\n`])),
  };
  const written = [
    ...Object.entries(texts).map(([name, text]) => ({ name, bytes: Buffer.from(text) })),
    { name: 'random', bytes: randomBytes(300_000) },
  ];
  await onHost(['bytes'], async ([channel], { directory }) => {
    if (channel === undefined) throw new Error('there is no channel');
    for (const { name, bytes } of written) {
      await writeFile(join(directory, name), bytes);
      const key = { taskId: `tsk_${name}`, fence: '1' };
      await spawnTask(channel, { ...key, argv: ['/bin/cat', name], env: {}, workdir: directory });
      const read: Buffer[] = [];
      const told = await tailTask(channel, key, {
        fromOffset: 0,
        onOutput: ({ data }) => {
          read.push(data);
          return true;
        },
      });
      expect(told, name).toMatchObject({ exitCode: 0, endOffset: String(bytes.length) });
      expect(Buffer.concat(read).equals(bytes), name).toBe(true);
      await releaseTask(channel, key);
    }
  });
});

test('one_claim_one_container: two nodes on one engine, the same claim at once; and an older one is refused', async () => {
  keepOnFailure();
  await onHost(['one', 'two'], async (channels) => {
    const taskId = 'tsk_of-two-nodes';
    const request = (fence: string) => ({ taskId, fence, argv: ['sleep', '600'], env: { PATH: '/usr/bin:/bin' } });
    const answers = await Promise.all([...channels, ...channels].map((channel) => spawnTask(channel, request('20'))));
    expect(answers.filter(({ alreadySpawned }) => !alreadySpawned)).toHaveLength(1);
    expect(new Set(answers.map(({ handle }) => handle)).size).toBe(1);
    for (const channel of channels)
      await expect(spawnTask(channel, request('19'))).rejects.toMatchObject({ reason: 'refused' });
    expect(await containers(`boi.pool.task=${taskId}`)).toMatchObject([{ State: 'running' }]);
  });
});
