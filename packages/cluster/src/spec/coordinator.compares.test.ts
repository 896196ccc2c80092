/** What a coordinator must not get wrong when a watch is late. */
import { FaultyStore } from '@boi/store/testing';
import { expect, test } from 'vitest';
import { initCluster } from '../init.ts';
import { StoreMembership } from '../membership/membership.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import { fixture, nodeRecord, put, testNode } from '../testing/fixtures.ts';
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
