/**
 * Plugins that are late, lie, crash and speak another version, on the second node; the first one is asked about it. What a plugin
 * said is witnessed by the plugin itself.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import { removeImage } from '../harness/image.ts';
import {
  commandLines,
  configure,
  type PluginSettings,
  type PluginView,
  provide,
  reaches,
  START_WITHIN_MS,
  signal,
} from '../harness/plugins.ts';
import { withPython } from '../harness/python.ts';
import { effect, type NodeView, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';
import { lines, type Spoken, type Wishes } from '../harness/witnesses.ts';

const AT = 2;
const ROOT = join(import.meta.dirname, '../..');
const PROTO = join(ROOT, 'proto');
const EXAMPLE = join(ROOT, 'examples/plugins/hooks-python');

const run = promisify(execFile);

let cluster: Cluster;
let speaker: string;
let python: string | undefined;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2 });
  speaker = await provide(cluster, 'speaker');
});

afterAll(async () => {
  await cluster?.remove();
  if (python !== undefined) await removeImage(python);
});

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const node = () => cluster.node(AT);
const spoken = (file: string) => lines<Spoken>(cluster, file);

/** A router plugin that writes to `/effects/NAME` what it is. */
const speaks = (name: string, wishes: Wishes = {}, more: PluginSettings = {}): PluginSettings => ({
  ...{ kind: 'router', command: 'node', readyTimeoutMs: START_WITHIN_MS },
  args: [speaker, `/effects/${name}`, JSON.stringify(wishes)],
  ...more,
});

/** As the first node has it, which placed nothing on it if it is closed. */
async function seen(): Promise<NodeView & { readonly ailments?: readonly string[] }> {
  const { text } = await cluster.api.ask(cluster.node(1), 'GET', `/v1/nodes/${node().name}`);
  return JSON.parse(text) as NodeView;
}

const there = (ref: string, run: string) => ({ tasks: [{ ref, run, requires: { at: node().name } }] });

async function onlyTask(spec: string): Promise<TaskView> {
  const [task] = await cluster.json<TaskView[]>(['task', 'list', spec]);
  if (task === undefined) throw new Error(`${spec} has no task`);
  return task;
}

const list = () => cluster.json<PluginView[]>(['plugin', 'list', '--node', node().name]);

test('ready_signal_required: one that serves everything but does not say so in time is killed with its children and counts as crashed; the next, which says so, is ready', async () => {
  keepOnFailure();
  const silent = speaks('silent', { silentWithout: '/effects/silent-may' }, { readyTimeoutMs: 6_000 });
  await configure(cluster, AT, { silent });
  const [first] = await until('it is started again', async () => {
    const processes = await spoken('silent');
    return processes.length === 2 && processes;
  });
  await cluster.say('silent-may', '');
  // A process group is gone before the next is started.
  for (const pid of [first?.pid, first?.child])
    expect((await node().exec(['ls', `/proc/${pid}`])).stderr).toContain('No such file');
  expect(await node().logs()).toContain('plugin silent: it did not print BOI_READY in time');
  const { pid, crashes } = await reaches(cluster, AT, 'silent', 'ready');
  expect(crashes).toBeGreaterThan(0);
  const last = (await spoken('silent')).at(-1);
  expect(pid).toBe(last?.pid);
  expect((await node().exec(['ls', `/proc/${last?.child}`])).code).toBe(0);
  await cluster.ready(node());
});

test('handshake_capabilities: what a process drew at random and said is what is listed, and so with the next process', async () => {
  keepOnFailure();
  await configure(cluster, AT, { says: speaks('says') });
  await reaches(cluster, AT, 'says', 'ready');
  await cluster.ready(node());
  const heard = async () => {
    const { pid, name, version, capabilities } = (await spoken('says')).at(-1) as Spoken;
    const [plugin] = await list();
    expect(plugin).toMatchObject({ state: 'ready', pid, program: name, version, capabilities });
    const table = await cluster.boi(['plugin', 'list', '--node', node().name, '-o', 'wide']);
    for (const word of [name, version, ...capabilities]) expect(table).toContain(word);
    return capabilities;
  };
  const first = await heard();
  await cluster.boi(['plugin', 'restart', 'says', '--node', node().name]);
  expect(await heard()).not.toEqual(first);
});

test('major_mismatch_rejected: one that serves the next major version alone is refused and not started again; a later minor is taken, with one warning', async () => {
  keepOnFailure();
  await configure(cluster, AT, { next: speaks('next', { contract: 2 }), later: speaks('later', { minor: 7 }) });
  const refused = await reaches(cluster, AT, 'next', 'refused');
  expect(refused).toMatchObject({ reason: 'wrong-contract', crashes: 0 });
  const first = await reaches(cluster, AT, 'later', 'ready');
  expect(first.minor).toBe(7);
  const warnings = async () =>
    (await node().logs()).split('\n').filter((line) => line.includes('minor 7') && line.includes('later'));
  await until('it is warned of', async () => (await warnings()).length === 1);
  // Its next process says the same: that is known.
  await signal(cluster, AT, first.pid, 'KILL');
  await reaches(cluster, AT, 'later', 'ready', first.pid);
  expect(await warnings()).toHaveLength(1);
  expect(await spoken('later')).toHaveLength(2);
  expect(await spoken('next')).toHaveLength(1);
  expect(await commandLines(cluster, AT)).not.toContain('/effects/next');
  await until('the refused one alone ails the node', async () => {
    const { state, ailments } = await seen();
    return state === 'degraded' && ailments?.length === 1 && /^plugin next is refused/.test(ailments.join());
  });
  await cluster.dispatch(there('works', 'true'), ['--wait']);
});

test('crash_restarts: three faults give three new processes; the fourth leaves it stopped and closes the node, which stays a member; a restart mends it', async () => {
  keepOnFailure();
  await configure(cluster, AT, { crashing: speaks('crashing') });
  let { pid } = await reaches(cluster, AT, 'crashing', 'ready');
  await cluster.ready(node());
  const { epoch, id } = await seen();
  for (let fault = 1; fault <= 3; fault++) {
    await signal(cluster, AT, pid, 'SEGV');
    ({ pid } = await reaches(cluster, AT, 'crashing', 'ready', pid));
  }
  const pids = (await spoken('crashing')).map((one) => one.pid);
  expect(new Set(pids).size).toBe(4);
  expect(pids).toHaveLength(4);
  await until('it is well', async () => (await seen()).state === 'ready');
  await signal(cluster, AT, pid, 'SEGV');
  const atMs = performance.now();
  const after = await until('the other node knows', async () => {
    const view = await seen();
    return /unstable/.test(view.ailments?.join() ?? '') && view;
  });
  expect(performance.now() - atMs).toBeLessThan(2_000);
  expect(after).toMatchObject({ state: 'degraded', epoch });
  expect(await reaches(cluster, AT, 'crashing', 'unstable')).toMatchObject({ reason: 'crashed', crashes: 4 });
  expect(await node().logs()).toContain('SIGSEGV');

  // What could run on either runs on the other one; what must run there waits and says why.
  await cluster.dispatch({ tasks: [{ ref: 'each', count: 20, run: effect('ran', 'elsewhere') }] }, ['--wait']);
  const ran = (await cluster.effects('elsewhere')).map(readEffect);
  expect(ran.filter((one) => one.node === id)).toEqual([]);
  expect(ran).toHaveLength(20);
  const waiting = await cluster.dispatch(there('waits', 'true'));
  await until('it says why it waits', async () => /1 degraded/.test((await onlyTask(waiting)).why?.summary ?? ''));
  expect((await seen()).epoch).toBe(epoch);
  expect(await spoken('crashing')).toHaveLength(4);

  await cluster.boi(['plugin', 'restart', 'crashing', '--node', node().name]);
  await cluster.ready(node());
  await cluster.boi(['spec', 'wait', waiting]);
});

test('crash_spares_core: while its plugin crashes until it is unstable, a task runs on, in the same daemon and the same session', async () => {
  keepOnFailure();
  await configure(cluster, AT, { fragile: speaks('fragile') });
  let { pid } = await reaches(cluster, AT, 'fragile', 'ready');
  await cluster.ready(node());
  // A container ends with its daemon: the same first process, the same daemon.
  const [{ epoch }, daemon] = [await seen(), await node().pid()];
  const may = 'until [ -e /effects/spared-may ]; do sleep 0.1; done';
  const spec = await cluster.dispatch(
    there('spared', `${effect('began', 'spared')}; ${may}; ${effect('ended', 'spared')}`),
  );
  await until('it runs', async () => (await cluster.effects('spared')).length === 1);
  for (let crash = 1; crash <= 3; crash++) {
    await signal(cluster, AT, pid, 'SEGV');
    ({ pid } = await reaches(cluster, AT, 'fragile', 'ready', pid));
  }
  await signal(cluster, AT, pid, 'SEGV');
  await reaches(cluster, AT, 'fragile', 'unstable');
  await cluster.say('spared-may', '');
  await cluster.boi(['spec', 'wait', spec]);
  expect((await cluster.effects('spared')).map((line) => readEffect(line).word)).toEqual(['began', 'ended']);
  expect(await onlyTask(spec)).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(await node().pid()).toBe(daemon);
  expect((await seen()).epoch).toBe(epoch);
});

test('polyglot: the plugin in Python, built from the contracts alone, has every event of the tasks of its node', async () => {
  keepOnFailure();
  const [contracts, built] = [await mkdtemp(join(tmpdir(), 'boi-proto-')), await cluster.folder('python')];
  try {
    // Nothing of this repository but the contracts.
    await cp(PROTO, contracts, {
      recursive: true,
      filter: (path) => !/\.[a-z]+$/.test(path) || path.endsWith('.proto'),
    });
    await run(join(EXAMPLE, 'build.sh'), [built.here], { env: { ...process.env, BOI_PROTO: contracts } });
  } finally {
    await rm(contracts, { recursive: true });
  }
  const program = await cluster.share('hooks_python.py', join(EXAMPLE, 'hooks_python.py'));
  python = await withPython();
  const polyglot = {
    ...{
      kind: 'hooks',
      tier: 'audit',
      command: 'python3',
      args: [program, '/effects/polyglot'],
      readyTimeoutMs: 30_000,
    },
    env: { HOOKS_PYTHON_BUILD: built.there, PYTHONDONTWRITEBYTECODE: '1' },
  };
  await configure(cluster, AT, { polyglot }, python);
  await reaches(cluster, AT, 'polyglot', 'ready');
  await cluster.ready(node());
  expect((await list())[0]).toMatchObject({ program: 'hooks-python', version: '0.1.0', minor: 0 });
  const spec = await cluster.dispatch(
    { tasks: [{ ref: 'each', count: 30, run: 'true', requires: { at: node().name } }] },
    ['--wait'],
  );
  const tasks = (await cluster.json<TaskView[]>(['task', 'list', spec])).map(({ id }) => id);
  const completed = async () =>
    (await cluster.effects('polyglot'))
      .map((line) => line.split(' '))
      .filter(([, , kind]) => kind === 'task_completed');
  await until('it has all', async () => (await completed()).length >= tasks.length);
  expect((await completed()).map(([, , , task]) => task).toSorted()).toEqual(tasks.toSorted());
  const sequences = (await cluster.effects('polyglot')).map((line) => Number(line.split(' ')[0]));
  expect(sequences).toEqual(sequences.map((_, i) => i + 1));
});
