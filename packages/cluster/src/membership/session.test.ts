import type { NodeId } from '@boi/core';
import { FaultyStore } from '@boi/store/testing';
import { expect, test } from 'vitest';
import { initCluster } from '../init.ts';
import { codecs } from '../records.ts';
import { allKeys, fixture, testNode } from '../testing/fixtures.ts';
import { NodeSession } from './session.ts';

async function setUp(id: NodeId = testNode(1), f = fixture()) {
  await initCluster(f.ctx, new AbortController().signal);
  const faulty = new FaultyStore({ store: f.store, clock: f.clock });
  const deadlines: ({ termAtMs: number; killAtMs: number } | undefined)[] = [];
  const state = { turning: true };
  const session = new NodeSession({
    ctx: { ...f.ctx, store: faulty },
    identity: { id, address: 'http://127.0.0.1:1', version: '0.1.0', capabilities: {}, slots: 4 },
    runner: { setDeadline: (deadline) => void deadlines.push(deadline) },
    turning: () => state.turning,
    load: () => ({ v: 1, busy: 0, queued: 0, running: 0, health: 'ok', scanned: '0' }),
  });
  const told: string[] = [];
  session.onLive((epoch) => told.push(`live ${epoch}`));
  session.onLost(() => told.push('lost'));
  return { f, faulty, session, deadlines, state, told };
}

test('registers with its load, and the epoch is the create revision of its record', async () => {
  const { f, session, told } = await setUp();
  await session.start();
  const { kv } = await f.store.get(f.keys.node(testNode(1)));
  expect(session.epoch()).toBe(kv?.createRevision);
  expect(kv?.lease).toBe(session.lease);
  expect((await f.store.get(f.keys.load(testNode(1)))).kv?.lease).toBe(session.lease);
  expect(told).toEqual([`live ${kv?.createRevision}`]);
  await session.stop();
  expect((await f.store.get(f.keys.node(testNode(1)))).kv).toBeUndefined();
});

test('lives on as long as keep-alives succeed, for many times its time to live', async () => {
  const { f, session, deadlines } = await setUp();
  await session.start();
  const epoch = session.epoch();
  await f.clock.advance(200_000);
  expect(session.epoch()).toBe(epoch);
  const last = deadlines.at(-1);
  // Counted from the sending of the last keep-alive, at most a third of the time to live ago.
  expect(last?.termAtMs).toBeGreaterThan(f.clock.mono() + 10_000 - 5_001);
  expect(last?.killAtMs).toBe((last?.termAtMs ?? 0) + 3_000);
  await session.stop();
});

test('is lost at the deadline counted from the last sending, before the server ends the lease', async () => {
  const { f, faulty, session, told, deadlines } = await setUp();
  await session.start();
  const signal = session.signal();
  await f.clock.advance(5_100);
  faulty.partition();
  const cutMono = f.clock.mono();
  await f.clock.until(() => session.epoch() === undefined, 20_000, 'fenced');
  await f.clock.advance(0);
  // The last success was sent at 5 000 ms; 15 s to live less one of margin.
  expect(f.clock.mono()).toBeLessThanOrEqual(19_000);
  expect(f.clock.mono() - cutMono).toBeGreaterThan(13_000);
  expect((await f.store.get(f.keys.node(testNode(1)))).kv).toBeDefined();
  expect(session.state).not.toBe('live');
  expect(signal.aborted).toBe(true);
  expect(told.at(-1)).toBe('lost');
  expect(deadlines.at(-1)).toBeUndefined();
  expect(() => session.compares()).toThrowError(expect.objectContaining({ code: 'unavailable' }));
  const stopped = session.stop();
  await f.clock.advance(20_000);
  await stopped;
});

test('comes back under a new epoch when the store does, however long it was away', async () => {
  const { f, faulty, session, told } = await setUp();
  await session.start();
  const old = session.epoch();
  faulty.partition();
  await f.clock.advance(600_000);
  expect(session.epoch()).toBeUndefined();
  faulty.heal();
  await f.clock.until(() => session.epoch() !== undefined, 10_000, 'back');
  expect(session.epoch()).not.toBe(old);
  expect(told.map((what) => what.split(' ')[0])).toEqual(['live', 'lost', 'live']);
  await session.stop();
});

test('a lease that the server ended is lost at once', async () => {
  const { f, session, told } = await setUp();
  await session.start();
  const { lease } = session;
  await f.store.revokeLease(lease as NonNullable<typeof lease>);
  await f.clock.advance(5_100);
  expect(told.map((what) => what.split(' ')[0])).toEqual(['live', 'lost', 'live']);
  await session.stop();
});

test('a jump of the wall clock suspends it until a keep-alive shows that it lives, and does not end it', async () => {
  const { f, session, told } = await setUp();
  await session.start();
  const epoch = session.epoch();
  f.clock.wallOffsetMs += 3_600_000;
  expect(session.epoch()).toBeUndefined();
  await f.clock.advance(10);
  expect(session.epoch()).toBe(epoch);
  expect(told).toHaveLength(1);
  await session.stop();
});

test('keep-alives go out only while the claim loop turns', async () => {
  const { f, session, state, told } = await setUp();
  await session.start();
  state.turning = false;
  await f.clock.advance(16_500);
  expect(told.at(-1)).toBe('lost');
  expect((await f.store.get(f.keys.node(testNode(1)))).kv).toBeUndefined();
  // Nor does it register anew.
  await f.clock.advance(60_000);
  expect(session.epoch()).toBeUndefined();
  state.turning = true;
  await f.clock.until(() => session.epoch() !== undefined, 10_000, 'back');
  await session.stop();
});

test('never registers over a live record: waits until it must have expired, then refuses', async () => {
  const { f, session } = await setUp();
  await session.start();
  const { session: second } = await setUp(testNode(1), f);
  const started = second.start().then(
    () => 'registered',
    (error: { code: string }) => error.code,
  );
  await f.clock.advance(19_900);
  expect(second.state).toBe('joining');
  await f.clock.advance(600);
  expect(await started).toBe('identity-in-use');
  expect(session.epoch()).toBeDefined();
  await second.stop();
  await session.stop();
});

test('the record of a daemon that died is waited for, not overwritten', async () => {
  const { f, faulty, session } = await setUp();
  await session.start();
  const old = session.epoch();
  faulty.crash();
  const { session: next } = await setUp(testNode(1), f);
  const started = next.start();
  await f.clock.advance(20_000);
  await started;
  expect(next.epoch()).not.toBe(old);
  await next.stop();
});

test('a reply that is lost while registering is settled by sending the same again', async () => {
  const { f, faulty, session } = await setUp();
  let lost = false;
  faulty.plan = {
    call: (call) => {
      if (call.method !== 'txn' || lost) return undefined;
      lost = true;
      return { dropReply: true };
    },
  };
  const started = session.start();
  await f.clock.advance(10_000);
  await started;
  const { kv } = await f.store.get(f.keys.node(testNode(1)));
  expect(session.epoch()).toBe(kv?.createRevision);
  await session.stop();
});

test('a cluster of an unknown schema is refused, and nothing is written', async () => {
  const { f, session } = await setUp();
  await f.store.txn({ compares: [], success: [{ op: 'put', key: f.keys.cluster(), value: '{"v":2}' }] });
  const before = await allKeys(f);
  await expect(session.start()).rejects.toMatchObject({ code: 'schema-unknown' });
  expect(await allKeys(f)).toEqual(before);
  await session.stop();
});

test('two nodes that start together agree on one cluster', async () => {
  const f = fixture();
  const { signal } = new AbortController();
  const [a, b] = await Promise.all([initCluster(f.ctx, signal), initCluster(f.ctx, signal)]);
  expect(a).toEqual(b);
  const { kvs } = await f.store.range(f.keys.projects());
  expect(kvs).toHaveLength(1);
  const { kv } = await f.store.get(f.keys.project(a.defaultProject));
  expect(codecs.project.decode('', kv?.value as Buffer).name).toBe('default');
});
