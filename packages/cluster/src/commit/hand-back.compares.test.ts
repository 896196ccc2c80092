/** The compares of a hand-back, each by what goes wrong without it, and what it must not undo. */
import { unchanged } from '@boi/store';
import { expect, test } from 'vitest';
import { HeldTasks, newHeld } from '../claim/held.ts';
import { codecs, type QueueEntry } from '../records.ts';
import { claimedEntry, depsOf, fixture, put, read, StaticMembership, testNode, testTask } from '../testing/fixtures.ts';
import { handBack } from './hand-back.ts';

async function setUp(over: Partial<QueueEntry> = {}) {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const member = await membership.join(testNode(1));
  const deps = depsOf(f, membership, member);
  const key = f.keys.queue(member.id, testTask(1));
  const { record, modRevision } = await put(f, key, codecs.entry, claimedEntry({ deliveries: 2, ...over }));
  const table = new HeldTasks();
  const { incarnationRevision: incarnation } = membership.snapshot();
  const nonce = record.claim?.nonce ?? '';
  table.add(newHeld({ task: testTask(1), key, nonce, fence: modRevision, incarnation, entry: record, phase: 'ahead' }));
  const settled: boolean[] = [];
  const go = () => handBack(deps, table, table.all(), (_held, applied) => settled.push(applied));
  return { f, deps, key, table, settled, go, now: () => read(f, key, codecs.entry) };
}

test('gives the entry back without its claim, its delivery not counted', async () => {
  const { go, now, table, settled } = await setUp();
  await go();
  expect(await now()).toMatchObject({ deliveries: 1 });
  expect(await now()).not.toHaveProperty('claim');
  expect([table.size, settled]).toEqual([0, [true]]);
});

test('frees the slot of its concurrency key', async () => {
  const { f, go } = await setUp({ lock: { hash: 'h', limit: 1 }, lockSlot: 0 });
  const lock = f.keys.lock(claimedEntry().prj, 'h', 0);
  await put(f, lock, codecs.lock, { v: 1, task: testTask(1), nonce: 'c1' });
  await go();
  expect(await read(f, lock, codecs.lock)).toBeUndefined();
});

test('an entry that somebody has written meanwhile is left as it is', async () => {
  const { f, key, go, now, settled } = await setUp();
  await put(f, key, codecs.entry, claimedEntry({ deliveries: 2, cancel: { at: 1 } }));
  await go();
  expect(await now()).toMatchObject({ deliveries: 2, claim: { nonce: 'c1' }, cancel: { at: 1 } });
  expect(settled).toEqual([false]);
});

test('a session that is over gives nothing back', async () => {
  const { f, deps, go, now, settled } = await setUp();
  await f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.node(deps.self) }] });
  await go();
  expect(await now()).toMatchObject({ deliveries: 2, claim: { nonce: 'c1' } });
  expect(settled).toEqual([false]);
});

test('one marked cancelled keeps its mark, and is no longer held', async () => {
  const { f, key, go, now, table, settled } = await setUp({ cancel: { at: 1 } });
  const { kv } = await f.store.get(key);
  await go();
  expect(await now()).toMatchObject({ claim: { nonce: 'c1' }, cancel: { at: 1 } });
  const touch = { compares: [unchanged(key, kv?.modRevision as never)], success: [] };
  expect(await f.store.txn(touch)).toMatchObject({ outcome: 'applied' });
  expect([table.size, settled]).toEqual([0, [false]]);
});
