/** Duties over work that waits: unassigned, wedged, stolen, rebalanced, handed over, killed; and placement under them all. */
import { specOf } from '@boi/core';
import { FaultyStore } from '@boi/store/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HeldTasks } from '../claim/held.ts';
import { OwnQueue } from '../claim/own-queue.ts';
import { chooseLoot, Stealer } from '../claim/steal.ts';
import type { Member } from '../membership/membership-types.ts';
import { codecs, type QueueEntry, type Stored } from '../records.ts';
import { killClaim } from '../takeover/kill.ts';
import { WedgeDuty } from '../takeover/wedge.ts';
import {
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
  testTask,
} from '../testing/fixtures.ts';
import { handOver } from './handover.ts';
import { createPlacer } from './placement.ts';
import { planRebalance } from './rebalance.ts';
import { UnassignedDuty } from './unassigned.ts';

const one = testNode(1);
const two = testNode(2);
let f: Fixture;
let membership: StaticMembership;
let self: Member;
let stop: (() => Promise<void>)[];

beforeEach(async () => {
  f = fixture();
  stop = [];
  membership = await StaticMembership.create(f);
  self = await membership.join(one);
});

afterEach(async () => {
  for (const each of stop) await each();
  f.server.stop();
});

const deps = () => depsOf(f, membership, self);
const at = (node: typeof one, n: number) => read(f, f.keys.queue(node, testTask(n)), codecs.entry);
const inQueue = (node: typeof one, n: number, record: QueueEntry = entry()) =>
  put(f, f.keys.queue(node, testTask(n)), codecs.entry, record);
const unassigned = (n: number) => read(f, f.keys.unassigned(testTask(n)), codecs.entry);
const gpu = [{ key: 'gpu', op: 'exists' as const, value: true }];

describe('placement', () => {
  const place = async (facts: object, nowMs = 0) =>
    createPlacer(f.keys, membership.snapshot(), await membership.loads(), nowMs).place(testTask(1), facts);

  test('says how many nodes lack what', async () => {
    await membership.join(two, { capabilities: { gpu: true } }, { v: 1, cordoned: { at: 0 } });
    await membership.join(testNode(3), { slots: 1 });
    const placed = await place({ requires: gpu });
    expect(placed.member).toBeUndefined();
    expect(placed.why).toMatchObject({ summary: '3 nodes: 2 lack gpu, 1 cordoned' });
  });

  test('leaves out draining and cooling nodes and those with fewer slots than the task wants', async () => {
    await membership.configure(one, { v: 1, coolingUntil: 50 });
    expect((await place({}, 49)).member).toBeUndefined();
    expect((await place({}, 50)).member?.id).toBe(one);
    expect((await place({ slots: 5 }, 50)).why).toMatchObject({ summary: '1 node: 1 lacks slots >= 5' });
  });

  test('an operator’s label stands before what the node says of itself', async () => {
    await membership.configure(one, { v: 1, labels: { gpu: 'yes' } });
    expect((await place({ requires: gpu })).member?.id).toBe(one);
  });

  test('keeps the bound of load within a batch', async () => {
    await membership.join(two);
    const placer = createPlacer(f.keys, membership.snapshot(), new Map(), 0);
    const counts = new Map<string, number>();
    for (let n = 1; n <= 80; n++) {
      const id = placer.place(testTask(n), {}).member?.id ?? '';
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(51);
  });
});

describe('unassigned entries', () => {
  const start = () => {
    const duty = new UnassignedDuty(deps());
    duty.start();
    stop.push(() => duty.stop());
  };

  test('are placed as soon as a node that can take them joins', async () => {
    await put(
      f,
      f.keys.unassigned(testTask(1)),
      codecs.entry,
      entry({ requires: gpu, why: { summary: 'x', constraints: [] } }),
    );
    start();
    await f.clock.advance(100);
    expect(await unassigned(1)).toMatchObject({ why: { summary: '1 node: 1 lacks gpu' } });
    await membership.join(two, { capabilities: { gpu: true } });
    await f.clock.advance(100);
    expect(await at(two, 1)).toMatchObject({ moves: [{ to: two, why: 'placed' }] });
    expect((await at(two, 1))?.why).toBeUndefined();
    expect(await unassigned(1)).toBeUndefined();
  });

  test('are rewritten only when the reason changed', async () => {
    await put(f, f.keys.unassigned(testTask(1)), codecs.entry, entry({ requires: gpu }));
    start();
    await f.clock.advance(100);
    const before = (await f.store.get(f.keys.unassigned(testTask(1)))).kv?.modRevision;
    await f.clock.advance(60_000);
    expect((await f.store.get(f.keys.unassigned(testTask(1)))).kv?.modRevision).toBe(before);
  });

  test('are placed by the clock when only time has passed: a cooldown ends', async () => {
    await membership.configure(one, { v: 1, coolingUntil: f.clock.now() + 15_000 });
    await put(f, f.keys.unassigned(testTask(1)), codecs.entry, entry());
    start();
    await f.clock.advance(14_000);
    expect(await unassigned(1)).toBeDefined();
    await f.clock.advance(12_000);
    expect(await at(one, 1)).toBeDefined();
  });

  test('that arrive later are looked at when they arrive', async () => {
    start();
    await f.clock.advance(1_000);
    await put(f, f.keys.unassigned(testTask(2)), codecs.entry, entry());
    await f.clock.advance(100);
    expect(await at(one, 2)).toBeDefined();
  });
});

describe('a wedged queue', () => {
  beforeEach(async () => {
    await membership.join(two);
    const duty = new WedgeDuty(deps());
    duty.start();
    stop.push(() => duty.stop());
  });

  test('loses entries its owner has not considered for five seconds', async () => {
    const stored = await inQueue(two, 1);
    membership.setLoad(two, { scanned: '0' });
    await f.clock.advance(4_000);
    expect(await at(two, 1)).toBeDefined();
    await f.clock.advance(5_000);
    expect(await at(one, 1)).toMatchObject({ moves: [{ from: two, to: one, why: 'wedged' }] });
    expect(stored.modRevision).not.toBe('0');
  });

  test('keeps what its owner has considered, whatever that waits for', async () => {
    const { modRevision } = await inQueue(two, 1);
    membership.setLoad(two, { scanned: modRevision });
    await f.clock.advance(60_000);
    expect(await at(two, 1)).toBeDefined();
  });

  test('keeps what is claimed', async () => {
    await inQueue(two, 1, claimedEntry());
    await f.clock.advance(60_000);
    expect(await at(two, 1)).toBeDefined();
  });

  test('keeps what nobody else can take', async () => {
    await membership.configure(one, { v: 1, labels: { kind: 'other' } });
    await inQueue(two, 1, entry({ requires: [{ key: 'kind', op: 'exists', value: false }] }));
    await f.clock.advance(60_000);
    expect(await at(two, 1)).toBeDefined();
  });
});

describe('stealing', () => {
  const held = new HeldTasks();
  let woken = 0;
  let stealer: Stealer;
  let queue: OwnQueue;

  beforeEach(async () => {
    woken = 0;
    for (const each of held.all()) held.remove(each);
    await membership.join(two);
    queue = new OwnQueue(f.ctx, one, (task, nonce) => held.runsHere(task, nonce));
    await queue.mirror.start();
    stop.push(() => queue.mirror.stop());
    stealer = new Stealer(deps(), { held, queue, capacity: 4, mayClaim: () => true, wake: () => woken++ });
    membership.setLoad(two, { busy: 4, queued: 20 });
  });

  test('moves and claims in one transaction, what fits the free slots, and holds it for the claim loop', async () => {
    for (let n = 1; n <= 10; n++) await inQueue(two, n);
    const before = f.server.revision;
    expect(await stealer.steal()).toBe(4);
    expect(BigInt(f.server.revision) - BigInt(before)).toBe(1n);
    const tasks = held.all();
    expect(tasks.map(({ phase }) => phase)).toEqual(['ahead', 'ahead', 'ahead', 'ahead']);
    for (const { task, fence, nonce } of tasks) {
      const record = await read(f, f.keys.queue(one, task), codecs.entry);
      expect(record).toMatchObject({ deliveries: 1, claim: { nonce }, moves: [{ why: 'stolen' }] });
      expect((await f.store.get(f.keys.queue(one, task))).kv?.modRevision).toBe(fence);
    }
    expect(woken).toBe(1);
  });

  test('whose answer was lost, and whose loot is gone when it is sent again, is not told to have failed (seed 560276)', async () => {
    await inQueue(two, 1);
    const store = new FaultyStore({ store: f.store, clock: f.clock });
    let sent = 0;
    store.plan = { call: ({ method }) => (method === 'batch' && sent++ === 0 ? { dropReply: true } : undefined) };
    const faulty = { ...deps(), ctx: { ...f.ctx, store } };
    const thief = new Stealer(faulty, { held, queue, capacity: 4, mayClaim: () => true, wake: () => woken++ });
    const stealing = thief.steal();
    await f.clock.until(async () => (await at(one, 1)) !== undefined, 1_000, 'it is taken');
    await f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.queue(one, testTask(1)) }] });
    await f.clock.advance(60_000);
    expect(await stealing).toBe(0);
    expect(sent).toBe(2);
    const told = f.port.resolved.map(({ intended, outcome }) => [intended.event.kind, outcome]);
    expect(told).toEqual([
      ['task.reassigned', 'unknown'],
      ['task.claimed', 'unknown'],
    ]);
  });

  test('leaves what is claimed, keyed or not due, and nodes that have a free slot themselves', async () => {
    await inQueue(two, 1, claimedEntry());
    await inQueue(two, 2, entry({ lock: { hash: 'a1', limit: 1 } }));
    await inQueue(two, 3, entry({ notBefore: f.clock.now() + 1_000 }));
    expect(await stealer.steal()).toBe(0);
    await inQueue(two, 4);
    membership.setLoad(two, { busy: 3 });
    expect(await stealer.steal()).toBe(0);
    membership.setLoad(two, { busy: 4 });
    expect(await stealer.steal()).toBe(1);
  });

  test('leaves what another node with free slots ranks first for', async () => {
    const three = testNode(3);
    await membership.join(three);
    const head: Stored<QueueEntry>[] = [];
    for (let n = 1; n <= 30; n++) head.push(await inQueue(two, n));
    const loot = async () => {
      const options = { free: 40, nowMs: f.clock.now(), risky: false };
      return chooseLoot(one, head, membership.snapshot(), await membership.loads(), options).length;
    };
    expect(await loot()).toBeGreaterThan(5);
    expect(await loot()).toBeLessThan(25);
    membership.setLoad(three, { busy: 4 });
    expect(await loot()).toBe(30);
  });

  test('takes nothing once its session is over, its settings changed or dispatch is paused', async () => {
    await inQueue(two, 1);
    await put(f, f.keys.cluster(), codecs.cluster, {
      v: 1,
      id: 'cluster',
      defaultProject: testProject,
      createdAt: 0,
      paused: { at: 1 },
    });
    expect(await stealer.steal()).toBe(0);
    expect(await at(two, 1)).toBeDefined();
  });
});

test('a join takes only what pure rendezvous hashing gives to the newcomer', async () => {
  const stored = [];
  for (let n = 1; n <= 200; n++) stored.push(await inQueue(one, n));
  stored.push(await inQueue(one, 201, claimedEntry()));
  await membership.join(two);
  const moves = planRebalance(deps(), two, stored);
  expect(moves.length).toBeGreaterThan(70);
  expect(moves.length).toBeLessThan(130);
  expect(moves.every(({ to }) => to === two)).toBe(true);
  await membership.join(testNode(3), { slots: 0 });
  expect(planRebalance(deps(), testNode(3), stored)).toEqual([]);
});

describe('handing over', () => {
  test('gives unclaimed entries to others, or to unassigned when there are none', async () => {
    const stored = [await inQueue(one, 1), await inQueue(one, 2, claimedEntry())];
    expect(await handOver(deps(), { entries: stored })).toBe(1);
    expect(await unassigned(1)).toMatchObject({ why: { summary: 'no nodes' } });
    expect(await at(one, 2)).toBeDefined();
    await membership.join(two);
    expect(await handOver(deps(), { entries: [await inQueue(one, 3)] })).toBe(1);
    expect(await at(two, 3)).toMatchObject({ moves: [{ from: one, to: two, why: 'drained' }] });
  });

  test('leaves what was claimed meanwhile', async () => {
    const before = await inQueue(one, 1);
    await inQueue(one, 1, claimedEntry());
    await membership.join(two);
    expect(await handOver(deps(), { entries: [before] })).toBe(0);
    expect((await at(one, 1))?.claim).toBeDefined();
  });
});

describe('killing a claim', () => {
  test('moves the task away without its claim, and frees its slot', async () => {
    await membership.join(two);
    const lock = f.keys.lock(testProject, 'a1', 0);
    await put(f, lock, codecs.lock, { v: 1, task: testTask(1), nonce: 'c1' });
    const stored = await inQueue(two, 1, claimedEntry({ lock: { hash: 'a1', limit: 1 }, lockSlot: 0 }));
    expect(await killClaim(deps(), testTask(1), two, stored)).toBe(true);
    const record = await at(one, 1);
    expect(record).toMatchObject({
      deliveries: 1,
      history: [{ node: two, end: 'killed' }],
      moves: [{ why: 'killed' }],
    });
    expect(record?.claim).toBeUndefined();
    expect(await read(f, lock, codecs.lock)).toBeUndefined();
  });

  test('of a task that was to be cancelled ends it', async () => {
    const stored = await inQueue(two, 1, claimedEntry({ cancel: { at: 1 } }));
    expect(await killClaim(deps(), testTask(1), two, stored)).toBe(true);
    expect(await at(two, 1)).toBeUndefined();
  });

  test('in the last delivery that is allowed ends the task as poison: it is not delivered once more', async () => {
    await membership.join(two);
    const stored = await inQueue(two, 1, claimedEntry({ deliveries: 3 }));
    expect(await killClaim(deps(), testTask(1), two, stored)).toBe(true);
    expect([await at(one, 1), await at(two, 1)]).toEqual([undefined, undefined]);
    const result = await read(f, f.keys.result(specOf(testTask(1)), testTask(1)), codecs.result);
    expect(result).toMatchObject({ outcome: 'poison', delivery: 3, history: [{ node: two, end: 'killed' }] });
  });

  test('is refused for what is not claimed, and says so when the entry has changed', async () => {
    const stored = await inQueue(two, 1);
    await expect(killClaim(deps(), testTask(1), two, stored)).rejects.toMatchObject({ code: 'wrong-state' });
    const old = await inQueue(two, 1, claimedEntry());
    await inQueue(two, 1, claimedEntry({ cancel: { at: 1 } }));
    expect(await killClaim(deps(), testTask(1), two, old)).toBe(false);
  });
});
