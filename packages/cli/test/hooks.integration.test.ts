/**
 * What the audit tier promises, on a real daemon with the shipped `hooks-jsonl`: whatever dies or stands still, the file ends with
 * every sequence number, in order, none missing; while the plugin is behind, work waits, and nothing else does.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@boi/core/testing';
import { EtcdStore } from '@boi/store';
import { systemClock } from '@boi/system';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { type NodeProcess, SESSION_TTL_MS } from './support/node-process.ts';
import { until } from './support/until.ts';

const PLUGIN = join(import.meta.dirname, '../../../plugins/hooks-jsonl/dist/main.js');
const UNACKNOWLEDGED_MAX = 100;
/** Daemons are started again in these tests, which a busy machine takes its time for. */
const WITHIN_MS = 300_000;

interface Line {
  readonly sequence: number;
  readonly kind: string;
  readonly outcome?: string;
  readonly payload: Readonly<Record<string, string>>;
}

let dir: string;
let cluster: Cluster;
let node: NodeProcess;
const file = () => join(dir, 'events.jsonl');

/** Of the data directory, as an operator writes it. */
async function configure(name: string, settings: object): Promise<void> {
  const directory = join(dir, 'node-1', 'plugins');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(join(directory, `${name}.json`), JSON.stringify({ kind: 'hooks', ...settings }), { mode: 0o600 });
}

/** A program that never serves: nothing is ever acknowledged, and it is given all the time it wants. */
const MUTE = { command: 'sleep', args: ['100000'], readyTimeoutMs: 600_000 };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-hooks-'));
  await configure('audit', { ...MUTE, tier: 'audit' });
  await configure('watch', { ...MUTE });
  cluster = await Cluster.start({ nodes: 1, slots: 4, hosts: { 'node-1': { dataDir: join(dir, 'node-1') } } });
  node = cluster.nodes[0] as NodeProcess;
}, START_WITHIN_MS);
afterAll(async () => {
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
}, 60_000);

const tasks = (count: number, run = 'true') => ({
  tasks: Array.from({ length: count }, (_, n) => ({ ref: `t${n + 1}`, run })),
});
const backlog = () => node.metric('boi_core_hook_backlog', 'plugin="audit"');

async function lines(): Promise<Line[]> {
  const text = await readFile(file(), 'utf8').catch(() => '');
  const whole = text.split('\n').slice(0, -1);
  return whole.map((line) => JSON.parse(line) as Line);
}

async function pluginPid(): Promise<number> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (words.includes(file())) return Number(pid);
  }
  throw new Error('the plugin does not run');
}

const mark = async () => {
  const store = new EtcdStore({ endpoints: [cluster.etcd.endpoint], clock: systemClock, random: new SeededRandom(1) });
  try {
    const { kv } = await store.get(`/boi/hooks-hwm/${node.id}/audit`);
    return kv === undefined ? 0 : (JSON.parse(Buffer.from(kv.value).toString()) as { sequence: number }).sequence;
  } finally {
    await store.close();
  }
};

/** Everything is delivered; then the numbers are 1, 2, 3…, and each result that the store has was told with its fence. */
async function expectWhole(...specs: readonly string[]): Promise<Line[]> {
  await until('everything is acknowledged', async () => (await backlog()) === 0, 30_000);
  const told = await lines();
  expect(told.map(({ sequence }) => sequence)).toEqual(told.map((_, i) => i + 1));
  for (const spec of specs) {
    const done = told.filter(({ kind, payload }) => kind === 'task.completed' && payload.spec === spec);
    const fences = new Map(done.map(({ payload }) => [payload.task, payload.fence]));
    for (const { id, fence } of await cluster.tasks(spec)) expect(fences.get(id), id).toBe(fence);
    expect(told.filter(({ kind, payload }) => kind === 'spec.completed' && payload.spec === spec)).toHaveLength(1);
  }
  return told;
}

let first: string;

test(
  'a plugin that acknowledges nothing: a hundred events are on the disk, the mark is at 0, and work waits with its node alive',
  async () => {
    first = await cluster.dispatch(tasks(60));
    await until('the log is full', async () => (await backlog()) >= UNACKNOWLEDGED_MAX, 20_000);
    const started = (await cluster.tasks(first)).filter(({ startedAt }) => startedAt !== undefined).length;
    await until('it is told', async () => (await node.metric('boi_core_hook_saturations_total')) === 1, 10_000);
    const sinceMs = performance.now();
    await until('two leases have passed', () => performance.now() - sinceMs > 2 * SESSION_TTL_MS);
    const later = await cluster.tasks(first);
    expect(later.filter(({ startedAt }) => startedAt !== undefined).length).toBeLessThanOrEqual(started + 4);
    expect(later.some(({ endedAt }) => endedAt === undefined)).toBe(true);
    expect(await node.metric('boi_core_session_live')).toBe(1);
    expect(await node.metric('boi_core_session_lost_total')).toBe(0);
    expect(await node.metric('boi_core_hook_saturations_total')).toBe(1);
    expect(await mark()).toBe(0);
    const wal = join(dir, 'node-1', 'hooks', 'audit');
    const segments = (await readdir(wal)).filter((name) => name.endsWith('.wal'));
    const text = (await Promise.all(segments.map((name) => readFile(join(wal, name), 'utf8')))).join('');
    expect(text.split('\n').length).toBeGreaterThan(UNACKNOWLEDGED_MAX);
    const refused = await cluster.shell.run(['spec', 'dispatch', '-'], JSON.stringify(tasks(1)));
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('audits this node is behind');
  },
  WITHIN_MS,
);

test(
  'the daemon killed, its disk kept: another program takes the plugin over and is told all of it, and the work goes on',
  async () => {
    await node.kill();
    await configure('audit', { command: process.execPath, args: [PLUGIN, '--file', file()], tier: 'audit' });
    await node.start();
    await cluster.ended(first);
    await expectWhole(first);
    await until('the mark is recorded', async () => (await mark()) === (await lines()).length, 5_000);
    // The other plugin, of the best-effort tier, has never answered: nobody waited for it.
    expect(await node.metric('boi_core_hook_backlog', 'plugin="watch"')).toBeGreaterThan(0);
  },
  WITHIN_MS,
);

test(
  'the plugin killed, then stopped so that the work waits, then running again: nothing is missing, and nothing ends twice',
  async () => {
    const killed = await cluster.dispatch(tasks(60));
    await until('some is told', async () => (await lines()).some(({ payload }) => payload.spec === killed), 10_000);
    process.kill(await pluginPid(), 'SIGKILL');
    await cluster.ended(killed);
    await expectWhole(first, killed);
    const pid = await pluginPid();
    process.kill(pid, 'SIGSTOP');
    const waiting = await cluster.dispatch(tasks(80));
    await until('the log is full', async () => (await backlog()) >= UNACKNOWLEDGED_MAX, 20_000);
    expect((await cluster.spec(waiting)).endedAt).toBeUndefined();
    process.kill(pid, 'SIGCONT');
    await cluster.ended(waiting);
    await expectWhole(first, killed, waiting);
  },
  WITHIN_MS,
);

test(
  'the daemon killed again and again while it works: every event has its number once, and claims and results are all told',
  async () => {
    const specs: string[] = [];
    for (let i = 0; i < 2; i++) {
      const before = (await lines()).length;
      specs.push(await cluster.dispatch(tasks(40)));
      await until('it is at work', async () => (await lines()).length > before + 20 * i, 20_000);
      await node.kill();
      await node.start();
    }
    for (const spec of specs) await cluster.ended(spec, 120_000);
    const told = await expectWhole(first);
    for (const spec of specs) {
      const ended = new Set(
        told
          .filter(
            ({ kind, payload }) => kind.startsWith('task.') && payload.spec === spec && payload.outcome !== undefined,
          )
          .map(({ payload }) => payload.task),
      );
      expect(ended.size).toBe(40);
    }
    // Each result is of a claim that was told; of one whose answer died with the daemon the fence may be unknown.
    const claimOf = ({ payload: { task, attempt, delivery } }: Line) => `${task} ${attempt} ${delivery}`;
    const claims = new Map(told.filter(({ kind }) => kind === 'task.claimed').map((line) => [claimOf(line), line]));
    for (const line of told.filter(({ kind }) => kind === 'task.completed')) {
      const fence = claims.get(claimOf(line))?.payload.fence;
      expect(fence === '0' ? line.payload.fence : fence, claimOf(line)).toBe(line.payload.fence);
    }
    expect(await cluster.findings()).toEqual([]);
  },
  WITHIN_MS,
);
