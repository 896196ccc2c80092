/** Each compare of a claim and of a commit, by what goes wrong without it: the node's view is kept stale on purpose. */
import type { DispatchAnswer } from '@boi/core';
import type { Op } from '@boi/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { moveTxn, unclaimed } from './placement/move.ts';
import { codecs, SCHEMA_VERSION } from './records.ts';
import { entry, testNode, type testSpec, testTask } from './testing/fixtures.ts';
import { TestCluster, type TestNode } from './testing/test-cluster.ts';

let cluster: TestCluster;
let node: TestNode;

async function begin(durationMs: number): Promise<void> {
  cluster = new TestCluster();
  node = await cluster.join(1, { script: () => ({ durationMs }) });
}

afterEach(async () => {
  node.store.plan = {};
  await cluster.stop();
});

/** Nothing is heard any more of keys that begin like this. */
function deaf(prefix: string): void {
  node.store.plan = { delivery: ({ start }) => (start.startsWith(prefix) ? { delayMs: 60_000 } : undefined) };
}

async function write(...success: Op[]): Promise<void> {
  expect((await cluster.store.txn({ compares: [], success })).outcome).toBe('applied');
}

const putEntry = (over: Parameters<typeof entry>[0] = {}): Op => ({
  op: 'put',
  key: cluster.keys.queue(node.id, testTask(1)),
  value: codecs.entry.encode(entry({ queuedAt: cluster.clock.now(), ...over })),
});
const started = () => node.runner.witnesses.length;
const conflicts = () => node.counts.get('boi_core_claim_conflicts_total') ?? 0;

describe('a claim compares', () => {
  beforeEach(() => begin(10));

  test('the cluster record: a pause holds from its commit on', async () => {
    deaf(cluster.keys.cluster());
    const record = { ...node.node.snapshot().cluster, paused: { at: 0 } };
    await write({ op: 'put', key: cluster.keys.cluster(), value: codecs.cluster.encode(record) }, putEntry());
    await cluster.clock.advance(2_000);
    expect(started()).toBe(0);
    expect(conflicts()).toBeGreaterThan(0);
  });

  test('its own settings: a drain holds from its commit on', async () => {
    deaf(cluster.keys.nodeconfs().start);
    const value = codecs.nodeconf.encode({ v: SCHEMA_VERSION, cordoned: { at: 0 } });
    await write({ op: 'put', key: cluster.keys.nodeconf(node.id), value }, putEntry());
    await cluster.clock.advance(2_000);
    expect(started()).toBe(0);
  });

  test('the incarnation: nothing is claimed by what was known before a restore', async () => {
    deaf(cluster.keys.incarnation());
    const value = codecs.incarnation.encode({ v: SCHEMA_VERSION, id: 'restored' });
    await write({ op: 'put', key: cluster.keys.incarnation(), value }, putEntry());
    await cluster.clock.advance(2_000);
    expect(conflicts()).toBeGreaterThan(0);
    expect(started()).toBe(1);
  });

  test('its own record: a session that is over claims nothing, and the node registers anew', async () => {
    deaf(cluster.keys.nodes().start);
    const epoch = node.node.snapshot().members.get(node.id)?.epoch;
    await write({ op: 'delete', key: cluster.keys.node(node.id) }, putEntry());
    await cluster.clock.advance(3_000);
    expect(started()).toBe(1);
    expect(node.events.map(({ kind }) => kind)).toContain('node.degraded');
    const { kv } = await cluster.store.get(cluster.keys.node(node.id));
    expect(kv?.createRevision).not.toBe(epoch);
    // Claimed by the new session, not by the one that was over.
    expect(Number(node.runner.witnesses[0]?.assignment.fence)).toBeGreaterThan(Number(kv?.createRevision));
  });

  test('the entry: one that somebody else has taken meanwhile is not started', async () => {
    const paused = { ...node.node.snapshot().cluster, paused: { at: 0 } };
    await write({ op: 'put', key: cluster.keys.cluster(), value: codecs.cluster.encode(paused) }, putEntry());
    await cluster.clock.advance(100);
    deaf(cluster.keys.queueOf(node.id).start);
    await write({ op: 'delete', key: cluster.keys.queue(node.id, testTask(1)) });
    const { paused: _paused, ...open } = paused;
    await write({ op: 'put', key: cluster.keys.cluster(), value: codecs.cluster.encode(open) });
    await cluster.clock.advance(2_000);
    expect(started()).toBe(0);
    expect(conflicts()).toBe(1);
  });

  test('the slot of its concurrency key: it waits for the holder, without asking in a loop', async () => {
    const lock = { hash: 'h', limit: 1 };
    const held = cluster.keys.lock(entry().prj, 'h', 0);
    const other = codecs.lock.encode({ v: SCHEMA_VERSION, task: testTask(9), nonce: 'x' });
    await write({ op: 'put', key: held, value: other }, putEntry({ lock }));
    await cluster.clock.advance(20_000);
    expect(started()).toBe(0);
    expect(conflicts()).toBe(1);
    await write({ op: 'delete', key: held });
    await cluster.clock.advance(100);
    expect(started()).toBe(1);
    expect((await cluster.store.get(held)).kv).toBeUndefined();
  });
});

describe('a commit compares', () => {
  let spec: DispatchAnswer;
  const key = () => cluster.keys.queue(node.id, cluster.task(spec));
  const resultKey = () => cluster.keys.result(spec.id as ReturnType<typeof testSpec>, cluster.task(spec));

  beforeEach(async () => {
    await begin(5_000);
    spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true' }] });
    await cluster.clock.until(() => node.runner.running.length === 1, 1_000, 'it runs');
  });

  test('the entry: a result of what was taken over is dropped', async () => {
    deaf(cluster.keys.queueOf(node.id).start);
    const { kv } = await cluster.store.get(key());
    if (kv === undefined) throw new Error('no entry');
    const stored = { ...kv, record: codecs.entry.decode(kv.key, kv.value) };
    const to = { member: { id: testNode(9) } as never, compares: [], why: '' };
    const move = { keys: cluster.keys, task: cluster.task(spec), from: node.id, stored, nowMs: 0 } as const;
    await cluster.store.txn(moveTxn({ ...move, entry: unclaimed(stored.record), why: 'adopted', to }));
    await cluster.clock.advance(6_000);
    expect((await cluster.store.get(resultKey())).kv).toBeUndefined();
    expect(node.events.map(({ kind }) => kind)).toContain('claim.fence_rejected');
  });

  test('the result absent: the one that is there stays', async () => {
    const theirs = codecs.result.encode({ v: SCHEMA_VERSION, outcome: 'cancelled', endedAt: 1, attempt: 1 });
    await write({ op: 'put', key: resultKey(), value: theirs });
    await cluster.clock.advance(6_000);
    const { kv } = await cluster.store.get(resultKey());
    expect(codecs.result.decode('', kv?.value as Buffer).outcome).toBe('cancelled');
  });

  test('the incarnation: what was claimed before a restore is not committed, but run again', async () => {
    const value = codecs.incarnation.encode({ v: SCHEMA_VERSION, id: 'restored' });
    await write({ op: 'put', key: cluster.keys.incarnation(), value });
    await cluster.clock.advance(5_100);
    expect((await cluster.store.get(resultKey())).kv).toBeUndefined();
    const results = await cluster.untilDone(spec);
    expect([...results.values()]).toMatchObject([{ outcome: 'succeeded', delivery: 2 }]);
  });

  test('the header of a one-task spec: a change of it is kept', async () => {
    const headerKey = cluster.keys.spec(spec.project.id as ReturnType<typeof entry>['prj'], spec.id as never);
    const { kv } = await cluster.store.get(headerKey);
    const header = codecs.spec.decode(headerKey, kv?.value as Buffer);
    await write({ op: 'put', key: headerKey, value: codecs.spec.encode({ ...header, name: 'renamed' }) });
    await cluster.untilDone(spec);
    expect(await cluster.header(spec.id as never)).toMatchObject({ name: 'renamed', state: 'succeeded' });
  });
});
