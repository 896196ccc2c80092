/** What runs, and what is heard of it: a stop before its process began, news that are older than the claim. */
import type { Revision } from '@boi/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { claimedEntry, depsOf, fixture, put, StaticMembership, testNode, testTask } from '../testing/fixtures.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';
import { VirtualRunner } from '../testing/virtual-runner.ts';
import { HeldTasks, newHeld } from './held.ts';
import { OwnQueue } from './own-queue.ts';
import { Runs } from './run.ts';

describe('a task whose definition is still being read when its node drains', () => {
  let cluster: TestCluster;
  let node: TestNode;

  beforeEach(async () => {
    cluster = new TestCluster();
    node = await cluster.join(1, { script: () => ({ durationMs: 10 }) });
  });

  afterEach(() => cluster.stop());

  test('goes back to a queue also when the store cannot be read: it has not failed', async () => {
    const bodies = cluster.keys.allSpecBodies().start;
    // The reads of its body fail; all else goes on.
    node.store.plan = {
      call: (call) => (call.method === 'get' && call.key.startsWith(bodies) ? { refuse: true } : undefined),
    };
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'a', run: 'true' },
        { ref: 'b', run: 'true' },
      ],
    });
    await cluster.clock.until(() => node.node.status().running === 2, 2_000, 'both are starting');
    await cluster.wait(node.node.api.drain(node.id, 1_000));
    await cluster.clock.advance(5_000);
    expect(await cluster.results(spec.id as never)).toEqual(new Map());
    node.store.plan = {};
    await cluster.join(2, { script: () => ({ durationMs: 10 }) });
    const results = [...(await cluster.untilDone(spec, 20_000)).values()];
    expect(results).toMatchObject([
      { outcome: 'succeeded', delivery: 1 },
      { outcome: 'succeeded', delivery: 1 },
    ]);
  });
});

test('a task whose entry left before the view had seen its claim is stopped once the view is past that (seed 530600)', async () => {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const deps = depsOf(f, membership, await membership.join(testNode(1)));
  const held = new HeldTasks();
  const runs = new Runs({ deps, runner: new VirtualRunner(f.clock), held, ended: () => {}, freed: () => {} });
  const queue = new OwnQueue(f.ctx, testNode(1), (task, nonce) => held.runsHere(task, nonce));
  const key = f.keys.queue(testNode(1), testTask(1));
  const claim = (fence: Revision) =>
    newHeld({ task: testTask(1), key, nonce: 'c1', fence, incarnation: fence, entry: claimedEntry(), phase: 'ahead' });
  const { modRevision: taken } = await put(f, key, codecs.entry, claimedEntry());
  await f.store.txn({ compares: [], success: [{ op: 'delete', key }] });
  const early = claim(taken);
  held.add(early);
  runs.missing(queue);
  expect(early.stop).toBeUndefined();
  await queue.mirror.start();
  runs.missing(queue);
  expect(early.stop).toBe('superseded');

  const later = claim((await put(f, key, codecs.entry, claimedEntry())).modRevision);
  held.add(later);
  await f.clock.advance(100);
  runs.missing(queue);
  expect(later.stop).toBeUndefined();
  await queue.mirror.stop();
});

test('a task is taken away by what happened after its claim, not by what is heard after it (seed 501297)', async () => {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const deps = depsOf(f, membership, await membership.join(testNode(1)));
  const held = new HeldTasks();
  const runs = new Runs({ deps, runner: new VirtualRunner(f.clock), held, ended: () => {}, freed: () => {} });
  const key = f.keys.queue(testNode(1), testTask(1));
  const cancelled: unknown[] = [];
  const running = { done: new Promise<never>(() => {}), cancel: (how: unknown) => void cancelled.push(how) };
  const facts = {
    task: testTask(1),
    key,
    nonce: 'c1',
    fence: '20' as Revision,
    incarnation: '1' as Revision,
    entry: claimedEntry(),
  };
  const claim = newHeld({ ...facts, phase: 'running' });
  held.add(claim);
  claim.running = running;
  // It was in this queue before, left it, and was stolen back; the view is only now there.
  runs.heard([{ key, revision: '9' as Revision }]);
  expect(cancelled).toEqual([]);
  runs.heard([{ key, revision: '21' as Revision }]);
  expect(cancelled).toHaveLength(1);
  expect(claim.stop).toBe('superseded');
});
