/** Nodes that crash, are cut off, lose their session, or start again, as whole nodes on one store. */
import type { NodeId, TaskId } from '@boi/core';
import { unchanged } from '@boi/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { moveTxn, unclaimed } from './placement/move.ts';
import { codecs } from './records.ts';
import { testNode } from './testing/fixtures.ts';
import { TestCluster, type TestNode } from './testing/test-cluster.ts';
import type { Script, Witness } from './testing/virtual-runner.ts';
import { setPaused, takes, tasks } from './testing/whole-nodes.ts';

const hangs = takes(Number.POSITIVE_INFINITY);

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

const first = (): TestNode => cluster.nodes[0] as TestNode;
const kinds = ({ events }: TestNode) => events.map(({ kind }) => kind);
const starts = () => cluster.nodes.flatMap(({ runner }) => runner.witnesses);

/** As another node takes a claimed task over. */
async function takeAway(node: TestNode, task: TaskId, to: NodeId): Promise<void> {
  const { keys } = cluster;
  const key = keys.queue(node.id, task);
  const { kv } = await cluster.store.get(key);
  if (kv === undefined) throw new Error(`${key} is not there`);
  const stored = { ...kv, record: codecs.entry.decode(key, kv.value) };
  const member = { id: to } as never;
  const move = {
    keys,
    task,
    from: node.id,
    stored,
    entry: unclaimed(stored.record),
    why: 'adopted',
    nowMs: 0,
  } as const;
  const answer = await cluster.store.txn(moveTxn({ ...move, to: { member, compares: [], why: '' } }));
  expect(answer.outcome).toBe('applied');
}

function sessionMemory() {
  const memory = {
    epoch: undefined as string | undefined,
    read: () => Promise.resolve(memory.epoch),
    write: (epoch: string) => {
      memory.epoch = epoch;
      return Promise.resolve();
    },
  };
  return memory;
}

/** As another node marks a claimed task to be cancelled. */
async function mark(node: TestNode, task: TaskId): Promise<void> {
  const key = cluster.keys.queue(node.id, task);
  const { kv } = await cluster.store.get(key);
  if (kv === undefined) throw new Error(`${key} is not there`);
  const entry = codecs.entry.decode(key, kv.value);
  const value = codecs.entry.encode({ ...entry, cancel: { at: 0 } as never });
  const answer = await cluster.store.txn({
    compares: [unchanged(key, kv.modRevision)],
    success: [{ op: 'put', key, value }],
  });
  expect(answer.outcome).toBe('applied');
}

describe('crash of a node', () => {
  test('its tasks run on the others within its time to live and a little more, each result once', async () => {
    await cluster.joinAll(3, { slots: 12, script: takes(2_000) });
    const spec = await cluster.dispatch({ tasks: tasks(12) });
    await cluster.clock.until(() => cluster.running(spec).length === 12, 5_000, 'all run');
    // Where they are is up to the hash.
    const one = cluster.nodes.find(({ runner }) => runner.running.length > 0) as TestNode;
    const lost = one.runner.running.length;
    const crashedMono = cluster.clock.mono();
    await cluster.crash(one);
    const results = [...(await cluster.untilDone(spec)).values()];
    expect(cluster.clock.mono() - crashedMono).toBeLessThan(15_000 + 1_500 + 2_000);
    expect(results.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
    expect(results.filter(({ delivery }) => delivery === 2)).toHaveLength(lost);
  });

  test('whoever looks for its output is told since when it has been gone', async () => {
    await cluster.joinAll(2, { slots: 1, script: takes(1_000) });
    const spec = await cluster.dispatch({ tasks: tasks(2) });
    const [task, { node: ranOn }] = [...(await cluster.untilDone(spec))][0] as [TaskId, { readonly node: NodeId }];
    const { defaultProject } = first().node.snapshot().cluster;
    const holder = cluster.nodes.find(({ id }) => id === ranOn) as TestNode;
    const other = cluster.nodes.find(({ id }) => id !== ranOn) as TestNode;
    const place = async () => (await other.node.api.logPlaces(defaultProject, task)).places[0];
    expect(await place()).toMatchObject({ address: expect.any(String) });
    await cluster.crash(holder);
    await cluster.clock.until(() => !other.node.snapshot().members.has(holder.id), 60_000, 'its lease has ended');
    const gone = await place();
    expect(gone).toEqual({ attempt: 1, delivery: 1, node: ranOn, goneSince: cluster.clock.now() });
  });

  test('a node that was cut off finds its tasks taken, stops them and commits nothing', async () => {
    await cluster.joinAll(2, { slots: 8, script: takes(40_000) });
    const spec = await cluster.dispatch({ tasks: tasks(4) });
    await cluster.clock.until(() => cluster.running(spec).length === 4, 5_000, 'all run');
    const one = cluster.nodes.find(({ runner }) => runner.running.length > 0) as TestNode;
    const two = cluster.nodes.find((node) => node !== one) as TestNode;
    const cut = one.runner.running.map(({ assignment }) => assignment.task);
    one.store.partition();
    await cluster.clock.until(() => two.runner.running.length === 4, 20_000, 'the other node has all');
    one.store.heal();
    const results = await cluster.untilDone(spec);
    for (const task of cut)
      expect(results.get(task)).toMatchObject({ node: two.id, delivery: 2, outcome: 'succeeded' });
    expect(one.runner.running).toEqual([]);
    expect(one.counts.get('boi_core_superseded_total')).toBe(cut.length);
  });
});

describe('a lost session', () => {
  test('claims nothing, keeps results on disk, comes back, and commits them: nobody took the tasks', async () => {
    await cluster.join(1, { slots: 2, script: takes(20_000) });
    const spec = await cluster.dispatch({ tasks: tasks(3) });
    await cluster.clock.until(() => cluster.running(spec).length === 2, 1_000, 'two run');
    first().store.partition();
    await cluster.clock.until(() => first().node.status().session !== 'live', 16_000, 'self-fenced');
    await cluster.clock.advance(10_000);
    expect(first().runner.running).toEqual([]);
    expect(starts()).toHaveLength(2);
    expect(first().buffer.results).toHaveLength(2);
    first().store.heal();
    const results = await cluster.untilDone(spec);
    expect([...results.values()].map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(starts()).toHaveLength(3);
    expect(first().buffer.results).toEqual([]);
    expect(kinds(first())).toEqual(expect.arrayContaining(['cluster.partition_detected', 'cluster.partition_healed']));
    expect(first().counts.get('boi_core_superseded_total')).toBeUndefined();
  });

  test('drops the result of a task that another node has taken over, and says so', async () => {
    await cluster.join(1, { script: takes(20_000) });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'running');
    first().store.partition();
    await cluster.clock.advance(25_000);
    await takeAway(first(), cluster.task(spec), testNode(9));
    first().store.heal();
    await cluster.clock.until(() => first().node.status().session === 'live', 30_000, 'back');
    await cluster.clock.advance(1_000);
    expect((await cluster.results(spec.id as never)).size).toBe(0);
    expect(first().buffer.results).toEqual([]);
    expect(kinds(first())).toEqual(expect.arrayContaining(['task.superseded', 'claim.fence_rejected']));
    expect(first().counts.get('boi_core_superseded_total')).toBe(1);
  });

  test('stops a task that was taken over while it still runs, and never commits it', async () => {
    await cluster.join(1, { script: hangs });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'running');
    await takeAway(first(), cluster.task(spec), testNode(9));
    await cluster.clock.advance(100);
    expect(first().runner.running).toEqual([]);
    expect(kinds(first())).toContain('task.superseded');
    expect((await cluster.results(spec.id as never)).size).toBe(0);
    expect(first().node.status()).toMatchObject({ running: 0, busySlots: 0 });
  });

  test('exclusive tasks end before the lease can', async () => {
    await cluster.join(1, { script: () => ({ durationMs: Number.POSITIVE_INFINITY, stopMs: 60_000 }) });
    await cluster.dispatch({ tasks: tasks(1, { exclusive: true }) });
    await cluster.clock.until(() => starts().length === 1, 1_000, 'running');
    const cutMono = cluster.clock.mono();
    first().store.partition();
    await cluster.clock.until(() => first().runner.running.length === 0, 20_000, 'stopped');
    expect(cluster.clock.mono() - cutMono).toBeLessThanOrEqual(13_000);
  });
});

describe('restart', () => {
  test('claims anew what was claimed in the earlier life, under a new fence and one delivery later', async () => {
    const old = await cluster.join(1, { script: hangs });
    const spec = await cluster.dispatch({ tasks: tasks(3) });
    await cluster.clock.until(() => cluster.running(spec).length === 3, 1_000, 'they run');
    const oldFences = new Set(old.runner.witnesses.map(({ assignment }) => assignment.fence));
    await cluster.crash(old);
    await cluster.join(1, { script: takes(10) });
    const results = [...(await cluster.untilDone(spec)).values()];
    expect(results).toHaveLength(3);
    for (const { delivery, attempt, history, fence } of results) {
      expect({ delivery, attempt, history: history?.map(({ end }) => end) }).toEqual({
        delivery: 2,
        attempt: 1,
        history: ['lost'],
      });
      expect(oldFences.has(fence as string)).toBe(false);
    }
  });

  test('commits results of the earlier life before it claims, without running the tasks again', async () => {
    const old = await cluster.join(1, { script: takes(1_000) });
    const spec = await cluster.dispatch({ tasks: tasks(2) });
    await cluster.clock.until(() => cluster.running(spec).length === 2, 1_000, 'they run');
    old.store.partition();
    await cluster.clock.advance(20_000);
    expect(old.buffer.results).toHaveLength(2);
    await cluster.crash(old);
    const { buffer } = old;
    await cluster.join(1, { script: takes(10), buffer });
    const results = await cluster.untilDone(spec);
    expect([...results.values()].map(({ outcome, delivery }) => ({ outcome, delivery }))).toEqual([
      { outcome: 'succeeded', delivery: 1 },
      { outcome: 'succeeded', delivery: 1 },
    ]);
    expect(starts()).toEqual([]);
    expect(buffer.results).toEqual([]);
  });

  test('a task whose claims were lost three times is poison', async () => {
    const script: Script = () => ({ durationMs: Number.POSITIVE_INFINITY });
    let node = await cluster.join(1, { script });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    for (let life = 1; life <= 3; life++) {
      await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, `it runs in life ${life}`);
      await cluster.crash(node);
      node = await cluster.join(1, { script });
    }
    const results = [...(await cluster.untilDone(spec)).values()];
    expect(results).toMatchObject([{ outcome: 'poison', reason: 'lost', delivery: 3 }]);
  });

  test('what still runs from the earlier life under its fence is kept, not started again', async () => {
    const old = await cluster.join(1, { script: takes(30_000) });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'it runs');
    old.store.crash();
    cluster.nodes.splice(0, 1);
    await cluster.join(1, { runner: old.runner });
    const results = [...(await cluster.untilDone(spec)).values()];
    expect(results).toMatchObject([{ outcome: 'succeeded', delivery: 1 }]);
    expect(old.runner.witnesses).toHaveLength(1);
    const [{ assignment }] = old.runner.witnesses as [Witness];
    expect(old.runner.forgotten).toEqual([`${assignment.task} ${assignment.fence}`]);
  });

  test('what still runs and was to be cancelled meanwhile is cancelled under its claim', async () => {
    const old = await cluster.join(1, { script: hangs });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'it runs');
    old.store.crash();
    cluster.nodes.splice(0, 1);
    await mark(old, cluster.task(spec));
    await cluster.join(1, { runner: old.runner });
    const results = [...(await cluster.untilDone(spec)).values()];
    expect(results).toMatchObject([{ outcome: 'cancelled', delivery: 1 }]);
    expect(results[0]?.startedAt).toBeDefined();
    expect(old.runner.witnesses).toHaveLength(1);
  });

  test('what still runs and was taken away meanwhile is stopped, and nothing of it is committed', async () => {
    const old = await cluster.join(1, { script: hangs });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'it runs');
    old.store.crash();
    cluster.nodes.splice(0, 1);
    await takeAway(old, cluster.task(spec), testNode(9));
    await cluster.join(1, { runner: old.runner });
    await cluster.clock.advance(100);
    const [{ assignment, outcome }] = old.runner.witnesses as [Witness];
    expect(outcome).toBe('cancelled');
    expect(old.runner.forgotten).toEqual([`${assignment.task} ${assignment.fence}`]);
    expect((await cluster.results(spec.id as never)).size).toBe(0);
  });

  test('who knows the session of its earlier life ends it, and keeps what runs though others could have it', async () => {
    const memory = sessionMemory();
    const old = await cluster.join(1, { script: hangs, memory });
    const spec = await cluster.dispatch({ tasks: tasks(4) });
    await cluster.clock.until(() => cluster.running(spec).length === 4, 1_000, 'they run');
    const [before] = (await cluster.store.range(cluster.keys.nodes())).kvs;
    await cluster.join(2, { script: takes(10) });
    await cluster.clock.advance(2_000);
    old.store.crash();
    cluster.nodes.splice(0, 1);
    const startedMono = cluster.clock.mono();
    const again = await cluster.join(1, { runner: old.runner, memory });
    expect(cluster.clock.mono() - startedMono).toBeLessThan(1_000);
    await cluster.clock.advance(30_000);
    expect(old.runner.witnesses).toHaveLength(4);
    expect(again.runner.running).toHaveLength(4);
    for (const entry of (await cluster.entries()).values()) expect(entry).toMatchObject({ deliveries: 1, attempt: 1 });
    expect(again.node.snapshot().members.get(again.id)?.epoch).not.toBe(before?.createRevision);
    await cluster.wait(again.node.api.cancelSpec(again.node.snapshot().cluster.defaultProject, spec.id as never));
    await cluster.untilDone(spec);
  });

  test('a session that is not the noted one is not ended, but waited for', async () => {
    const memory = sessionMemory();
    await cluster.join(1, { memory });
    memory.epoch = '1';
    const second = cluster.make(1, { memory });
    await expect(cluster.wait(second.node.start())).rejects.toMatchObject({ code: 'identity-in-use' });
    expect(first().node.status().session).toBe('live');
  });

  test('who loses its session later waits for its own lease, and notes the next', async () => {
    const memory = sessionMemory();
    const node = await cluster.join(1, { memory });
    const noted = memory.epoch;
    node.store.partition();
    await cluster.clock.advance(20_000);
    node.store.heal();
    await cluster.clock.until(() => node.node.status().session === 'live', 30_000, 'back');
    expect(memory.epoch).not.toBe(noted);
    expect(memory.epoch).toBe(node.node.snapshot().members.get(node.id)?.epoch);
  });

  test('with fewer slots it gives away what no longer fits', async () => {
    const script = takes(10);
    const old = await cluster.join(1, { slots: 8, script });
    await setPaused(cluster, true);
    await cluster.clock.advance(10);
    const spec = await cluster.dispatch({ tasks: tasks(2, { slots: 8 }) });
    await cluster.crash(old);
    await cluster.join(1, { slots: 2, script });
    await cluster.clock.advance(1_000);
    await cluster.join(2, { slots: 8, script });
    await setPaused(cluster, false);
    const results = await cluster.untilDone(spec);
    expect([...results.values()].map(({ node }) => node)).toEqual([testNode(2), testNode(2)]);
  });

  test('a second daemon with the identity of a live one is refused', async () => {
    await cluster.join(1);
    const second = cluster.make(1);
    await expect(cluster.wait(second.node.start())).rejects.toMatchObject({ code: 'identity-in-use' });
    expect(first().node.status().session).toBe('live');
  });
});
