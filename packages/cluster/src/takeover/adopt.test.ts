import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Member } from '../membership/membership-types.ts';
import { codecs, type QueueEntry } from '../records.ts';
import {
  allKeys,
  claimedEntry,
  depsOf,
  entry,
  type Fixture,
  fixture,
  put,
  read,
  StaticMembership,
  testNode,
  testProject,
  testSpec,
  testTask,
} from '../testing/fixtures.ts';
import { Adopter } from './adopter.ts';

const dead = testNode(9);
const alive = testNode(1);
let f: Fixture;
let membership: StaticMembership;
let self: Member;
let adopter: Adopter;

beforeEach(async () => {
  f = fixture();
  membership = await StaticMembership.create(f);
  self = await membership.join(alive);
  adopter = new Adopter(depsOf(f, membership, self));
});

afterEach(async () => {
  await adopter.stop();
  f.server.stop();
});

const queued = (n: number, over: Partial<QueueEntry> = {}) =>
  put(f, f.keys.queue(dead, testTask(n)), codecs.entry, entry(over));
const claimed = (n: number, over: Partial<QueueEntry> = {}) =>
  put(f, f.keys.queue(dead, testTask(n)), codecs.entry, claimedEntry(over));
const taken = (n: number) => read(f, f.keys.queue(alive, testTask(n)), codecs.entry);
const left = (n: number) => read(f, f.keys.queue(dead, testTask(n)), codecs.entry);
const result = (n: number) => read(f, f.keys.result(testSpec(1), testTask(n)), codecs.result);

describe('a long queue', () => {
  const LONG = 600;

  /** An adopter whose every batch takes a while; `answered` is called with how many have been answered. */
  async function slowAdopter(answered: (batches: number) => Promise<void>) {
    for (let n = 1; n <= LONG; n++) await queued(n);
    const underWay = { now: 0, most: 0, answered: 0 };
    const store = f.server.connect({ latencyMs: 10 });
    const { batch } = store;
    store.batch = async (...request) => {
      underWay.most = Math.max(underWay.most, ++underWay.now);
      const answer = await batch.apply(store, request);
      underWay.now--;
      await answered(++underWay.answered);
      return answer;
    };
    const slow = { ...f, ctx: { ...f.ctx, store } };
    return { slow: new Adopter(depsOf(slow, membership, self)), underWay };
  }

  async function settled<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    void promise.finally(() => {
      done = true;
    });
    await f.clock.until(() => done, 10_000, 'the adoption');
    return promise;
  }

  async function places() {
    const all = (await allKeys(f)).filter((key) => key.startsWith('queue/'));
    return { all: all.length, tasks: new Set(all.map((key) => key.slice(key.lastIndexOf('/')))).size };
  }

  test('is moved by several batches at once, each task once', async () => {
    const { slow, underWay } = await slowAdopter(async () => {});
    expect(await settled(slow.adopt(dead))).toEqual({ outcome: 'done', moved: LONG });
    expect(underWay).toMatchObject({ most: 4, answered: 5 });
    expect(await places()).toEqual({ all: LONG, tasks: LONG });
    expect(await left(LONG)).toBeUndefined();
  });

  test('of a node that comes back in the middle stays where it is from there on, each task in one place', async () => {
    const { slow } = await slowAdopter(async (batches) => {
      if (batches === 1) await membership.join(dead);
    });
    const { outcome, moved } = await settled(slow.adopt(dead));
    expect(outcome).toBe('alive');
    expect(moved).toBeGreaterThanOrEqual(125);
    expect(moved).toBeLessThan(LONG);
    expect(await places()).toEqual({ all: LONG, tasks: LONG });
    expect(await left(LONG)).toBeDefined();
  });
});

describe('a dead node’s queue', () => {
  test('goes to the living: unclaimed entries as they are, claimed ones with a lost delivery in their history', async () => {
    await queued(1, { priority: 3 });
    await claimed(2, { deliveries: 1 });
    expect(await adopter.adopt(dead)).toEqual({ outcome: 'done', moved: 2 });
    expect(await taken(1)).toMatchObject({
      priority: 3,
      deliveries: 0,
      moves: [{ from: dead, to: alive, why: 'adopted' }],
    });
    const second = await taken(2);
    expect(second).toMatchObject({ deliveries: 1, history: [{ node: dead, delivery: 1, end: 'lost' }] });
    expect(second?.claim).toBeUndefined();
    expect(await left(1)).toBeUndefined();
    expect(await left(2)).toBeUndefined();
  });

  test('stays while a next life of the node is about to be back', async () => {
    await queued(1);
    await claimed(2, { deliveries: 3 });
    const mark = f.keys.returning(dead);
    await f.ctx.store.txn({ compares: [], success: [{ op: 'put', key: mark, value: '{"v":1}' }] });
    expect(await adopter.adopt(dead)).toEqual({ outcome: 'alive', moved: 0 });
    expect([await left(1), await left(2)]).toEqual([expect.anything(), expect.anything()]);
    await f.ctx.store.txn({ compares: [], success: [{ op: 'delete', key: mark }] });
    expect(await adopter.adopt(dead)).toEqual({ outcome: 'done', moved: 2 });
  });

  test('a claim that held a concurrency slot frees it', async () => {
    const lock = { hash: 'a1', limit: 1 };
    const key = f.keys.lock(testProject, 'a1', 0);
    await put(f, key, codecs.lock, { v: 1, task: testTask(1), nonce: 'c1' });
    await claimed(1, { lock, lockSlot: 0 });
    await adopter.adopt(dead);
    expect(await read(f, key, codecs.lock)).toBeUndefined();
    expect((await taken(1))?.lockSlot).toBeUndefined();
  });

  test('the claim lost for the third time ends as poison, in one transaction with its slot and entry', async () => {
    const key = f.keys.lock(testProject, 'a1', 0);
    await put(f, key, codecs.lock, { v: 1, task: testTask(1), nonce: 'c1' });
    await claimed(1, { deliveries: 3, lock: { hash: 'a1', limit: 1 }, lockSlot: 0 });
    expect(await adopter.adopt(dead)).toEqual({ outcome: 'done', moved: 1 });
    expect(await result(1)).toMatchObject({ outcome: 'poison', reason: 'lost', delivery: 3 });
    expect(await read(f, key, codecs.lock)).toBeUndefined();
    expect(await left(1)).toBeUndefined();
  });

  test('poison of a one-task spec makes its header final', async () => {
    const header = f.keys.spec(testProject, testSpec(1));
    await put(f, header, codecs.spec, {
      v: 1,
      state: 'active',
      cursor: 1,
      tasks: 1,
      chunks: 0,
      counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
      failure: 'fail-fast',
      digest: 'd',
      createdAt: 0,
    });
    await claimed(1, { deliveries: 3, single: true });
    await adopter.adopt(dead);
    expect(await read(f, header, codecs.spec)).toMatchObject({ state: 'failed', counts: { failed: 1 } });
  });

  test('a claim that was to be cancelled ends as cancelled instead of running again', async () => {
    await claimed(1, { cancel: { at: 1 } });
    await adopter.adopt(dead);
    expect(await result(1)).toMatchObject({ outcome: 'cancelled', history: [{ end: 'lost' }] });
    expect(await taken(1)).toBeUndefined();
  });

  test('with no capable successor a claim stays exactly as it is, and what is unclaimed goes to unassigned', async () => {
    const requires = [{ key: 'gpu', op: 'exists', value: true }] as const;
    const stranded = await claimed(1, { requires: [...requires] });
    await queued(2, { requires: [...requires] });
    expect(await adopter.adopt(dead)).toEqual({ outcome: 'stranded', moved: 1 });
    expect((await f.store.get(stranded.key)).kv?.modRevision).toBe(stranded.modRevision);
    expect(await read(f, f.keys.unassigned(testTask(2)), codecs.entry)).toMatchObject({
      why: { summary: '1 node: 1 lacks gpu' },
    });
  });

  test('of an expelled node no claim stays, so that it can commit nothing', async () => {
    const requires = [{ key: 'gpu', op: 'exists', value: true }] as const;
    await claimed(1, { requires: [...requires] });
    expect(await adopter.removeNode(dead)).toBe(0);
    expect(await left(1)).toBeDefined();
    expect(await adopter.removeNode(dead, { expelled: true })).toBe(1);
    expect(await left(1)).toBeUndefined();
    const waiting = await read(f, f.keys.unassigned(testTask(1)), codecs.entry);
    expect(waiting).toMatchObject({ history: [{ node: dead, end: 'lost' }] });
    expect(waiting?.claim).toBeUndefined();
  });

  test('nothing is taken from a node that is back', async () => {
    await queued(1);
    await claimed(2);
    await put(f, f.keys.node(dead), codecs.node, self.record);
    expect(await adopter.adopt(dead)).toEqual({ outcome: 'alive', moved: 0 });
    expect(await left(1)).toBeDefined();
    expect((await left(2))?.claim).toBeDefined();
    await expect(adopter.removeNode(dead)).rejects.toMatchObject({ code: 'wrong-state' });
  });

  test('nothing lands on a target that has died: it is placed anew', async () => {
    await queued(1);
    const other = testNode(2);
    await membership.join(other, { slots: 1000 });
    // Dead in the store, alive in this node's view.
    await f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.node(other) }] });
    const adopting = adopter.adopt(dead);
    await f.clock.advance(10);
    expect(await left(1)).toBeDefined();
    await membership.die(other);
    await f.clock.advance(5_000);
    expect((await adopting).outcome).toBe('done');
    expect(await taken(1)).toBeDefined();
  });

  test('of thousands of entries nothing stays behind, whatever runs beside it', async () => {
    for (let n = 1; n <= 1_500; n++) await (n % 2 === 0 ? claimed(n) : queued(n));
    const second = new Adopter(depsOf(f, membership, self));
    await Promise.all([adopter.adopt(dead), second.adopt(dead), f.clock.advance(20_000)]);
    const keys = await allKeys(f);
    expect(keys.filter((key) => key.startsWith(`queue/${dead}/`))).toEqual([]);
    expect(keys.filter((key) => key.startsWith(`queue/${alive}/`))).toHaveLength(1_500);
    expect(f.counts.get('boi_core_moves_total')).toBe(1_500);
  });
});

describe('the duty', () => {
  test('begins when a node’s record disappears', async () => {
    await membership.join(dead);
    await queued(1);
    adopter.start();
    await f.clock.advance(100);
    expect(await left(1)).toBeDefined();
    await membership.die(dead);
    await f.clock.advance(500);
    expect(await taken(1)).toBeDefined();
    expect(f.events.map(({ kind }) => kind)).toContain('node.crashed');
  });

  test('finds a queue nobody was told of by its sweep', async () => {
    adopter.start();
    await f.clock.advance(1_000);
    await queued(1);
    await f.clock.advance(36_000);
    expect(await taken(1)).toBeDefined();
  });

  test('is another node’s when that one wins it', async () => {
    for (let n = 2; n <= 8; n++) await membership.join(testNode(n));
    const deaths = Array.from({ length: 20 }, (_, n) => testNode(100 + n));
    for (const node of deaths) await put(f, f.keys.queue(node, testTask(1)), codecs.entry, entry());
    adopter.start();
    await f.clock.advance(2_000);
    const keys = await allKeys(f);
    const untouched = deaths.filter((node) => keys.some((key) => key.startsWith(`queue/${node}/`)));
    expect(untouched.length).toBeGreaterThan(10);
    expect(untouched.length).toBeLessThan(20);
  });

  test('removing a dead node adopts its queue at once and forgets its settings and its plugins, and nobody else’s', async () => {
    await queued(1);
    await membership.configure(dead, { v: 1, cordoned: { at: 0 } });
    const crashed = { v: 1 as const, crashes: [], unstable: true };
    await put(f, f.keys.plugin(dead, 'audit'), codecs.plugin, crashed);
    await put(f, f.keys.plugin(testNode(2), 'audit'), codecs.plugin, crashed);
    expect(await adopter.removeNode(dead)).toBe(1);
    expect(await read(f, f.keys.nodeconf(dead), codecs.nodeconf)).toBeUndefined();
    expect((await allKeys(f)).filter((key) => key.startsWith('plugins/'))).toEqual([`plugins/${testNode(2)}/audit`]);
  });
});

test('a coordination that cannot be read keeps nobody from the others', async () => {
  const header = {
    v: 1,
    state: 'active',
    cursor: 2,
    tasks: 2,
    chunks: 1,
    counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
    failure: 'continue',
    digest: 'd',
    createdAt: 0,
    coordinator: dead,
  } as const;
  const unreadable = f.keys.coord(dead, testSpec(1));
  await f.store.txn({ compares: [], success: [{ op: 'put', key: unreadable, value: '{"v":99}' }] });
  await put(f, f.keys.coord(dead, testSpec(2)), codecs.coord, { v: 1, prj: testProject });
  await put(f, f.keys.spec(testProject, testSpec(2)), codecs.spec, header);
  expect(await adopter.adopt(dead)).toMatchObject({ outcome: 'done' });
  expect((await allKeys(f)).filter((key) => key.startsWith('coord/'))).toEqual([
    `coord/${alive}/${testSpec(2)}`,
    `coord/${dead}/${testSpec(1)}`,
  ]);
  expect(f.counts.get('boi_core_records_unreadable_total')).toBe(1);
});
