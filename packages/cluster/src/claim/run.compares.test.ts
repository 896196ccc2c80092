/** What becomes of a task that is stopped before its process began. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';

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
