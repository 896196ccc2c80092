/** What a coordinator must not get wrong when a watch is late, or an answer is lost. */
import type { Batch, MemoryStore, Txn } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import { expect, test } from 'vitest';
import { initCluster } from '../init.ts';
import { StoreMembership } from '../membership/membership.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import { fixture, nodeRecord, put, testNode } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { dispatcherGone } from './spec-ref.ts';

test('a dispatcher that the membership has not heard of yet is not taken for gone', async () => {
  const f = fixture();
  const store = new FaultyStore({ store: f.store, clock: f.clock });
  await initCluster(f.ctx, new AbortController().signal);
  const membership = new StoreMembership({ ...f.ctx, store });
  await membership.start();
  const nodes = f.keys.nodes().start;
  store.plan = { delivery: ({ start }) => (start === nodes ? { delayMs: 1_000 } : undefined) };
  const { createRevision: epoch } = await put(f, f.keys.node(testNode(2)), codecs.node, nodeRecord());
  // What is heard of sooner is newer.
  const conf = { v: SCHEMA_VERSION, cordoned: { at: 0 } } as const;
  await put(f, f.keys.nodeconf(testNode(3)), codecs.nodeconf, conf);
  await f.clock.advance(100);
  const dispatcher = { node: testNode(2), epoch };
  const header = { record: { dispatcher } } as unknown as Parameters<typeof dispatcherGone>[0];
  expect(membership.snapshot().absentConfs.size).toBe(1);
  expect(dispatcherGone(header, membership.snapshot())).toBe(false);
  await f.clock.advance(2_000);
  expect(dispatcherGone(header, membership.snapshot())).toBe(false);
  await f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.node(testNode(2)) }] });
  await f.clock.advance(2_000);
  expect(dispatcherGone(header, membership.snapshot())).toBe(true);
  const stopped = membership.stop();
  await f.clock.advance(1);
  await stopped;
});

test('the end of a spec is told once, also when the answer to its last transaction is lost', async () => {
  let lost = 0;
  /** The last transaction is the one that deletes the coordinator's key: applied, and not answered. */
  const losing = (store: MemoryStore) =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (txn: Txn) => Promise<unknown>;
        if (name !== 'txn') return call;
        return async (txn: Txn) => {
          const answer = await call(txn);
          const last = txn.success.some((op) => op.op === 'delete' && op.key.includes('/coord/'));
          if (!last || lost > 0) return answer;
          lost++;
          return { outcome: 'unknown', cause: new Error('no answer') };
        };
      },
    });
  const rig = await SpecRig.create(1, {}, losing);
  const spc = await rig.dispatch([{}, { needs: [1] }]);
  expect((await rig.runToEnd(spc)).state).toBe('succeeded');
  await rig.settle(1_000);
  expect(lost).toBe(1);
  expect(rig.f.events.filter(({ kind }) => kind.startsWith('spec.'))).toMatchObject([
    { kind: 'spec.started', spec: spc },
    { kind: 'spec.completed', spec: spc, outcome: 'succeeded' },
  ]);
  expect(rig.node(1).coordinators.size).toBe(0);
  await rig.stop();
});

test('what needs a task that was cancelled is not run for a failure, though the view had the task skipped for one (seed 711451)', async () => {
  const cluster = new TestCluster();
  const { node, store, runner } = await cluster.join(1, {
    script: ({ definition }) =>
      definition.ref === 'fails'
        ? { durationMs: 1_000, report: { outcome: 'failed', exitCode: 1 } }
        : { durationMs: 10 },
  });
  const run = 'true';
  const spec = await cluster.dispatch({
    tasks: [
      { ref: 'fails', run, when: 'always' },
      { ref: 'cancelled', run, needs: ['fails'] },
      { ref: 'notes', run, needs: ['fails'], when: 'failure' },
      { ref: 'cleans', run, needs: ['cancelled', 'notes'], when: 'failure' },
    ],
  });
  await cluster.clock.until(() => runner.running.length === 1, 5_000, 'the first runs');
  // The cancel is lost on its way, and sent again when the task has failed.
  const cancelled = cluster.keys.result(spec.id as never, cluster.task(spec, 2));
  let sent = 0;
  store.plan = {
    call: (call) =>
      call.method === 'batch' && JSON.stringify(call.batch.items).includes(cancelled) && sent++ === 0
        ? { dropRequest: true }
        : undefined,
  };
  await cluster.wait(node.api.cancelSpec(node.snapshot().cluster.defaultProject, spec.id as never));
  const results = await cluster.untilDone(spec);
  expect(sent).toBe(2);
  expect([1, 2, 3, 4].map((index) => results.get(cluster.task(spec, index))?.outcome)).toEqual([
    'failed',
    'cancelled',
    'succeeded',
    'skipped',
  ]);
  await cluster.stop();
});

test('a spec whose coordination goes away and comes back at once is coordinated on', async () => {
  const rig = await SpecRig.create(1);
  const spc = await rig.dispatch([{}, { needs: [1] }]);
  await rig.settle();
  const key = rig.f.keys.coord(rig.node(1).id, spc);
  const { kv } = await rig.f.store.get(key);
  const value = kv?.value.toString() ?? '';
  await rig.f.store.txn({ compares: [], success: [{ op: 'delete', key }] });
  await rig.f.store.txn({ compares: [], success: [{ op: 'put', key, value }] });
  await rig.settle();
  expect(rig.node(1).coordinators.size).toBe(1);
  expect((await rig.runToEnd(spc)).state).toBe('succeeded');
  await rig.stop();
});

test('a release whose answer was lost is found out by one look, not asked for again until its task ends', async () => {
  let releases = 0;
  const losing = (store: MemoryStore) =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (batch: Batch) => Promise<unknown>;
        if (name !== 'batch') return call;
        return async (batch: Batch) => {
          const answer = await call(batch);
          const release = batch.items.some(({ success }) => success.some(({ key }) => key.includes('/blocked/')));
          return release && ++releases === 1 ? { outcome: 'unknown', cause: new Error('no answer') } : answer;
        };
      },
    });
  const rig = await SpecRig.create(1, {}, losing);
  await rig.dispatch([{}, { needs: [1] }]);
  await rig.settle();
  await rig.finish((index) => (index === 1 ? 'succeeded' : undefined));
  await rig.settle(10_000);
  expect(await rig.queued()).toEqual([2]);
  // The one that was applied, and the same again.
  expect(releases).toBe(2);
  await rig.stop();
});
