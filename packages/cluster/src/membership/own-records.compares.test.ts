/** The compares of what a node writes about itself, each by what goes wrong without it. */
import type { TaskReport } from '@boi/core';
import { type MemoryStore, toRevision } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import { describe, expect, test } from 'vitest';
import { initCluster } from '../init.ts';
import type { NodeIdentity } from '../node-types.ts';
import { codecs, type LoadRecord, SCHEMA_VERSION } from '../records.ts';
import {
  depsOf,
  type Fixture,
  fixture,
  nodeRecord,
  put,
  read,
  StaticMembership,
  testNode,
} from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { Cooldown } from './cooldown.ts';
import { LoadWriter } from './load-writer.ts';
import { register } from './register.ts';
import { NodeSession } from './session.ts';

const one = testNode(1);
const { signal } = new AbortController();
const identity: NodeIdentity = { id: one, address: 'http://127.0.0.1:1', version: '0.1.0', capabilities: {}, slots: 4 };
const idle: LoadRecord = { v: SCHEMA_VERSION, busy: 0, queued: 0, running: 0, health: 'ok', scanned: '0' };

/** With `change` right before the node's first write that compares something. */
async function beside(change: (f: Fixture) => Promise<unknown>) {
  const f = fixture();
  await initCluster(f.ctx, signal);
  const store: MemoryStore = meanwhile(f.store, () => change(f));
  return { f, ctx: { ...f.ctx, store } };
}

test('a node does not register over a record that has appeared meanwhile', async () => {
  const theirs = nodeRecord({ address: 'http://127.0.0.1:2' });
  const { f, ctx } = await beside((at) => put(at, at.keys.node(one), codecs.node, theirs));
  const registering = register({ ctx, identity, load: () => idle }, signal, () => {});
  await expect(registering).rejects.toMatchObject({ code: 'conflict' });
  expect(await read(f, f.keys.node(one), codecs.node)).toEqual(theirs);
  expect(await read(f, f.keys.load(one), codecs.load)).toBeUndefined();
});

test('a node does not register in a cluster whose record has changed since it was read', async () => {
  const { f, ctx } = await beside((at) =>
    at.store.txn({ compares: [], success: [{ op: 'put', key: at.keys.cluster(), value: '{"v":99}' }] }),
  );
  const registering = register({ ctx, identity, load: () => idle }, signal, () => {});
  await expect(registering).rejects.toMatchObject({ code: 'conflict' });
  expect((await f.store.get(f.keys.node(one))).kv).toBeUndefined();
});

test('a node that is removed from the cluster as it registers does not register', async () => {
  const member = (at: Fixture) => at.keys.member(one);
  const f = fixture();
  await initCluster(f.ctx, signal);
  const registering = (store: MemoryStore) =>
    register({ ctx: { ...f.ctx, store }, identity, load: () => idle, members: true }, signal, () => {});
  await f.store.txn({ compares: [], success: [{ op: 'put', key: member(f), value: '{}' }] });
  const remove = () => f.store.txn({ compares: [], success: [{ op: 'delete', key: member(f) }] });
  await expect(registering(meanwhile(f.store, remove))).rejects.toMatchObject({
    code: 'wrong-state',
    message: /was removed/,
  });
  expect((await f.store.get(f.keys.node(one))).kv).toBeUndefined();
  await f.store.txn({ compares: [], success: [{ op: 'put', key: member(f), value: '{}' }] });
  await registering(f.store);
  expect((await f.store.get(f.keys.node(one))).kv).toBeDefined();
});

test('a node that cools down keeps the cordon that an operator sets at that moment', async () => {
  const f = fixture({ cooldownAfter: 1 });
  const membership = await StaticMembership.create(f);
  const deps = depsOf(f, membership, await membership.join(one));
  const cordon = () => put(f, f.keys.nodeconf(one), codecs.nodeconf, { v: SCHEMA_VERSION, cordoned: { at: 1 } });
  const cooldown = new Cooldown({ ...deps, ctx: { ...deps.ctx, store: meanwhile(f.store, cordon) } });
  const failed: TaskReport = { outcome: 'failed', reason: 'start-failed', endedAt: 0, tail: '', logBytes: 0 };
  cooldown.ended(failed);
  await cooldown.stop();
  const conf = await read(f, f.keys.nodeconf(one), codecs.nodeconf);
  expect(conf).toMatchObject({ cordoned: { at: 1 }, coolingUntil: f.clock.now() + f.ctx.config.cooldownMs });
});

test('a node whose record is gone publishes no load: its session is over', async () => {
  const f = fixture();
  await initCluster(f.ctx, signal);
  const runner = { setDeadline: () => {} };
  const session = new NodeSession({ ctx: f.ctx, identity, runner, turning: () => true, load: () => idle });
  await session.start();
  const gone = () => f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.node(one) }] });
  const lost: string[] = [];
  session.onLost(() => lost.push('lost'));
  const writer = new LoadWriter({ ...f.ctx, store: meanwhile(f.store, gone) }, session, () => ({ ...idle, busy: 3 }));
  writer.changed();
  await f.clock.advance(10);
  await writer.stop();
  expect(await read(f, f.keys.load(one), codecs.load)).toEqual(idle);
  expect(lost).toEqual(['lost']);
  const stopped = session.stop();
  await f.clock.advance(100);
  await stopped;
});

test('a copy of an older load that arrives late takes no newer one’s place, which may have to stand for hours (seed 560464)', async () => {
  const f = fixture();
  await initCluster(f.ctx, signal);
  const runner = { setDeadline: () => {} };
  const session = new NodeSession({ ctx: f.ctx, identity, runner, turning: () => true, load: () => idle });
  await session.start();
  const store = new FaultyStore({ store: f.store, clock: f.clock });
  let load: LoadRecord = { ...idle, busy: 3 };
  const writer = new LoadWriter({ ...f.ctx, store }, session, () => load);
  store.plan = { call: () => ({ dropReply: true, repeatAfterMs: 20_000 }) };
  writer.changed();
  await f.clock.advance(10);
  store.plan = {};
  load = idle;
  await f.clock.advance(15_000);
  expect(await read(f, f.keys.load(one), codecs.load)).toEqual(idle);
  await f.clock.advance(15_000);
  expect(await read(f, f.keys.load(one), codecs.load)).toEqual(idle);
  await writer.stop();
  const stopped = session.stop();
  await f.clock.advance(100);
  await stopped;
});

describe('the mark of a node that ends the session of its killed life', () => {
  /** What became of the mark when that life's record was there, or had gone by itself. */
  async function marks(recorded: boolean): Promise<string[]> {
    const f = fixture();
    await initCluster(f.ctx, signal);
    const told: string[] = [];
    const key = f.keys.returning(one);
    const watch = f.store.watch(
      { start: key, end: `${key} `, fromRevision: toRevision(1) },
      { onEvents: (events) => void told.push(...events.map(({ type }) => type)), onLost: () => {} },
    );
    const earlier = await register({ ctx: f.ctx, identity, load: () => idle }, signal, () => {});
    if (!recorded) await f.store.revokeLease(earlier.lease);
    await register({ ctx: f.ctx, identity, load: () => idle }, signal, () => {}, earlier);
    await f.clock.advance(10);
    watch.cancel();
    return told;
  }

  test('is there until it has registered', async () => {
    expect(await marks(true)).toEqual(['put', 'delete']);
  });

  test('is not put for a session that has ended by itself', async () => {
    expect(await marks(false)).toEqual([]);
  });
});
