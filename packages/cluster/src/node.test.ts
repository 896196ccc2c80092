import { expect, test } from 'vitest';
import { TestCluster } from './testing/test-cluster.ts';

const tasks = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, n) => ({ ref: `t${n + 1}`, run: 'true', ...more }));

test('three nodes run a spec of fifty tasks, each once', async () => {
  const cluster = new TestCluster();
  await cluster.joinAll(3, { script: () => ({ durationMs: 100 }) });
  const spec = await cluster.dispatch({ tasks: tasks(50) });
  const results = await cluster.untilDone(spec);
  expect([...results.values()].every(({ outcome }) => outcome === 'succeeded')).toBe(true);
  expect(cluster.nodes.flatMap(({ runner }) => runner.witnesses)).toHaveLength(50);
  expect(cluster.nodes.every(({ runner }) => runner.witnesses.length > 0)).toBe(true);
  await cluster.stop();
});
