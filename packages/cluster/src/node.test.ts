import { indexOf, type NodeId, type TaskId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs, type NodeConfRecord, SCHEMA_VERSION } from './records.ts';
import { testNode } from './testing/fixtures.ts';
import { TestCluster, type TestNode } from './testing/test-cluster.ts';
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

async function configure(id: NodeId, conf: Omit<NodeConfRecord, 'v'>): Promise<void> {
  const value = codecs.nodeconf.encode({ v: SCHEMA_VERSION, ...conf });
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key: cluster.keys.nodeconf(id), value }] });
}

/** As `task cancel` writes it for a claimed task. */
async function markCancelled(node: TestNode, task: TaskId, force = false): Promise<void> {
  const key = cluster.keys.queue(node.id, task);
  const { kv } = await cluster.store.get(key);
  const entry = codecs.entry.decode(key, kv?.value as Buffer);
  const value = codecs.entry.encode({ ...entry, cancel: { at: 0, ...(force ? { force } : {}) } });
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key, value }] });
}

test('three nodes run a spec of fifty tasks, each once', async () => {
  await cluster.joinAll(3, { script: takes(100) });
  const spec = await cluster.dispatch({ tasks: tasks(50) });
  const results = await cluster.untilDone(spec);
  expect([...results.values()].every(({ outcome }) => outcome === 'succeeded')).toBe(true);
  expect(starts()).toHaveLength(50);
  expect(cluster.nodes.every(({ runner }) => runner.witnesses.length > 0)).toBe(true);
  expect((await cluster.entries()).size).toBe(0);
});

test('a one-task spec ends with its task, its header in the same transaction', async () => {
  await cluster.join(1, { script: takes(10) });
  const spec = await cluster.dispatch({ tasks: tasks(1) });
  await cluster.untilDone(spec);
  expect(await cluster.header(spec.id as never)).toMatchObject({
    state: 'succeeded',
    counts: { succeeded: 1, failed: 0, cancelled: 0, skipped: 0 },
  });
  expect(kinds(first())).toContain('spec.completed');
});

test('a node whose wall clock jumps while it registers takes work all the same (seed 550981)', async () => {
  const node = cluster.make(1, { script: takes(10) });
  node.store.plan = {
    call: ({ method }) => {
      if (method === 'grantLease') cluster.clock.wallOffsetMs += 60_000;
      return undefined;
    },
  };
  await cluster.wait(node.node.start());
  cluster.nodes.push(node);
  await cluster.untilDone(await cluster.dispatch({ tasks: tasks(3) }));
});

test('what a runner says at length is cut: a result that no request can hold would hold up all others', async () => {
  const words = 'x'.repeat(3_000_000);
  const script = () => ({ durationMs: 10, report: { outcome: 'failed', message: words, signal: words } }) as const;
  await cluster.join(1, { script });
  const results = [...(await cluster.untilDone(await cluster.dispatch({ tasks: tasks(3) }))).values()];
  expect(results.map(({ message, signal }) => [message?.length, signal?.length])).toEqual(
    [1, 2, 3].map(() => [8_192, 64]),
  );
});

test('a task gets the outputs of the tasks it needs', async () => {
  await cluster.joinAll(2, { script: () => ({ durationMs: 5, report: { outputs: { version: '7' } } }) });
  const spec = await cluster.dispatch({
    tasks: [
      { ref: 'a', run: 'true' },
      { ref: 'b', run: 'true', needs: ['a'] },
    ],
  });
  await cluster.untilDone(spec);
  const last = starts().find(({ assignment }) => assignment.definition.ref === 'b');
  expect(last?.assignment.inputs).toEqual({ a: { version: '7' } });
});

test('a task that runs whatever happened gets told how those that it needs ended', async () => {
  const fails = { durationMs: 5, report: { outcome: 'failed', reason: 'exit-code' } } as const;
  await cluster.join(1, { script: ({ definition }) => (definition.ref === 'a' ? fails : { durationMs: 5 }) });
  const spec = await cluster.dispatch({
    tasks: [
      { ref: 'a', run: 'false' },
      { ref: 'b', run: 'true' },
      { ref: 'c', run: 'true', needs: ['a', 'b'], when: 'always' },
    ],
    'failure-policy': 'continue',
  });
  await cluster.untilDone(spec);
  const last = starts().find(({ assignment }) => assignment.definition.ref === 'c');
  expect(last?.assignment.needs).toEqual({ a: 'failed', b: 'succeeded' });
});

describe('slots', () => {
  test('are never exceeded, and a free one is filled at once from what was claimed ahead', async () => {
    await cluster.join(1, { slots: 3, script: takes(100) });
    const spec = await cluster.dispatch({ tasks: tasks(12) });
    await cluster.clock.until(() => cluster.running(spec).length === 3, 1_000, 'three run');
    expect(first().node.status()).toMatchObject({ busySlots: 3, running: 3 });
    await cluster.untilDone(spec);
    const ended = starts().map(({ startedMono }) => startedMono);
    const waves = [...new Set(ended)].length;
    expect(waves).toBe(4);
  });
});

describe('claims made ahead', () => {
  test('do not keep work from an idle node while long tasks run here', async () => {
    // The first ones end soon, so that there is a look-ahead; then all slots are taken for an hour.
    await cluster.join(1, { slots: 2, script: ({ task }) => ({ durationMs: indexOf(task) <= 4 ? 100 : 3_600_000 }) });
    const spec = await cluster.dispatch({ tasks: tasks(8) });
    await cluster.clock.until(
      () => cluster.running(spec).length === 2 && starts().length === 6,
      2_000,
      'two long ones run',
    );
    await cluster.join(2, { slots: 4, script: takes(100) });
    await cluster.clock.until(
      async () => (await cluster.results(spec.id as never)).size === 6,
      15_000,
      'the rest is done',
    );
    const elsewhere = cluster.nodes[1]?.runner.witnesses.map(({ assignment }) => indexOf(assignment.task)).sort();
    expect(elsewhere).toEqual([7, 8]);
  });
});

describe('concurrency keys', () => {
  test('no more tasks with a key run at once than its limit, over all nodes', async () => {
    await cluster.joinAll(3, { script: takes(50) });
    const key = { name: 'db', limit: 2 };
    const spec = await cluster.dispatch({ tasks: tasks(20, { key }) });
    let most = 0;
    await cluster.clock.until(
      async () => {
        most = Math.max(most, cluster.running(spec).length);
        return (await cluster.results(spec.id as never)).size === 20;
      },
      60_000,
      'all results',
    );
    expect(most).toBe(2);
    const locks = await cluster.store.range(cluster.keys.allLocks());
    expect(locks.kvs).toEqual([]);
  });
});

describe('cancel of a running task', () => {
  test('moves the fence of the commit, stops the task, and its result is cancelled', async () => {
    await cluster.join(1, { script: hangs });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'running');
    await markCancelled(first(), cluster.task(spec));
    const results = await cluster.untilDone(spec);
    expect([...results.values()]).toMatchObject([{ outcome: 'cancelled' }]);
    expect((await cluster.header(spec.id as never))?.state).toBe('cancelled');
    expect(first().counts.get('boi_core_superseded_total')).toBeUndefined();
  });

  test('a second one skips the grace', async () => {
    await cluster.join(1, { script: () => ({ durationMs: Number.POSITIVE_INFINITY, stopMs: 60_000 }) });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'running');
    await markCancelled(first(), cluster.task(spec));
    await cluster.clock.advance(1_000);
    expect(cluster.running(spec)).toHaveLength(1);
    await markCancelled(first(), cluster.task(spec), true);
    await cluster.clock.advance(100);
    expect(cluster.running(spec)).toHaveLength(0);
  });
});

describe('retries', () => {
  const retries = { max: 2, backoff: '1s' };

  test('go to another node, after their delay, with the next attempt', async () => {
    await cluster.joinAll(2, {
      script: ({ attempt }) => ({ durationMs: 10, report: attempt === 1 ? { outcome: 'failed', exitCode: 3 } : {} }),
    });
    const spec = await cluster.dispatch({ tasks: tasks(1, { retries }) });
    const results = await cluster.untilDone(spec);
    const [one, two] = starts().sort((a, b) => a.startedMono - b.startedMono);
    expect([one?.assignment.attempt, two?.assignment.attempt]).toEqual([1, 2]);
    expect(two?.assignment.node).not.toBe(one?.assignment.node);
    expect((two?.startedMono ?? 0) - (one?.endedMono ?? 0)).toBeGreaterThanOrEqual(800);
    expect([...results.values()]).toMatchObject([
      { outcome: 'succeeded', attempt: 2, delivery: 1, history: [{ attempt: 1, end: 'failed', exitCode: 3 }] },
    ]);
    expect(cluster.nodes.flatMap(kinds)).toContain('task.retried');
  });

  test('stay where they are when there is no other node, and end after the last one', async () => {
    await cluster.join(1, { script: () => ({ durationMs: 10, report: { outcome: 'failed', exitCode: 3 } }) });
    const spec = await cluster.dispatch({ tasks: tasks(1, { retries }) });
    const results = await cluster.untilDone(spec);
    expect([...results.values()]).toMatchObject([{ outcome: 'failed', attempt: 3, exitCode: 3 }]);
    expect(starts().map(({ assignment }) => assignment.attempt)).toEqual([1, 2, 3]);
  });
});

describe('pause', () => {
  test('stops claims from its commit on, gives back what was claimed ahead, and is undone', async () => {
    await cluster.join(1, { slots: 2, script: takes(1_000) });
    const spec = await cluster.dispatch({ tasks: tasks(8) });
    await cluster.clock.until(() => starts().length === 4, 2_000, 'two have ended, two run');
    await cluster.clock.until(
      async () => [...(await cluster.entries()).values()].filter(({ claim }) => claim !== undefined).length === 4,
      1_000,
      'two are claimed ahead',
    );
    await setPaused(cluster, true);
    await cluster.clock.advance(5_000);
    expect(starts()).toHaveLength(4);
    const waiting = [...(await cluster.entries()).values()];
    expect(waiting).toHaveLength(4);
    expect(waiting.every(({ claim, deliveries }) => claim === undefined && deliveries === 0)).toBe(true);
    await setPaused(cluster, false);
    await cluster.untilDone(spec);
    expect(starts()).toHaveLength(8);
  });
});

describe('drain', () => {
  test('waits for what runs, stops it at the deadline and queues it elsewhere, counted as drained', async () => {
    await cluster.joinAll(2, { slots: 2, script: ({ node }) => ({ durationMs: node === testNode(1) ? 60_000 : 10 }) });
    const spec = await cluster.dispatch({ tasks: tasks(4) });
    await cluster.clock.until(() => cluster.running(spec).length >= 2, 5_000, 'they run');
    await cluster.clock.advance(100);
    const there = first().runner.running.length;
    expect(there).toBeGreaterThan(0);
    await configure(first().id, { drain: { at: cluster.clock.now(), deadlineAt: cluster.clock.now() + 3_000 } });
    await cluster.clock.advance(2_500);
    expect(first().runner.running).toHaveLength(there);
    const results = await cluster.untilDone(spec);
    const drained = [...results.values()].filter(({ history }) => history?.some(({ end }) => end === 'drained'));
    expect(drained).toHaveLength(there);
    expect(
      drained.every(({ attempt, delivery, outcome }) => attempt === 1 && delivery === 1 && outcome === 'succeeded'),
    ).toBe(true);
    expect(first().node.status()).toMatchObject({ draining: true, running: 0 });
    await cluster.clock.advance(2_000);
    expect(kinds(first())).toContain('node.drained');
  });

  test('is undone: the node claims again', async () => {
    await cluster.join(1, { script: takes(10) });
    await configure(first().id, { cordoned: { at: 0 } });
    await cluster.clock.advance(100);
    await configure(first().id, {});
    await cluster.clock.advance(100);
    await cluster.untilDone(await cluster.dispatch({ tasks: tasks(3) }));
    expect(starts()).toHaveLength(3);
  });

  test('stopping the daemon requeues what runs and gives the session up at once', async () => {
    const [one, two] = (await cluster.joinAll(2, { slots: 8, script: hangs })) as [TestNode, TestNode];
    const spec = await cluster.dispatch({ tasks: tasks(4) });
    await cluster.clock.until(() => cluster.running(spec).length === 4, 5_000, 'they run');
    const there = one.runner.running.length;
    expect(there).toBeGreaterThan(0);
    await cluster.wait(one.node.stop({ drainMs: 1_000 }));
    cluster.nodes.splice(0, 1);
    expect(one.runner.running).toEqual([]);
    expect((await cluster.store.get(cluster.keys.node(one.id))).kv).toBeUndefined();
    await cluster.clock.until(() => two.runner.running.length === 4, 5_000, 'all run on the other node');
    expect((await cluster.entries()).size).toBe(4);
  });
});

test('a node on which nothing starts cools down after three failures in a row', async () => {
  await cluster.join(1, {
    script: () => ({ durationMs: 0, report: { outcome: 'failed', reason: 'start-failed' } }),
  });
  // What never started has no start time.
  const { runner } = first();
  const start = runner.start.bind(runner);
  runner.start = (assignment) => {
    const running = start(assignment);
    const done = running.done.then(({ startedAt: _never, ...report }) => report);
    return { ...running, done };
  };
  await cluster.untilDone(await cluster.dispatch({ tasks: tasks(3), 'failure-policy': 'continue' }));
  await cluster.clock.advance(100);
  const member = first().node.snapshot().members.get(first().id);
  expect(member?.conf?.coolingUntil).toBeGreaterThan(cluster.clock.now() + 200_000);
});
