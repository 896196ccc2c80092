/** A task whose outputs others read is not run again while they are about to read them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestCluster } from '../testing/test-cluster.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

test('who reads its outputs finds them, though somebody wants it run again first', async () => {
  const { node, runner } = await cluster.join(1, {
    slots: 1,
    script: ({ definition: { ref } }) =>
      ref === 'a'
        ? { durationMs: 100, report: { outputs: { x: '1' } } }
        : { durationMs: ref === 'long' ? 10_000 : 100 },
  });
  const tasks = [
    { ref: 'a', run: 'true' },
    { ref: 'long', run: 'true' },
    { ref: 'b', run: 'true', needs: ['a'] },
  ];
  const spec = await cluster.dispatch({ tasks });
  const released = async () => [...(await cluster.entries()).values()].some(({ inputs }) => inputs === true);
  await cluster.clock.until(released, 10_000, 'b is queued');
  const { defaultProject } = node.snapshot().cluster;
  await expect(cluster.wait(node.api.retryTask(defaultProject, cluster.task(spec, 1)))).rejects.toMatchObject({
    code: 'wrong-state',
    details: { tasks: [cluster.task(spec, 3)] },
  });
  await cluster.untilDone(spec);
  const b = runner.witnesses.find(({ assignment }) => assignment.definition.ref === 'b');
  expect(b?.assignment.inputs).toEqual({ a: { x: '1' } });
});
