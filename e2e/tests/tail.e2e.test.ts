/** What a task says is read from anywhere, whole, whatever becomes of the reader and of the node. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import type { Method } from '../harness/api.ts';
import { Cluster } from '../harness/cluster.ts';
import { effect, type NodeView, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({
    nodes: 3,
    // The retention of one node; logs of the others outlive the tests.
    settingsOf: (n): Record<string, string> =>
      n === 2 ? { 'log-keep': '1s' } : n === 1 ? { 'log-keep-bytes': '65536' } : {},
  });
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const onlyTask = async (spec: string): Promise<TaskView> => {
  const [task] = await cluster.json<TaskView[]>(['task', 'list', spec]);
  if (task === undefined) throw new Error(`${spec} has no task`);
  return task;
};
const run = async (command: string, more: object = {}) => {
  const spec = await cluster.dispatch({ tasks: [{ ref: 'says', run: command, ...more }] }, ['--wait']);
  return onlyTask(spec);
};
/** The bytes of its log from there on, as a node tells them that did not run it. */
const logFrom = async (task: string, offset: number): Promise<Buffer> => {
  const path = `/v1/projects/default/tasks/${task}/log?offset=${offset}`;
  const { text } = await cluster.api.ask(cluster.node(1), 'GET', path);
  const events = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { type: string; data?: string });
  return Buffer.concat(events.flatMap(({ type, data = '' }) => (type === 'data' ? Buffer.from(data, 'base64') : [])));
};

test('tee_to_disk: both streams, byte for byte, on the node that ran it', async () => {
  keepOnFailure();
  const task = await run("printf 'a\\000\\377b'; printf 'err' >&2", { requires: { at: 'node-2' } });
  const { stdout } = await cluster
    .node(2)
    .exec(['sh', '-c', `cat /var/lib/boi-node/logs/*/${task.id}.*.log | od -An -c | tr -s ' '`]);
  expect(stdout).toMatch(/a \\0 377 b/);
  expect(stdout.replaceAll(/\s/g, '')).toContain('err');
});

test('tail_from_other_node: asked of a node that did not run it', async () => {
  keepOnFailure();
  const task = await run('seq 1 1000', { requires: { at: 'node-3' } });
  const { code, stdout } = await cluster.try(['task', 'tail', task.id, '--endpoints', 'https://node-1:7440']);
  expect(code).toBe(0);
  expect(stdout.trim().split('\n')).toEqual(Array.from({ length: 1000 }, (_, i) => String(i + 1)));
  // The first byte is there within a second: all of them are.
  const beganMs = performance.now();
  expect((await logFrom(task.id, 0)).toString()).toBe(stdout);
  expect(performance.now() - beganMs).toBeLessThan(1_000);
});

test('reattach_no_gap: from any byte on, in the middle of a character too', async () => {
  keepOnFailure();
  const text = 'häßlich 😀 ende';
  const task = await run(`printf '${text}'`);
  const bytes = Buffer.from(text);
  for (const offset of [0, 2, 11]) {
    const { stdout } = await cluster.laptop.exec([
      'sh',
      '-c',
      `boi-node task tail ${task.id} --since-bytes ${offset} | od -An -tx1 | tr -d ' \\n'`,
    ]);
    expect(stdout).toBe(bytes.subarray(offset).toString('hex'));
  }
  for (const offset of bytes.keys()) expect(await logFrom(task.id, offset)).toEqual(bytes.subarray(offset));
});

test('tail_follows_reassignment: it marks the change and goes on with the next copy to its end', async () => {
  keepOnFailure();
  const again = `[ $(grep -c began /effects/follow) -gt 1 ]`;
  const command = `${effect('began', 'follow')}; echo copy-$BOI_NODE_ID; ${again} || sleep 300; echo the-end`;
  const spec = await cluster.dispatch({
    tasks: [{ ref: 'says', run: command, requires: { at: { in: ['node-2', 'node-3'] } } }],
  });
  const [first] = await until('it began', async () => {
    const began = (await cluster.effects('follow')).map(readEffect);
    return began.length > 0 && began;
  });
  const second = await cluster.json<NodeView>(['node', 'show', 'node-2']);
  const holder = second.id === first?.node ? 2 : 3;
  const args = ['boi-node', 'task', 'tail', (await onlyTask(spec)).id, '--follow'];
  const following = await cluster.laptop.begin(args, { withinMs: 90_000 });
  await until('the first copy is heard', () => following.stdout().includes('copy-nod_'));
  await cluster.node(holder).kill();
  try {
    const { code, stdout, stderr } = await following.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('the-end');
    expect(stdout.match(/copy-nod_/g)).toHaveLength(2);
    expect(stderr).toContain('delivery 2');
  } finally {
    await cluster.node(holder).start();
    await cluster.ready(cluster.node(holder));
  }
});

test('holder_gone: it says which node and since when, and shows the last output that is stored', async () => {
  keepOnFailure();
  const task = await run('echo last words', { requires: { at: 'node-3' } });
  await cluster.node(3).kill();
  try {
    await until(
      'it is known to be gone',
      async () => (await cluster.records(`/boi/nodes/${task.node?.id}`)).length === 0,
    );
    const { stderr } = await cluster.try(['task', 'tail', task.id], { withinMs: 60_000 });
    expect(stderr).toContain(task.node?.id);
    expect(stderr).toMatch(/since \d/);
    expect(stderr).toContain('last words');
  } finally {
    await cluster.node(3).start();
    await cluster.ready(cluster.node(3));
  }
});

test('traversal_refused: on every route and every command that takes a name', async () => {
  keepOnFailure();
  const names = [
    '../../../../etc/passwd',
    'tsk_../../../../etc/passwd',
    '/etc/passwd',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '..\0',
  ];
  const described = JSON.parse(await readFile(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8')) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const routes = Object.entries({ ...described.paths, '/internal/tail/{tsk}': { get: {} } })
    .filter(([path]) => path.includes('{'))
    .flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() as Method })),
    );
  expect(routes.length).toBeGreaterThan(20);
  const wrong: string[] = [];
  for (const { path, method } of routes) {
    for (const name of names) {
      // Escaped once, as a client does it, and as it is.
      for (const written of [encodeURIComponent(name), name.replace('\0', '%00')]) {
        const asked = path.replaceAll(/\{\w+\}/g, written);
        const { status, text } = await cluster.api.ask(
          cluster.node(3),
          method,
          asked,
          method === 'POST' ? {} : undefined,
        );
        if (status < 400 || status >= 500 || text.includes('root:'))
          wrong.push(`${method} ${asked}: ${status} ${text}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  const commands = [
    ...['task tail', 'task show', 'task cancel', 'task retry', 'spec show', 'spec tail', 'spec wait', 'spec cancel'],
    ...[
      'spec retry',
      'task list',
      'node show',
      'node drain',
      'node cordon',
      'group show',
      'plugin show',
      'plugin logs',
    ],
  ];
  const loop = `for c in ${commands.map((command) => `"${command}"`).join(' ')}; do
    boi-node $c ../../../../etc/passwd >/tmp/said 2>&1; echo "$? $(grep -c root: /tmp/said) $c"
  done`;
  const { stdout } = await cluster.laptop.exec(['sh', '-c', loop]);
  const said = stdout.trim().split('\n');
  expect(said).toHaveLength(commands.length);
  for (const line of said) expect(line).toMatch(/^[24] 0 /);
});

test('tail_after_done: the output of an ended task is all there, followed or not, also after its node was started again', async () => {
  keepOnFailure();
  const task = await run('echo one; echo two', { requires: { at: 'node-3' } });
  const whole = 'one\ntwo\n';
  expect(await cluster.boi(['task', 'tail', task.id])).toBe(whole);
  await cluster.node(3).stop();
  await cluster.node(3).start();
  await cluster.ready(cluster.node(3));
  expect(await cluster.boi(['task', 'tail', task.id, '--follow'])).toBe(whole);
});

test('retention: age alone, bytes alone, and never the log of a running task', async () => {
  keepOnFailure();
  const logs = async (n: number, spec: string) => {
    const { stdout } = await cluster
      .node(n)
      .exec(['sh', '-c', `ls /var/lib/boi-node/logs/${spec} 2>/dev/null | grep log$`]);
    return stdout.split('\n').filter(Boolean).sort();
  };
  const swept = async (n: number, limits: object) => {
    const script = 'cat > /tmp/limits.json; boi-node logs sweep --dry-run --config /tmp/limits.json -o json';
    const { stdout, stderr, code } = await cluster
      .node(n)
      .exec(['sh', '-c', script], { stdin: JSON.stringify(limits) });
    expect(code, stderr).toBe(0);
    return stdout;
  };
  // Age: one has ended, one still runs, in the same spec.
  const aged = await cluster.dispatch({
    tasks: [
      { ref: 'ended', run: 'echo old', requires: { at: 'node-2' } },
      { ref: 'runs', run: `echo here; ${effect('began', 'aged')}; sleep 300`, requires: { at: 'node-2' } },
    ],
  });
  const [ended, runs] = await until('one has ended, one runs', async () => {
    const tasks = await cluster.json<TaskView[]>(['task', 'list', aged]);
    return tasks[0]?.state === 'succeeded' && (await cluster.effects('aged')).length === 1 && tasks;
  });
  await delay(1_500);
  const due = await swept(2, { 'data-dir': '/var/lib/boi-node', 'log-keep': '1s' });
  expect(due).toContain(ended?.id);
  // The daemon sweeps when it starts.
  await cluster.node(2).kill();
  await cluster.node(2).start();
  await cluster.ready(cluster.node(2));
  await until(
    'the old log is gone',
    async () => !(await logs(2, aged)).some((name) => name.startsWith(ended?.id ?? '-')),
  );
  await until('the other copy runs again', async () => (await cluster.effects('aged')).length === 2);
  await until('it has its log', async () => (await logs(2, aged)).some((name) => name.startsWith(runs?.id ?? '-')));
  await cluster.boi(['spec', 'cancel', aged]);

  // Bytes: three logs of 40 kB of one spec, of which one fits.
  const big = await cluster.dispatch(
    {
      tasks: [{ ref: 'each', count: 3, run: 'head -c 40000 /dev/zero | tr "\\0" x', requires: { at: 'node-1' } }],
      concurrency: 1,
    },
    ['--wait'],
  );
  expect(await logs(1, big)).toHaveLength(3);
  const over = await swept(1, { 'data-dir': '/var/lib/boi-node', 'log-keep-bytes': 65_536 });
  const tasks = await cluster.json<TaskView[]>(['task', 'list', big]);
  const last = tasks.toSorted((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0)).at(-1);
  expect(over).not.toContain(last?.id);
  for (const { id } of tasks) if (id !== last?.id) expect(over).toContain(id);
  await cluster.node(1).kill();
  await cluster.node(1).start();
  await cluster.ready(cluster.node(1));
  await until('the oldest two are gone', async () => (await logs(1, big)).length < 2);
  expect(await logs(1, big)).toMatchObject([expect.stringContaining(last?.id ?? '-')]);
});
