/**
 * What the audit tier promises, on hosts that die: the events that a plugin has got are witnessed by the plugin itself, which takes
 * and acknowledges as much as the test says. Only the second node has plugins; each test has one of its own, so that its log
 * and its mark begin at nothing.
 */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import type { Container } from '../harness/container.ts';
import { configure, type PluginSettings, provide, reaches, START_WITHIN_MS, signal } from '../harness/plugins.ts';
import type { NodeView, SpecView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';
import { type Gate, lines, type Receipt } from '../harness/witnesses.ts';

const AT = 2;
const ALL = Number.MAX_SAFE_INTEGER;
/** Events that are outstanding when work begins to wait. */
const UNACKNOWLEDGED_MAX = 100;
/** A host goes down and up, with a plugin: a machine that is busy takes its time. */
const RESTARTED_WITHIN_MS = 120_000;
const COMPLETED = { events: ['task.completed'] };

let cluster: Cluster;
let receiver: string;
/** Of the second node. */
let id: string;

beforeAll(async () => {
  cluster = await Cluster.start({
    nodes: 2,
    settingsOf: (n): Record<string, string> => (n === AT ? { slots: '4' } : {}),
  });
  receiver = await provide(cluster, 'receiver');
  ({ id } = await cluster.json<NodeView>(['node', 'show', node().name]));
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const node = () => cluster.node(AT);
const etcd = () => cluster.etcd[0] as Container;
const receipts = (plugin: string) => lines<Receipt>(cluster, plugin);
const backlog = (plugin: string) => cluster.api.metric(node(), 'boi_core_hook_backlog', { plugin });
const logOf = (plugin: string) => `/var/lib/boi-node/hooks/${plugin}`;
const markKey = (plugin: string) => `/boi/hooks-hwm/${id}/${plugin}`;

const gate = (plugin: string, to: Gate) => cluster.say(`${plugin}.gate`, JSON.stringify(to));

const hooks = (plugin: string, tier: 'audit' | 'best_effort', more: PluginSettings = {}): PluginSettings => ({
  ...{ kind: 'hooks', tier, command: 'node', readyTimeoutMs: START_WITHIN_MS },
  args: [receiver, plugin, tier, ...(tier === 'audit' ? [logOf(plugin)] : [])],
  ...more,
});

/** The node has these alone, and is ready. */
async function install(plugins: Readonly<Record<string, PluginSettings>>): Promise<void> {
  await configure(cluster, AT, plugins);
  await cluster.ready(node());
}

const work = (count: number, run = 'true') =>
  cluster.dispatch({ tasks: [{ ref: 'each', count, run, requires: { at: node().name } }] });

async function finish(spec: string): Promise<void> {
  await cluster.boi(['spec', 'wait', spec], { withinMs: 110_000 });
}

/** What the store has of it; 0 before anything is recorded. */
async function mark(plugin: string): Promise<number> {
  const [record] = await cluster.records(markKey(plugin));
  return record === undefined ? 0 : (JSON.parse(record.value) as { sequence: number }).sequence;
}

/** All that the store has of it from now on; followed, since old revisions are dropped. */
async function followMark(key: string): Promise<() => number[]> {
  const { stdout } = await etcd().exec(['etcdctl', 'get', key, '-w', 'json']);
  const { revision } = (JSON.parse(stdout) as { header: { revision: number } }).header;
  const from = ['--dial-timeout', '30s', '--rev', String(revision + 1)];
  const watch = await etcd().begin(['etcdctl', 'watch', ...from, key, '-w', 'json'], { withinMs: 240_000 });
  return () =>
    watch
      .stdout()
      .split('\n')
      .slice(0, -1)
      .flatMap((line) => (JSON.parse(line) as { Events?: { kv: { value: string } }[] }).Events ?? [])
      .map(({ kv }) => (JSON.parse(Buffer.from(kv.value, 'base64').toString()) as { sequence: number }).sequence);
}

/** Sequences on the disk of the node. */
async function onDisk(plugin: string): Promise<number[]> {
  const { stdout } = await node().exec(['sh', '-c', `cat ${logOf(plugin)}/*.wal`]);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line.slice(9)) as { t: string; sequence?: number })
    .flatMap(({ t, sequence }) => (t === 'open' || sequence === undefined ? [] : [sequence]));
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** What was told: the sequences without repeats, in their order; no sequence has stood for two events. */
function told(all: readonly Receipt[]): Receipt[] {
  const events = new Map(all.map((receipt) => [receipt.sequence, receipt]));
  for (const { sequence, id } of all) expect(id, `sequence ${sequence}`).toBe(events.get(sequence)?.id);
  return [...events.values()].toSorted((a, b) => a.sequence - b.sequence);
}

/** 1 to 100 and nothing else, of a hundred tasks. */
async function expectHundred(plugin: string): Promise<void> {
  await until('everything is acknowledged', async () => (await mark(plugin)) === 100);
  const all = told(await receipts(plugin));
  expect(all.map(({ sequence }) => sequence)).toEqual(upTo(100));
  expect(new Set(all.map(({ payload }) => payload.task)).size).toBe(100);
}

test('audit_wal_before_delivery: a plugin that acknowledges nothing; a hundred events are on the disk, each before it was delivered, and the mark is at 0', async () => {
  keepOnFailure();
  await gate('mute', { take: ALL, acknowledge: 0 });
  await install({ mute: hooks('mute', 'audit') });
  const spec = await work(60);
  await until('a hundred are delivered', async () => (await receipts('mute')).length >= UNACKNOWLEDGED_MAX);
  const all = await receipts('mute');
  expect(all.filter((receipt) => !receipt.onDisk)).toEqual([]);
  expect(told(all).map(({ sequence }) => sequence)).toEqual(upTo(UNACKNOWLEDGED_MAX));
  expect((await onDisk('mute')).slice(0, UNACKNOWLEDGED_MAX)).toEqual(upTo(UNACKNOWLEDGED_MAX));
  expect(await mark('mute')).toBe(0);
  await gate('mute', { take: ALL, acknowledge: ALL });
  await finish(spec);
});

test('plugin_crash_no_loss: killed when it had 50 of 100, ten of them not acknowledged; its set is 1 to 100', async () => {
  keepOnFailure();
  await gate('crashed', { take: 50, acknowledge: 40 });
  await install({ crashed: hooks('crashed', 'audit', COMPLETED) });
  const spec = await work(100);
  await until('it has half', async () => (await receipts('crashed')).length === 50);
  const { pid } = await reaches(cluster, AT, 'crashed', 'ready');
  await signal(cluster, AT, pid, 'KILL');
  await reaches(cluster, AT, 'crashed', 'ready', pid);
  await gate('crashed', { take: ALL, acknowledge: ALL });
  await finish(spec);
  await expectHundred('crashed');
  // What it had acknowledged did not come again.
  const again = (await receipts('crashed')).slice(50).filter(({ sequence }) => sequence <= 40);
  expect(again).toEqual([]);
});

test('node_kill_no_loss: the daemon and all that is on its host killed in the middle of it; the set is 1 to 100', async () => {
  keepOnFailure();
  await gate('killed', { take: 50, acknowledge: 40 });
  await install({ killed: hooks('killed', 'audit', COMPLETED) });
  const spec = await work(100, 'echo ran >> /effects/killed-ran; sleep 0.2');
  await until('it has half', async () => (await receipts('killed')).length === 50);
  await node().kill();
  expect((await cluster.effects('killed-ran')).length).toBeLessThan(100);
  await gate('killed', { take: ALL, acknowledge: ALL });
  await node().start();
  await finish(spec);
  await expectHundred('killed');
});

test('mark_moves_by_ack_only: neither delivery, nor restarts, nor a plugin that acknowledges less move it; no sequence stands for two events, also when the disk is lost', async () => {
  keepOnFailure();
  const marks = await followMark(markKey('marked'));
  await gate('marked', { take: ALL, acknowledge: 0 });
  await install({ marked: hooks('marked', 'audit', COMPLETED) });
  const has = (sequence: number, times = 1) =>
    until(
      `it has ${sequence} ${times} times`,
      async () => (await receipts('marked')).filter((receipt) => receipt.sequence === sequence).length >= times,
      RESTARTED_WITHIN_MS,
    );
  const becomes = (sequence: number) =>
    until(`the mark is ${sequence}`, async () => (await mark('marked')) === sequence);

  await finish(await work(60));
  await has(60);
  expect(await mark('marked')).toBe(0);
  await gate('marked', { take: ALL, acknowledge: 20 });
  await becomes(20);
  await gate('marked', { take: ALL, acknowledge: 45 });
  await becomes(45);

  await node().stop();
  await node().start();
  await has(60, 2);
  await node().kill();
  await node().start();
  await has(60, 3);
  expect((await receipts('marked')).filter(({ sequence }) => sequence <= 45)).toHaveLength(45);
  expect(await mark('marked')).toBe(45);

  await gate('marked', { take: ALL, acknowledge: 10 });
  const { pid } = await reaches(cluster, AT, 'marked', 'ready');
  await signal(cluster, AT, pid, 'KILL');
  await until('its acknowledgement is refused', async () =>
    /acknowledged 10, allowed was 45/.test(await node().logs()),
  );
  expect(await mark('marked')).toBe(45);

  await gate('marked', { take: ALL, acknowledge: ALL });
  await becomes(60);
  await node().exec(['rm', '-r', logOf('marked')]);
  await node().kill();
  await node().start();
  await finish(await work(10));
  await becomes(70);
  expect(told(await receipts('marked')).map(({ sequence }) => sequence)).toEqual(upTo(70));
  await until('the last mark is seen', () => marks().at(-1) === 70);
  const values = marks();
  expect(values).toEqual([...new Set(values)].toSorted((a, b) => a - b));
  expect(values).toEqual(expect.arrayContaining([20, 45, 60, 70]));
});

test('back_pressure: with a hundred outstanding work waits for an acknowledgement, the node does not grow, and each episode is told once', async () => {
  keepOnFailure();
  const closed = { take: ALL, acknowledge: 0 };
  await gate('slow', closed);
  await gate('watching', { take: ALL, acknowledge: ALL });
  const watching = hooks('watching', 'best_effort', { events: ['node.degraded'] });
  // Not what a node tells without waiting, as moves: those may exceed the number.
  const events = ['spec.started', 'task.dispatched', 'task.claimed', 'task.started', 'task.completed'];
  await install({ slow: hooks('slow', 'audit', { events }), watching });
  const begun = async () =>
    (await receipts('watching')).filter((one) => one.payload.reason === 'hooks-saturated').length;
  const over = async () => {
    const { ailments = [] } = await cluster.json<NodeView & { ailments?: string[] }>(['node', 'show', node().name]);
    return !ailments.some((what) => what.includes('does not keep up'));
  };
  const resident = () => cluster.api.metric(node(), 'boi_core_process_resident_bytes');
  const last = async () => Math.max(...(await onDisk('slow')));

  const first = await work(80);
  await until('it is told', async () => (await begun()) === 1);
  const outstanding = await until('all that is outstanding has its number', async () => {
    const count = await backlog('slow');
    return (await last()) === count && count;
  });
  expect(outstanding).toBeGreaterThanOrEqual(UNACKNOWLEDGED_MAX);
  // One batch of claims more, as large as the node's slots and what it takes ahead.
  expect(outstanding).toBeLessThan(UNACKNOWLEDGED_MAX + 20);
  const bytes = await resident();
  const asks = Array.from({ length: 200 }, () =>
    cluster.api.ask(node(), 'POST', '/v1/projects/default/specs', {
      ...{ source: JSON.stringify({ tasks: [{ ref: 'late', run: 'true' }] }), format: 'json' },
    }),
  );
  const refused = await Promise.all(asks);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]));
  expect(refused.some(({ text }) => text.includes('audits this node is behind'))).toBe(true);
  expect(await last()).toBe(outstanding);
  expect(await backlog('slow')).toBe(outstanding);
  expect((await resident()) - bytes).toBeLessThan(32 * 1024 ** 2);
  expect(await begun()).toBe(1);

  const room = outstanding - UNACKNOWLEDGED_MAX + 1;
  await gate('slow', { take: ALL, acknowledge: room });
  await until('the next is let in', async () => (await last()) > outstanding);
  await gate('slow', { take: ALL, acknowledge: ALL });
  await finish(first);
  await until('it is over', over);

  await gate('slow', closed);
  const second = await work(80);
  await until('it is told again', async () => (await begun()) === 2);
  await gate('slow', { take: ALL, acknowledge: ALL });
  await finish(second);
  await until('it is over again', over);
  expect(await begun()).toBe(2);
  expect(await cluster.api.metric(node(), 'boi_core_hook_saturations_total', { plugin: 'slow' })).toBe(2);
});

test('best_effort_never_blocks: its plugin frozen, all work goes on, the oldest events go; nothing of it is on the disk or in the store', async () => {
  keepOnFailure();
  await install({ idle: hooks('idle', 'best_effort') });
  const { pid } = await reaches(cluster, AT, 'idle', 'ready');
  await signal(cluster, AT, pid, 'STOP');
  const spec = await work(400);
  await finish(spec);
  const { counts } = await cluster.json<SpecView>(['spec', 'show', spec]);
  expect(counts.succeeded).toBe(400);
  expect(await cluster.api.metric(node(), 'boi_core_hook_drops_total', { plugin: 'idle' })).toBeGreaterThan(0);
  expect(await backlog('idle')).toBeLessThanOrEqual(1_000);
  expect(await cluster.api.metric(node(), 'boi_core_hook_saturations_total', { plugin: 'idle' })).toBe(0);
  expect(await receipts('idle')).toEqual([]);
  const { stdout } = await node().exec(['sh', '-c', 'ls hooks/idle 2>/dev/null']);
  expect(stdout).toBe('');
  expect(await cluster.records(markKey('idle'))).toEqual([]);
});
