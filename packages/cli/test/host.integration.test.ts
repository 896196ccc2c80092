/**
 * What goes wrong on a host, as rows of the failure table: its disk is full, its log directory is gone, the file of kept
 * results is damaged, its clock jumps. The first node's data is on a small disk; the second runs under a clock that can be set.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { FakeTime } from './support/fake-time.ts';
import { figure } from './support/figures.ts';
import type { NodeProcess } from './support/node-process.ts';
import { SmallDisk } from './support/small-disk.ts';
import { until } from './support/until.ts';
import { Witness } from './support/witness.ts';

let cluster: Cluster;
let disk: SmallDisk;
let clock: FakeTime;
let files: string;
let small: NodeProcess;
let timeless: NodeProcess;
beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'boi-host-'));
  disk = SmallDisk.make();
  clock = new FakeTime(join(files, 'time'));
  cluster = await Cluster.start({
    proxied: true,
    hosts: { 'node-1': { dataDir: disk.dataDir }, 'node-2': { env: clock.env } },
  });
  [small, timeless] = cluster.nodes as [NodeProcess, NodeProcess];
}, START_WITHIN_MS);
afterAll(async () => {
  await cluster?.stop();
  disk?.remove();
  rmSync(files, { recursive: true, force: true });
});
afterEach(async () => {
  disk.free(small.pid);
  clock.set(0);
  await cluster.restore();
  expect(await cluster.findings()).toEqual([]);
});

let made = 0;
function fresh(): { witness: Witness; flag: string; untilFlag: string } {
  made += 1;
  const flag = join(files, `flag-${made}`);
  return {
    witness: new Witness(join(files, `witness-${made}`)),
    flag,
    untilFlag: `until [ -e ${flag} ]; do sleep 0.05; done`,
  };
}

const at = (node: NodeProcess, task: object) => ({ requires: { at: node.name }, ...task });

function cutOff(node: NodeProcess): void {
  cluster.proxy(node).refuse();
}

const logged = (node: NodeProcess, from: number, what: string) =>
  until(`it logs: ${what}`, () => node.log.slice(from).some(({ msg }) => msg.includes(what)));

describe('the disk is full', () => {
  test('a task whose output cannot be written fails with that reason; the node goes on', async () => {
    figure('the small disk', disk.kind);
    const { flag, untilFlag } = fresh();
    const spec = await cluster.dispatch({
      tasks: [
        at(small, { ref: 'floods', run: `echo up; ${untilFlag}; head -c 20000000 /dev/zero | tr '\\0' x; sleep 60` }),
      ],
    });
    await cluster.taskIn(`${spec}/floods`, 'running');
    disk.fill(small.pid);
    writeFileSync(flag, '');
    expect(await cluster.ended(spec)).toMatchObject({ state: 'failed' });
    const task = await cluster.task(`${spec}/floods`);
    expect(task).toMatchObject({
      state: 'failed',
      reason: 'disk',
      message: expect.stringContaining('cannot be written'),
    });
    await small.ready();
    disk.free(small.pid);
    const next = await cluster.dispatch({ tasks: [at(small, { ref: 'a', run: 'echo works' })] });
    expect(await cluster.ended(next)).toMatchObject({ state: 'succeeded' });
    expect(await cluster.shell.ok(['task', 'tail', `${next}/a`])).toBe('works\n');
  });

  test('a result that cannot be kept on disk while etcd is away is kept in memory, and committed', async () => {
    const { witness, flag, untilFlag } = fresh();
    const spec = await cluster.dispatch({
      tasks: [at(small, { ref: 'work', run: `${witness.says('begin')}; ${untilFlag}; ${witness.says('end')}` })],
    });
    await until('it runs', () => witness.lines('begin').length === 1);
    const from = small.log.length;
    disk.fill(small.pid);
    cutOff(small);
    writeFileSync(flag, '');
    await logged(small, from, 'kept in memory only');
    cluster.proxy(small).accept();
    await cluster.ended(spec);
    const { state, reason, fence } = await cluster.task(`${spec}/work`);
    // The end of its log has no room on the disk either: that may be what its result says.
    expect(state === 'succeeded' || reason === 'disk', `${state} ${reason}`).toBe(true);
    expect(witness.lines('begin')).toHaveLength(1);
    expect(fence).toBe(witness.lines('end')[0]?.fence);
  });
});

describe('the log directory is gone', () => {
  test('what runs ends with a clear answer, and the next task has its log', async () => {
    const { flag, untilFlag } = fresh();
    const spec = await cluster.dispatch({
      tasks: [at(small, { ref: 'work', run: `echo up; ${untilFlag}; echo down` })],
    });
    await cluster.taskIn(`${spec}/work`, 'running');
    rmSync(join(disk.dataDir, 'logs'), { recursive: true });
    writeFileSync(flag, '');
    await cluster.ended(spec);
    // Its open file is still there for it: whether that counts as written is the kernel's to say.
    const { state, reason } = await cluster.task(`${spec}/work`);
    expect(state === 'succeeded' || reason === 'disk', `${state} ${reason}`).toBe(true);
    const next = await cluster.dispatch({ tasks: [at(small, { ref: 'a', run: 'echo works' })] });
    expect(await cluster.ended(next)).toMatchObject({ state: 'succeeded' });
    expect(await cluster.shell.ok(['task', 'tail', `${next}/a`])).toBe('works\n');
  });
});

describe('the file of kept results is damaged', () => {
  test('the node starts, says so, commits what can be read and runs again what cannot', async () => {
    const node = cluster.nodes[2] as NodeProcess;
    const { witness, flag, untilFlag } = fresh();
    const run = `${witness.says('begin')}; ${untilFlag}; ${witness.says('end')}`;
    const spec = await cluster.dispatch({ tasks: [at(node, { ref: 'one', run }), at(node, { ref: 'two', run })] });
    await until('both run', () => witness.lines('begin').length === 2);
    cutOff(node);
    writeFileSync(flag, '');
    const path = join(cluster.dir, node.name, 'results.pending');
    const kept = await until('both results are on disk', () => {
      const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
      return text.split('\n').filter((line) => line.includes(' +')).length === 2 && text;
    });
    await node.kill();
    const [first = '', ...rest] = kept.split('\n');
    const damaged = `${first.slice(0, -10)}##########`;
    writeFileSync(path, [damaged, ...rest].join('\n'));
    const from = node.log.length;
    cluster.proxy(node).accept();
    await node.start();
    await logged(node, from, 'damaged lines');
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 2 } });
    expect(existsSync(`${path}.damaged`)).toBe(true);
    const lost = String(/tsk_\w+/.exec(first)?.[0]);
    for (const task of await cluster.tasks(spec)) {
      const ends = witness.lines('end').filter((line) => line.task === task.id);
      expect(ends, `${task.ref}: effects`).toHaveLength(task.id === lost ? 2 : 1);
      expect(ends.at(-1)?.fence).toBe(task.fence);
    }
  });
});

describe('the clock of a host jumps', () => {
  test.each([
    ['an hour ahead', 3_600],
    ['two hours back', -7_200],
  ])('%s: results are committed once, and a wait is as long as was meant', async (_, jumpS) => {
    const { witness, flag, untilFlag } = fresh();
    const run = `${witness.says('begin')}; ${untilFlag}; ${witness.says('end')}`;
    const spec = await cluster.dispatch({
      tasks: [
        at(timeless, { ref: 'there', run }),
        { ref: 'anywhere', count: 3, run },
        at(timeless, {
          ref: 'again',
          needs: 'there',
          retries: { max: 1, backoff: '1s' },
          run: `${witness.says('try')}; [ $BOI_ATTEMPT -eq 2 ] && ${witness.says('end')}`,
        }),
      ],
    });
    await until('they run', () => witness.lines('begin').length >= 4);
    clock.set(jumpS);
    writeFileSync(flag, '');
    const jumpedAt = performance.now();
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 5 } });
    expect(performance.now() - jumpedAt, 'not the hour of the jump').toBeLessThan(30_000);
    for (const task of await cluster.tasks(spec)) {
      const ends = witness.lines('end').filter((line) => line.task === task.id);
      expect(
        ends.filter(({ fence }) => fence === task.fence),
        task.ref,
      ).toHaveLength(1);
    }
    expect(witness.lines('try').map(({ attempt }) => attempt)).toContain(2);
    const after = await cluster.dispatch({ tasks: [at(timeless, { ref: 'a', run: 'date +%s' })] });
    await cluster.ended(after);
    const shown = (await cluster.task(`${after}/a`)).startedAt ?? 0;
    expect(Math.abs(shown - Date.now() - 1000 * jumpS), 'its own timestamps are by its own clock').toBeLessThan(60_000);
    await timeless.ready();
  });
});
