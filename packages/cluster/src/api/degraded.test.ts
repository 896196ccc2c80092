import { BoiError, type DispatchBody } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs, type NodeRecord, SCHEMA_VERSION } from '../records.ts';
import { testNode } from '../testing/fixtures.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';
import type { Script } from '../testing/virtual-runner.ts';

const takes =
  (durationMs: number): Script =>
  () => ({ durationMs });

let cluster: TestCluster;
let node: TestNode;

beforeEach(async () => {
  cluster = new TestCluster();
  node = await cluster.join(1);
});

afterEach(() => cluster.stop());

const body = (more: Partial<DispatchBody> = {}): DispatchBody => ({
  source: JSON.stringify({ tasks: [{ ref: 'a', run: 'true' }] }),
  format: 'json',
  ...more,
});
const project = () => node.node.snapshot().cluster.defaultProject;
const kinds = () => node.events.map(({ kind }) => kind);

/** What the promise rejects with, and after how much virtual time. */
async function refusal(work: () => Promise<unknown>): Promise<{ error: BoiError; tookMs: number }> {
  const startedMono = cluster.clock.mono();
  const error = await cluster.wait(
    work().then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
  );
  expect(error).toBeInstanceOf(BoiError);
  return { error: error as BoiError, tookMs: cluster.clock.mono() - startedMono };
}

async function away(): Promise<void> {
  node.store.partition();
  await cluster.clock.until(() => kinds().includes('cluster.partition_detected'), 20_000, 'the outage is noticed');
}

describe('a store that is away', () => {
  test('is told of once, and once when it is back', async () => {
    await away();
    await cluster.clock.advance(10_000);
    node.store.heal();
    await cluster.clock.until(() => kinds().includes('cluster.partition_healed'), 20_000, 'it is back');
    expect(kinds().filter((kind) => kind.startsWith('cluster.partition'))).toEqual([
      'cluster.partition_detected',
      'cluster.partition_healed',
    ]);
    const healed = node.events.find(({ kind }) => kind === 'cluster.partition_healed');
    expect(healed?.lastedMs).toBeGreaterThanOrEqual(10_000);
  });

  test('that loses one reply is no outage', async () => {
    node.store.partition();
    const asking = refusal(() => node.node.api.cluster());
    await cluster.clock.advance(500);
    node.store.heal();
    await asking.catch(() => undefined);
    await cluster.clock.advance(10_000);
    expect(kinds()).not.toContain('cluster.partition_detected');
  });

  test('makes every request end at once when that is known, and counts each of fifty exactly', async () => {
    await away();
    const before = node.counts.get('boi_core_store_rejections_total') ?? 0;
    const refusals = await Promise.all(
      Array.from({ length: 50 }, () => refusal(() => node.node.api.dispatch(project(), body()))),
    );
    for (const { error, tookMs } of refusals) {
      expect(error).toMatchObject({ code: 'store-unreachable', status: 503, exitCode: 3 });
      expect(error.retryAfterS).toBeGreaterThan(0);
      expect(tookMs).toBe(0);
    }
    expect((node.counts.get('boi_core_store_rejections_total') ?? 0) - before).toBe(50);
  });

  test.each([
    ['dispatch', () => node.node.api.dispatch(project(), body({ idempotencyKey: 'k' }))],
    ['pause', () => node.node.api.setPaused(true)],
    ['drain', () => node.node.api.drain(node.id, 1_000)],
    ['look-up', () => node.node.api.project('default')],
  ])('answers a %s within three seconds also when that is not known yet', async (_, work) => {
    node.store.partition();
    const { error, tookMs } = await refusal(work);
    expect(['store-unreachable', 'outcome-unknown']).toContain(error.code);
    expect(tookMs).toBeLessThanOrEqual(3_000);
  });

  test('a dispatch whose answer was lost names its spec, and the same key answers that spec when the store is back', async () => {
    node.store.plan = { call: ({ method }) => (method === 'txn' ? { dropReply: true } : undefined) };
    const { error, tookMs } = await refusal(() => node.node.api.dispatch(project(), body({ idempotencyKey: 'once' })));
    expect(error.code).toBe('outcome-unknown');
    expect(tookMs).toBeLessThanOrEqual(3_000);
    node.store.plan = {};
    await cluster.clock.until(() => node.node.status().session === 'live', 30_000, 'it is back');
    const again = await cluster.wait(node.node.api.dispatch(project(), body({ idempotencyKey: 'once' })));
    expect(again).toMatchObject({ id: error.details.spec, existing: true });
  });

  test('is remembered: nodes and the cluster are answered with their age where that is allowed', async () => {
    await cluster.join(2);
    await cluster.clock.advance(1_000);
    await away();
    await cluster.clock.advance(4_000);
    const nodes = await node.node.api.listNodes({ stale: 'ok' });
    expect(nodes.items.map(({ id }) => id)).toEqual([testNode(1), testNode(2)]);
    expect(nodes.ageMs).toBeGreaterThanOrEqual(4_000);
    const view = await node.node.api.cluster('ok');
    expect(view).toMatchObject({ nodes: { live: 2, ready: 2 }, slots: { total: 8 }, ageMs: nodes.ageMs });
    expect(view.store).toBeUndefined();
    expect((await node.node.api.node(testNode(2), 'ok')).ageMs).toBe(nodes.ageMs);
    expect((await refusal(() => node.node.api.listNodes({}))).error.code).toBe('store-unreachable');
    node.store.heal();
    await cluster.clock.until(() => kinds().includes('cluster.partition_healed'), 20_000, 'it is back');
    expect((await cluster.wait(node.node.api.listNodes({ stale: 'ok' }))).ageMs).toBeUndefined();
  });

  test('does not keep the node from telling what it holds itself', async () => {
    await cluster.join(2, { script: takes(8_000) });
    const other = cluster.nodes[1] as TestNode;
    const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true', requires: { os: 'linux' }, count: 8 }] });
    await cluster.clock.until(() => other.runner.running.length > 0, 5_000, 'some run there');
    const running = other.runner.running.length;
    other.store.partition();
    expect((await other.node.api.local()).tasks.filter(({ phase }) => phase === 'running')).toHaveLength(running);
    await cluster.clock.until(() => other.buffer.results.length === running, 40_000, 'their results are kept');
    const local = await other.node.api.local();
    expect(local.results).toHaveLength(running);
    expect(local.storeAwayMs).toBeGreaterThan(0);
    await cluster.untilDone(spec);
  });
});

describe('local fallback', () => {
  test('takes the node out of work and back, and says so', async () => {
    const other = await cluster.join(2);
    await cluster.wait(node.node.api.setFallback(true));
    expect(node.node.api.notice()).toContain(node.id);
    expect((await refusal(() => node.node.api.dispatch(project(), body()))).error.code).toBe('unavailable');
    await cluster.clock.advance(1_000);
    expect(node.node.snapshot().members.get(node.id)?.conf?.drain?.actor).toBe('local-fallback');
    const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true', count: 10 }] }, other);
    await cluster.untilDone(spec);
    expect(node.runner.witnesses).toEqual([]);
    await cluster.wait(node.node.api.setFallback(false));
    await cluster.clock.advance(1_000);
    expect(node.node.snapshot().members.get(node.id)?.conf).toEqual({ v: 1 });
    expect(node.node.api.notice()).toBeUndefined();
    await cluster.untilDone(await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true' }] }));
  });

  test('holds with the store away, and after it is back', async () => {
    await away();
    await node.node.api.setFallback(true);
    node.store.heal();
    const actor = () => node.node.snapshot().members.get(node.id)?.conf?.drain?.actor;
    await cluster.clock.until(() => actor() === 'local-fallback', 30_000, 'it drains itself');
    expect((await refusal(() => node.node.api.dispatch(project(), body()))).error.code).toBe('unavailable');
  });

  test("leaves an operator's drain alone when it ends", async () => {
    await cluster.wait(node.node.api.drain(node.id, 60_000, { name: 'ann' }));
    await cluster.wait(node.node.api.setFallback(true));
    await cluster.wait(node.node.api.setFallback(false));
    await cluster.clock.advance(1_000);
    expect(node.node.snapshot().members.get(node.id)?.conf?.drain?.actor).toBe('ann');
  });
});

describe('versions', () => {
  async function other(version: string): Promise<void> {
    const record: NodeRecord = {
      v: SCHEMA_VERSION,
      address: 'http://127.0.0.1:9',
      version,
      capabilities: {},
      slots: 0,
      startedAt: 0,
    };
    const key = cluster.keys.node(testNode(9));
    await cluster.store.txn({ compares: [], success: [{ op: 'put', key, value: codecs.node.encode(record) }] });
  }

  test.each(['0.2.0', '0.0.9', '0.1.7', 'custom'])(
    'one minor version apart works side by side: %s',
    async (version) => {
      await other(version);
      await cluster.join(2);
      expect(cluster.nodes).toHaveLength(2);
    },
  );

  test.each(['0.3.0', '1.1.0'])('further apart does not join: %s', async (version) => {
    await other(version);
    const late = cluster.make(2);
    const { error } = await refusal(() => late.node.start());
    expect(error).toMatchObject({ code: 'version-skew', exitCode: 5 });
    expect((await cluster.store.get(cluster.keys.node(late.id))).kv).toBeUndefined();
  });
});
