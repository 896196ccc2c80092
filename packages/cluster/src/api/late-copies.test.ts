/** Copies of requests that arrive when what they did has been undone. */
import { expect, test } from 'vitest';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';

for (const what of ['cordon', 'drain'] as const)
  test(`a copy of a ${what} that arrives after it was undone changes nothing`, async () => {
    const cluster = new TestCluster();
    const [first, second] = (await cluster.joinAll(2)) as [TestNode, TestNode];
    let n = 0;
    first.store.plan = {
      call: (c) =>
        c.method === 'txn' && c.txn.success.some(({ key }) => key.includes('/nodeconf/')) && n++ === 0
          ? { repeatAfterMs: 3_000 }
          : undefined,
    };
    await cluster.wait(what === 'cordon' ? first.node.api.cordon(second.id) : first.node.api.drain(second.id, 1_000));
    await cluster.clock.advance(500);
    await cluster.wait(first.node.api.uncordon(second.id));
    await cluster.clock.advance(10_000);
    const view = await cluster.wait(first.node.api.node(second.id));
    expect(view.state).toBe('ready');
    await cluster.stop();
  });
