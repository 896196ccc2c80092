import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs, type NodeConfRecord, SCHEMA_VERSION } from '../records.ts';
import { depsOf, fixture, put, read, StaticMembership, testNode } from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';
import { type Ailment, Ailments } from './ailments.ts';

const about = 'plugin audit';
const UNSTABLE: Ailment = { about, what: 'plugin audit is unstable', reason: 'plugin-unstable', closes: true };
const WAITING: Ailment = { about, what: 'plugin audit is waiting', reason: 'plugin-not-ready', closes: false };

describe('a node that something ails', () => {
  let cluster: TestCluster;
  let one: TestNode;
  let two: TestNode;

  beforeEach(async () => {
    cluster = new TestCluster();
    one = await cluster.join(1, { script: () => ({ durationMs: 5_000 }) });
    two = await cluster.join(2, { script: () => ({ durationMs: 5_000 }) });
  });
  afterEach(() => cluster.stop());

  const told = () => one.events.map(({ kind, reason }) => [kind, reason]).filter(([kind]) => kind !== 'node.joined');
  const confOf = async (node: TestNode): Promise<NodeConfRecord | undefined> => {
    const { kv } = await cluster.store.get(cluster.keys.nodeconf(node.id));
    return kv === undefined ? undefined : codecs.nodeconf.decode(kv.key, kv.value);
  };
  const view = (of: TestNode) => cluster.wait(two.node.api.node(of.id));
  const spec = (count: number) => ({
    tasks: Array.from({ length: count }, (_, i) => ({ ref: `t${i}`, run: 'true' })),
  });

  test('says so once for each reason, and once that all is well again', () => {
    one.events.length = 0;
    one.node.ail([WAITING]);
    one.node.ail([WAITING]);
    one.node.ail([UNSTABLE]);
    one.node.ail([]);
    one.node.ail([]);
    expect(told()).toEqual([
      ['node.degraded', 'plugin-not-ready'],
      ['node.degraded', 'plugin-unstable'],
      ['node.recovered', undefined],
    ]);
  });

  test('is seen as degraded from any other within two seconds, with the reason, and as ready after it', async () => {
    one.node.ail([WAITING]);
    await cluster.clock.advance(2_000);
    expect(await view(one)).toMatchObject({ state: 'degraded', ailments: [WAITING.what] });
    expect(await confOf(one)).toBeUndefined();
    one.node.ail([]);
    await cluster.clock.advance(2_000);
    expect((await view(one)).state).toBe('ready');
  });

  test('takes no tasks while it is closed, ends what it runs, and takes tasks again afterwards', async () => {
    const before = await cluster.dispatch(spec(8));
    await cluster.clock.until(() => cluster.running(before).length === 8, 10_000, 'all to run');
    const running = one.runner.running.length;
    expect(running).toBeGreaterThan(0);
    one.node.ail([UNSTABLE]);
    await cluster.clock.advance(100);
    expect(await view(one)).toMatchObject({ state: 'degraded', ailments: [UNSTABLE.what] });
    const started = one.runner.witnesses.length;
    const after = await cluster.dispatch(spec(8));
    const results = await cluster.untilDone(after);
    expect(new Set([...results.values()].map(({ node }) => node))).toEqual(new Set([two.id]));
    expect(one.runner.witnesses).toHaveLength(started);
    // What ran when it fell ill has ended where it began.
    expect([...(await cluster.untilDone(before)).values()].filter(({ node }) => node === one.id)).toHaveLength(running);
    one.node.ail([]);
    await cluster.clock.advance(100);
    expect(await confOf(one)).toEqual({ v: 1 });
    await cluster.untilDone(await cluster.dispatch(spec(16)));
    expect(one.runner.witnesses.length).toBeGreaterThan(started);
  });

  test('is named in the reason why a task waits', async () => {
    for (const { node } of cluster.nodes) node.ail([UNSTABLE]);
    await cluster.clock.advance(100);
    const waiting = await cluster.dispatch(spec(1));
    const { defaultProject } = one.node.snapshot().cluster;
    const task = await cluster.wait(one.node.api.task(defaultProject, cluster.task(waiting)));
    expect(task.why?.summary).toBe('2 nodes: 2 degraded');
    one.node.ail([]);
    await cluster.untilDone(waiting);
  });

  test('stays closed over a restart until its daemon has found it well', async () => {
    one.node.ail([UNSTABLE]);
    await cluster.clock.advance(100);
    cluster.nodes.splice(cluster.nodes.indexOf(one), 1);
    await cluster.wait(one.node.stop({ drainMs: 0 }));
    const again = await cluster.join(1);
    await cluster.clock.advance(1_000);
    expect(await confOf(again)).toMatchObject({ unhealthy: [UNSTABLE.what] });
    again.node.ail([]);
    await cluster.clock.advance(100);
    expect(await confOf(again)).toEqual({ v: 1 });
  });

  test('writes it as soon as the store is back', async () => {
    one.store.partition('refusing');
    await cluster.clock.advance(30_000);
    one.node.ail([UNSTABLE]);
    one.store.heal();
    await cluster.clock.until(async () => (await confOf(one))?.unhealthy !== undefined, 30_000, 'the settings');
  });
});

test('a node that closes keeps the cordon that an operator sets at that moment', async () => {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const deps = depsOf(f, membership, await membership.join(testNode(1)));
  const key = f.keys.nodeconf(testNode(1));
  const cordon = () => put(f, key, codecs.nodeconf, { v: SCHEMA_VERSION, cordoned: { at: 1 } });
  const ailments = new Ailments({ ...deps, ctx: { ...deps.ctx, store: meanwhile(f.store, cordon) } }, () => {});
  ailments.tell([UNSTABLE]);
  await f.clock.until(
    async () => (await read(f, key, codecs.nodeconf))?.unhealthy !== undefined,
    1_000,
    'the settings',
  );
  await ailments.stop();
  expect(await read(f, key, codecs.nodeconf)).toMatchObject({ cordoned: { at: 1 }, unhealthy: [UNSTABLE.what] });
});
