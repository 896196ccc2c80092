/** Slots of concurrency keys where a claim made anew, a refusal and a listing meet. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import { entry, fixture, put, testProject, testTask } from '../testing/fixtures.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { Locks } from './locks.ts';

describe('a node that comes back with a lost claim that holds a slot', () => {
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster();
  });

  afterEach(() => cluster.stop());

  test('does not want that slot for another task in the same request', async () => {
    const node = await cluster.join(1, { script: () => ({ durationMs: 3_000 }) });
    const key = { name: 'k', limit: 1 };
    const tasks = ['a', 'b'].map((ref) => ({ ref, run: 'true', key }));
    const spec = await cluster.dispatch({ tasks });
    await cluster.clock.until(() => node.runner.running.length === 1, 1_000, 'one runs');
    await cluster.crash(node);
    const again = await cluster.join(1, { script: () => ({ durationMs: 3_000 }) });
    const results = await cluster.untilDone(spec, 30_000);
    expect([...results.values()].map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
    const [first, second] = again.runner.witnesses;
    expect(second?.startedMono).toBeGreaterThanOrEqual(first?.endedMono ?? Number.POSITIVE_INFINITY);
  });
});

describe('a claim refused because of a slot in use', () => {
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster();
  });

  afterEach(() => cluster.stop());

  test.each([
    ['after the answer', { repeatAfterMs: 2_000 }, 2_000],
    ['before the answer (seed 550373)', { repeatAfterMs: 500, replyDelayMs: 1_000 }, 500],
  ])(
    'is held when a copy of its request arrives after the slot came free and %s, and costs no delivery',
    async (_when, fault, copyMs) => {
      const node = await cluster.join(1, { script: () => ({ durationMs: 500 }) });
      const spec = { tasks: [{ ref: 'a', run: 'true', key: { name: 'k', limit: 1 } }] };
      const first = await cluster.dispatch(spec);
      await cluster.clock.until(() => node.runner.running.length === 1, 1_000, 'the first runs');
      const [slot] = (await cluster.store.range(cluster.keys.allLocks())).kvs.map(({ key }) => key);
      if (slot === undefined) throw new Error('there is no slot');
      await cluster.untilDone(first);

      const other = codecs.lock.encode({ v: SCHEMA_VERSION, task: testTask(9), nonce: 'x' });
      await cluster.store.txn({ compares: [], success: [{ op: 'put', key: slot, value: other }] });
      let claims = 0;
      node.store.plan = {
        call(call) {
          if (call.method !== 'batch') return undefined;
          const puts = call.batch.items.flatMap(({ success }) => success.map((op) => (op.op === 'put' ? op.key : '')));
          if (!puts.includes(slot)) return undefined;
          // The first is refused, its copy arrives later; the next, sent when the slot is free, is lost until after that.
          claims++;
          return claims === 1 ? fault : claims === 2 ? { dropRequest: true } : undefined;
        },
      };
      const second = await cluster.dispatch(spec);
      await cluster.clock.until(() => claims === 1, 1_000, 'it is refused');
      await cluster.store.txn({ compares: [], success: [{ op: 'delete', key: slot }] });
      await cluster.clock.until(() => node.runner.running.length === 1, 10_000, 'the copy made the claim');
      const [result] = (await cluster.untilDone(second)).values();
      expect(claims > 1).toBe(copyMs > 1_000);
      expect(result).toMatchObject({ outcome: 'succeeded', delivery: 1 });
      expect(node.runner.witnesses.filter(({ assignment }) => assignment.spec === second.id)).toHaveLength(1);
    },
  );
});

test('a claim refused for settings that were gone again when a copy of it arrived is held, and costs no delivery', async () => {
  const cluster = new TestCluster();
  const node = await cluster.join(1, { script: () => ({ durationMs: 500 }) });
  const conf = cluster.keys.nodeconf(node.id);
  let claims = 0;
  node.store.plan = {
    call(call) {
      if (call.method !== 'batch' || !call.batch.compares.some(({ key }) => key === conf)) return undefined;
      claims++;
      // Refused for the settings; its copy comes when they are gone, before the next one does.
      return claims === 1 ? { requestDelayMs: 200, repeatAfterMs: 1_000 } : { dropRequest: claims === 2 };
    },
  };
  const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true' }] });
  const value = codecs.nodeconf.encode({ v: SCHEMA_VERSION, labels: { zone: 'a' } });
  await cluster.clock.until(() => claims === 1, 1_000, 'the claim is under way');
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key: conf, value }] });
  await cluster.clock.advance(400);
  await cluster.store.txn({ compares: [], success: [{ op: 'delete', key: conf }] });
  const [result] = (await cluster.untilDone(spec, 60_000)).values();
  expect(result).toMatchObject({ outcome: 'succeeded', delivery: 1 });
  expect(node.runner.witnesses).toHaveLength(1);
  await cluster.stop();
});

test('what was claimed in one request with a refused claim runs once, however late the view hears of it (seed 510002)', async () => {
  const cluster = new TestCluster();
  const node = await cluster.join(1, { script: () => ({ durationMs: 500 }) });
  const key = { name: 'k', limit: 1 };
  const first = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true', key }] });
  await cluster.clock.until(() => node.runner.running.length === 1, 1_000, 'the first runs');
  const [slot] = (await cluster.store.range(cluster.keys.allLocks())).kvs.map((kv) => kv.key);
  if (slot === undefined) throw new Error('there is no slot');
  await cluster.untilDone(first);

  const other = codecs.lock.encode({ v: SCHEMA_VERSION, task: testTask(9), nonce: 'x' });
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key: slot, value: other }] });
  let claimed = false;
  const own = cluster.keys.queueOf(node.id).start;
  node.store.plan = {
    call: (call) => {
      if (call.method === 'batch') claimed ||= call.batch.items.length === 2;
      return undefined;
    },
    delivery: ({ start }) => (claimed && start === own ? { delayMs: 3_000 } : undefined),
  };
  const second = await cluster.dispatch({
    tasks: [
      { ref: 'plain', run: 'true' },
      { ref: 'keyed', run: 'true', key },
    ],
  });
  await cluster.clock.until(() => claimed, 1_000, 'both are claimed at once');
  await cluster.clock.advance(10_000);
  await cluster.store.txn({ compares: [], success: [{ op: 'delete', key: slot }] });
  await cluster.untilDone(second);
  const starts = node.runner.witnesses.filter(({ assignment }) => assignment.spec === second.id);
  expect(starts.map(({ assignment }) => assignment.definition.ref)).toEqual(['plain', 'keyed']);
  await cluster.stop();
});

test('slots refused twice before they could be listed, and free by then, are seen to be free', async () => {
  const f = fixture();
  let woken = 0;
  const locks = new Locks(
    f.ctx,
    () => new Set(),
    () => woken++,
  );
  const record = { v: SCHEMA_VERSION, task: testTask(9), nonce: 'x' } as const;
  await put(f, f.keys.lock(entry().prj, 'h', 0), codecs.lock, record);
  const freed = f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.lock(testProject, 'h', 0) }] });
  // Two items of one batch, each refused: the second finds the mirror of the first still listing.
  locks.refused(testProject, 'h');
  locks.refused(testProject, 'h');
  await freed;
  await f.clock.advance(100);
  expect(woken).toBeGreaterThan(0);
  expect([...locks.slots(testProject, 'h', 2)].sort()).toEqual([0, 1]);
  await locks.stop();
});
