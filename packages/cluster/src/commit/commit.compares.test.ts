/** What must be on disk while the store is silent. */
import { expect, test } from 'vitest';
import { TestCluster } from '../testing/test-cluster.ts';

test('what ends behind a request that has no answer is kept on disk at once: the daemon may end first', async () => {
  const cluster = new TestCluster();
  const { store, buffer, runner } = await cluster.join(1, {
    script: ({ definition: { ref } }) => ({ durationMs: ref === 'a' ? 100 : 8_000 }),
  });
  const tasks = ['a', 'b'].map((ref) => ({ ref, run: 'true' }));
  const spec = await cluster.dispatch({ tasks });
  await cluster.clock.until(() => runner.running.length === 2, 50, 'both run');
  store.partition('silent');
  await cluster.clock.until(() => runner.running.length === 0, 10_000, 'both have ended');
  await cluster.clock.advance(100);
  expect(await buffer.all()).toHaveLength(2);
  store.heal();
  await cluster.untilDone(spec);
  await cluster.stop();
});
