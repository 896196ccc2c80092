import type { TaskId } from '@boi/core';
import { expect, test } from 'vitest';
import { codecs, type QueueEntry } from '../records.ts';
import { claimedEntry, entry, fixture, put, testNode, testSpec, testTask } from '../testing/fixtures.ts';
import { planClaims } from './claim-plan.ts';
import { OwnQueue } from './own-queue.ts';

const self = testNode(1);

async function setUp() {
  const f = fixture();
  const mine = new Set<string>();
  const queue = new OwnQueue(f.ctx, self, (_task, nonce) => mine.has(nonce));
  await queue.mirror.start();
  const write = async (n: number, record: QueueEntry) => {
    const stored = await put(f, f.keys.queue(self, testTask(n)), codecs.entry, record);
    await f.clock.advance(0);
    return stored;
  };
  const remove = async (n: number) => {
    await f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.queue(self, testTask(n)) }] });
    await f.clock.advance(0);
  };
  const claimable = () =>
    [...queue.lanes]
      .flatMap(({ candidates }) => [...candidates].map(({ task }) => Number.parseInt(task.slice(26), 32)))
      .sort();
  return { f, mine, queue, write, remove, claimable };
}

test('an entry can be claimed as long as it is here, unclaimed and not cancelled', async () => {
  const { queue, write, remove, claimable } = await setUp();
  await write(1, entry());
  await write(2, entry({ cancel: { at: 0 } }));
  await write(3, entry({ priority: 3 }));
  expect(claimable()).toEqual([1, 3]);
  expect(queue.queued).toBe(3);
  await remove(3);
  expect(claimable()).toEqual([1]);
  expect(queue.queued).toBe(2);
});

test('claimed by what runs here it cannot; by a nonce that does not run here it is claimed anew', async () => {
  const { mine, queue, write, claimable } = await setUp();
  mine.add('c1');
  await write(1, claimedEntry());
  expect(claimable()).toEqual([]);
  mine.delete('c1');
  queue.reconsider(testTask(1));
  expect(claimable()).toEqual([1]);
  expect(queue.queued).toBe(0);
});

test('waits for its time by the wall clock, or as long as was meant by the monotonic one, whichever is first', async () => {
  const { f, queue, write, claimable } = await setUp();
  const now = f.clock.now();
  await write(1, entry({ notBefore: now + 5_000, delayMs: 5_000 }));
  // Written by a node whose wall clock is an hour ahead.
  await write(2, entry({ notBefore: now + 3_605_000, delayMs: 5_000 }));
  await write(3, entry({ notBefore: now - 1 }));
  expect(queue.advance()).toBe(5_000);
  expect(claimable()).toEqual([3]);
  f.clock.wallOffsetMs += 5_000;
  queue.advance();
  expect(claimable()).toEqual([1, 3]);
  await f.clock.advance(5_000);
  expect(queue.advance()).toBeUndefined();
  expect(claimable()).toEqual([1, 2, 3]);
});

test('what is being claimed is nowhere until its change is heard', async () => {
  const { queue, write, claimable } = await setUp();
  await write(1, entry());
  queue.take(testTask(1));
  expect(claimable()).toEqual([]);
  await write(1, entry({ priority: 1 }));
  expect(claimable()).toEqual([1]);
});

test('a claim that lost its node still holds the slot of its concurrency key', async () => {
  const { queue, write } = await setUp();
  const lock = { hash: 'h', limit: 1 };
  await write(1, claimedEntry({ lock, lockSlot: 0 }));
  await write(2, entry({ lock }));
  const lanes = [...queue.lanes].map(({ lock: needed, deliveries }) => ({ needed, deliveries }));
  expect(lanes).toEqual([
    { needed: undefined, deliveries: 1 },
    { needed: lock, deliveries: 0 },
  ]);
  expect(queue.waitsForLock(entry().prj, 'h')).toBe(true);
});

test('planning costs the same however much is queued', async () => {
  const { f, queue } = await setUp();
  const spec = testSpec(2);
  const value = codecs.entry.encode(entry());
  for (let from = 1; from <= 50_000; from += 100) {
    const success = Array.from({ length: 100 }, (_, i) => ({
      op: 'put' as const,
      key: f.keys.queue(self, testTask(from + i, spec)),
      value,
    }));
    await f.store.txn({ compares: [], success });
  }
  await f.clock.advance(0);
  expect(queue.queued).toBe(50_000);
  let looks = 0;
  const busy = (task: TaskId) => {
    looks++;
    return task === undefined;
  };
  const plan = () =>
    planClaims({
      lanes: queue.lanes,
      freeSlots: 50,
      capacity: 50,
      startMax: 100,
      aheadMax: 50,
      riskyHere: false,
      passedOver: new Map(),
      served: new Map(),
      share: () => 1,
      lockSlots: () => [],
      busy,
    });
  expect(plan().picks).toHaveLength(100);
  // Those that were taken, and the one at which the plan stopped.
  expect(looks).toBe(101);
});
