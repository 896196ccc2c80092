/**
 * A daemon that is killed while a pool runs its tasks, as a row of the failure table: its next life takes them up. Two nodes with a
 * pool each, `pool-process` as a program of its own; the second one shows what comes of the same tasks when the first stays away.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EtcdStore, type LeaseId } from '@boi/store';
import { systemClock, systemRandom } from '@boi/system';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, seconds } from './support/figures.ts';
import type { NodeProcess } from './support/node-process.ts';
import { taskProcesses } from './support/processes.ts';
import { until } from './support/until.ts';
import { Witness } from './support/witness.ts';

const PLUGIN = join(import.meta.dirname, '../../../plugins/pool-process/dist/main.js');
/** Daemons are started again in these tests, which a busy machine takes its time for. */
const WITHIN_MS = 180_000;

let files: string;
let cluster: Cluster;
let first: NodeProcess;
let second: NodeProcess;
let witness: Witness;

/** Of a node with a pool, as an operator writes it. */
function withPool(name: string): { dataDir: string } {
  const dataDir = join(files, name);
  mkdirSync(join(dataDir, 'plugins'), { recursive: true, mode: 0o700 });
  const config = { kind: 'pool', command: process.execPath, args: [PLUGIN, '--state', join(files, `${name}-runs`)] };
  writeFileSync(join(dataDir, 'plugins', 'apart.json'), JSON.stringify(config), { mode: 0o600 });
  return { dataDir };
}

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'boi-pool-'));
  witness = new Witness(join(files, 'witness'));
  cluster = await Cluster.start({
    nodes: 2,
    slots: 4,
    // Longer than a daemon takes to be back on any machine: sessions end here when a test ends them.
    settings: { 'session-ttl': '60s' },
    hosts: { 'node-1': withPool('node-1'), 'node-2': withPool('node-2') },
  });
  [first, second] = cluster.nodes as [NodeProcess, NodeProcess];
}, START_WITHIN_MS);
afterAll(async () => {
  await cluster?.stop();
  rmSync(files, { recursive: true, force: true });
}, 60_000);

const path = (name: string) => join(files, name);
/** Writes 100 kB again and again until there is a file, keeping a copy; `last` is its last line. */
const writes = (copy: string, end: string) =>
  `(until [ -e ${path(end)} ]; do head -c 75000 /dev/urandom | base64 -w 100; sleep 0.3; done; echo last) | tee ${path(copy)}`;
const on = (node: NodeProcess, ref: string, run: string, more: object = {}) => ({
  tasks: [{ ref, run: `${witness.says(ref)}; ${run}`, requires: { at: node.name }, retries: { max: 0 }, ...more }],
});
const ran = (ref: string) => witness.lines(ref).length;
const logOf = (task: string) => cluster.shell.ok(['task', 'tail', task]);

/** As its time to live would, later. */
async function endSession({ id }: NodeProcess): Promise<void> {
  const store = new EtcdStore({ endpoints: [cluster.etcd.endpoint], clock: systemClock, random: systemRandom });
  try {
    const { kv } = await store.get(`/boi/nodes/${id}`);
    await store.revokeLease(kv?.lease as LeaseId);
  } finally {
    await store.close();
  }
}

test('what a pool runs goes on under its claim: every byte of output once, started once, over two lives', {
  timeout: WITHIN_MS,
}, async () => {
  // Both nodes could run it: the other must not take it from a daemon that is back at once.
  const run = `${witness.says('writes')}; ${writes('copy', 'enough')}; echo size=7 >>"$BOI_OUTPUT"`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'writes', run, pool: 'apart' }] });
  const task = `${spec}/writes`;
  const { fence, node: holder } = await cluster.taskIn(task, 'running');
  const node = cluster.node(holder?.id);
  for (let life = 1; life <= 2; life++) {
    await until(
      'it has written more',
      () => (statSync(path('copy'), { throwIfNoEntry: false })?.size ?? 0) > life * 300_000,
    );
    await node.kill();
    expect(taskProcesses({ node: node.id })).not.toEqual([]);
    const from = node.log.length;
    const killedAt = performance.now();
    await node.start();
    figure('from the kill of a daemon to its next life with its tasks', seconds(performance.now() - killedAt));
    expect(node.log.slice(from).map(({ msg }) => msg)).toContain('a task that an earlier life started is taken up');
    const same = { state: 'running', attempt: 1, deliveries: 1, fence, node: { id: node.id } };
    expect(await cluster.task(task)).toMatchObject(same);
  }
  writeFileSync(path('enough'), '');
  expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
  expect(await cluster.task(task)).toMatchObject({ attempt: 1, deliveries: 1, fence, outputs: { size: '7' } });
  expect(await logOf(task)).toBe(readFileSync(path('copy'), 'utf8'));
  expect(ran('writes')).toBe(1);
});

test('what ended while the daemon was away is told by its next life', { timeout: WITHIN_MS }, async () => {
  const spec = await cluster.dispatch({
    tasks: [
      ...on(first, 'ends', `until [ -e ${path('go')} ]; do sleep 0.1; done; echo bye; exit 3`).tasks,
      { ref: 'after', run: witness.says('after'), needs: ['ends'], when: 'failure' },
    ],
  });
  await cluster.taskIn(`${spec}/ends`, 'running');
  await until('it runs', () => ran('ends') === 1);
  await first.kill();
  writeFileSync(path('go'), '');
  await until('it has ended', () => taskProcesses({ node: first.id }).length === 0);
  await first.start();
  expect(await cluster.ended(spec)).toMatchObject({ state: 'failed' });
  expect(await cluster.task(`${spec}/ends`)).toMatchObject({ exitCode: 3, attempt: 1, deliveries: 1 });
  expect(await logOf(`${spec}/ends`)).toBe('bye\n');
  expect([ran('ends'), ran('after')]).toEqual([1, 1]);
});

test('a cancel that came while the daemon was away reaches what runs', { timeout: WITHIN_MS }, async () => {
  const spec = await cluster.dispatch(on(first, 'stops', 'sleep 3600'));
  await until('it runs', () => ran('stops') === 1);
  await first.kill();
  await cluster.shell.ok(['spec', 'cancel', spec]);
  await first.start();
  expect(await cluster.ended(spec)).toMatchObject({ state: 'cancelled' });
  expect(taskProcesses({ node: first.id })).toEqual([]);
  expect(await cluster.task(`${spec}/stops`)).toMatchObject({ state: 'cancelled', deliveries: 1 });
});

test('what another node has taken over meanwhile is gone before the daemon takes work again', {
  timeout: WITHIN_MS,
}, async () => {
  await cluster.shell.ok(['node', 'cordon', second.name]);
  const spec = await cluster.dispatch({
    tasks: [
      { ref: 'moves', run: `${witness.says('moves')}; until [ -e ${path('end')} ]; do sleep 0.1; done`, pool: 'apart' },
    ],
  });
  await until('it runs', () => ran('moves') === 1);
  await cluster.shell.ok(['node', 'uncordon', second.name]);
  await first.kill();
  await endSession(first);
  await until('the other runs it', () => ran('moves') === 2, 60_000);
  expect(taskProcesses({ node: first.id })).not.toEqual([]);
  await first.start();
  await until('the older copy is gone', () => taskProcesses({ node: first.id }).length === 0, 60_000);
  writeFileSync(path('end'), '');
  expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
  expect(await cluster.task(`${spec}/moves`)).toMatchObject({ deliveries: 2, node: { id: second.id } });
});

test('what the pool does not know any more is lost, and runs again as its retries say', {
  timeout: WITHIN_MS,
}, async () => {
  const spec = await cluster.dispatch(
    on(first, 'forgotten', `[ $BOI_ATTEMPT = 2 ] || sleep 3600`, { retries: { max: 1, backoff: '1ms' } }),
  );
  await until('it runs', () => ran('forgotten') === 1);
  const runs = join(files, 'node-1-runs');
  await first.kill();
  for (const { pid } of taskProcesses({ node: first.id })) process.kill(pid, 'SIGKILL');
  execFileSync('sh', ['-c', `rm -rf ${runs}/*`]);
  await first.start();
  expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
  expect(await cluster.task(`${spec}/forgotten`)).toMatchObject({ attempt: 2 });
});

test('after all of it every task has exactly one record', async () => {
  expect(await cluster.findings()).toEqual([]);
});
