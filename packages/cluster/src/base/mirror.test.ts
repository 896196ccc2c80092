import type { FaultPlan } from '@boi/store/testing';
import { FaultyStore } from '@boi/store/testing';
import { expect, test } from 'vitest';
import { codecs, type QueueEntry } from '../records.ts';
import { entry, fixture, put, testNode, testTask } from '../testing/fixtures.ts';
import { type Change, Mirror, onlyKey } from './mirror.ts';

const node = testNode(1);

function setUp(plan: FaultPlan = {}, relistMs?: number) {
  const f = fixture();
  const faulty = new FaultyStore({ store: f.store, clock: f.clock, plan });
  const mirror = new Mirror<QueueEntry>({
    ctx: { ...f.ctx, store: faulty },
    range: f.keys.queueOf(node),
    codec: codecs.entry,
    what: 'queue',
    ...(relistMs === undefined ? {} : { relistMs }),
  });
  const heard: string[] = [];
  const name = ({ key, before, after }: Change<QueueEntry>) =>
    `${before === undefined ? '+' : after === undefined ? '-' : '~'}${Number.parseInt(key.slice(-4), 32)}`;
  mirror.onChange((changes) => heard.push(...changes.map(name)));
  const key = (n: number) => f.keys.queue(node, testTask(n));
  const write = (n: number, over: Partial<QueueEntry> = {}) => put(f, key(n), codecs.entry, entry(over));
  const remove = (n: number) => f.store.txn({ compares: [], success: [{ op: 'delete', key: key(n) }] });
  return { f, faulty, mirror, heard, key, write, remove };
}

test('shows what is there, then every change in order', async () => {
  const { f, mirror, heard, write, remove, key } = setUp();
  await write(1);
  await write(2);
  await mirror.start();
  await write(3);
  await write(1, { priority: 5 });
  await remove(2);
  await f.clock.advance(1);
  expect(heard).toEqual(['+1', '+2', '+3', '~1', '-2']);
  expect([...mirror.entries.keys()].sort()).toEqual([key(1), key(3)]);
  expect(mirror.entries.get(key(1))?.record.priority).toBe(5);
  expect(mirror.revision).toBe(f.server.revision);
  await mirror.stop();
});

test('lists more than one page at one revision', async () => {
  const { f, mirror } = setUp();
  for (let from = 1; from <= 2_400; from += 100) {
    const success = Array.from({ length: 100 }, (_, i) => ({
      op: 'put' as const,
      key: f.keys.queue(node, testTask(from + i)),
      value: codecs.entry.encode(entry()),
    }));
    await f.store.txn({ compares: [], success });
  }
  await mirror.start();
  expect(mirror.entries.size).toBe(2_400);
  await mirror.stop();
});

test('a lost watch is listed again, and only the difference is told', async () => {
  const { f, faulty, mirror, heard, write, remove } = setUp();
  await write(1);
  await write(2);
  await mirror.start();
  heard.length = 0;
  faulty.partition();
  await remove(1);
  await write(3);
  faulty.loseWatches();
  faulty.heal();
  await f.clock.advance(10_000);
  expect(heard.sort()).toEqual(['+3', '-1']);
  await mirror.stop();
});

test('a store that is away is waited for', async () => {
  const { f, faulty, mirror, write } = setUp();
  await write(1);
  faulty.partition('refusing');
  const started = mirror.start();
  await f.clock.advance(20_000);
  faulty.heal();
  await f.clock.advance(2_000);
  await started;
  expect(mirror.entries.size).toBe(1);
  await mirror.stop();
});

test('a record that cannot be read is kept aside until it can', async () => {
  const { f, mirror, heard, write, key } = setUp();
  await f.store.txn({ compares: [], success: [{ op: 'put', key: key(1), value: '{"v":99}' }] });
  await mirror.start();
  expect([...mirror.broken.keys()]).toEqual([key(1)]);
  expect(mirror.entries.size).toBe(0);
  await write(1);
  await f.clock.advance(1);
  expect(heard).toEqual(['+1']);
  expect(mirror.broken.size).toBe(0);
  expect(f.counts.get('boi_core_records_unreadable_total')).toBe(1);
  await mirror.stop();
});

test('an event that never came is found by comparing, mended and counted', async () => {
  const { f, mirror, heard, write, faulty } = setUp({}, 60_000);
  await write(1);
  await mirror.start();
  // The watch is deaf from here on, as one whose server lost it would be.
  faulty.partition();
  await write(2);
  const watches = faulty.plan;
  expect(watches).toBeDefined();
  faulty.plan = { delivery: () => ({ delayMs: 10 * 3_600_000 }) };
  faulty.heal();
  await f.clock.advance(90_000);
  expect(heard).toEqual(['+1', '+2']);
  expect(f.counts.get('boi_core_watch_repairs_total')).toBe(1);
  await mirror.stop();
});

test('comparing changes under way finds nothing to mend', async () => {
  const { f, mirror, write, remove } = setUp({ delivery: () => ({ delayMs: 1_000 }) }, 10_000);
  await mirror.start();
  for (let i = 1; i <= 200; i++) {
    await write(i);
    if (i > 5) await remove(i - 5);
    await f.clock.advance(200);
  }
  expect(f.counts.get('boi_core_watch_repairs_total')).toBeUndefined();
  await mirror.stop();
});

test('the range of one key holds that key and no other', () => {
  const { start, end } = onlyKey('/boi/cluster');
  expect('/boi/cluster' >= start && '/boi/cluster' < end).toBe(true);
  expect('/boi/cluster2' < end).toBe(false);
  expect('/boi/cluster/x' < end).toBe(false);
});
