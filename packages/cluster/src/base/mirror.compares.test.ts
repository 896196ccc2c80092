/** A view that two want anew at once. */
import { FaultyStore } from '@boi/store/testing';
import { expect, test } from 'vitest';
import { codecs, type QueueEntry } from '../records.ts';
import { entry, fixture, put, testNode, testTask } from '../testing/fixtures.ts';
import { Mirror } from './mirror.ts';

test('who waits for a listing that a newer one has overtaken waits for the newer one', async () => {
  const f = fixture();
  const store = new FaultyStore({ store: f.store, clock: f.clock });
  const range = f.keys.queueOf(testNode(1));
  const mirror = new Mirror<QueueEntry>({ ctx: { ...f.ctx, store }, range, codec: codecs.entry, what: 'queue' });
  await mirror.start();
  // The watch falls silent: only a listing can tell of the entry.
  store.plan = { delivery: () => ({ delayMs: 60_000 }) };
  const key = f.keys.queue(testNode(1), testTask(1));
  await put(f, key, codecs.entry, entry());
  store.plan = { call: ({ method }) => (method === 'range' ? { replyDelayMs: 10 } : undefined) };
  const shown: boolean[] = [];
  const first = mirror.resync().then(() => shown.push(mirror.entries.has(key)));
  store.plan = { call: ({ method }) => (method === 'range' ? { replyDelayMs: 1_000 } : undefined) };
  const second = mirror.resync().then(() => shown.push(mirror.entries.has(key)));
  await f.clock.advance(2_000);
  await Promise.all([first, second]);
  expect(shown).toEqual([true, true]);
  await mirror.stop();
});
