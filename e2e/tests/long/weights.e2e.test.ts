/** Nodes of unlike size. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../../harness/cluster.ts';
import { effect, type NodeView, readEffect } from '../../harness/spec.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3, settingsOf: (n) => ({ slots: String(2 ** (n - 1) * 2) }) });
});

afterAll(() => cluster?.remove());

test('distribution_by_weight: 280 tasks over slots of 2, 4 and 8 go in that proportion', async () => {
  onTestFailed(({ task }) => cluster.keep(task.name));
  await cluster.dispatch({ tasks: [{ ref: 'each', count: 280, run: `${effect('ran', 'many')}; sleep 0.3` }] }, [
    '--wait',
  ]);
  const ran = (await cluster.effects('many')).map(readEffect);
  expect(ran).toHaveLength(280);
  for (const [i, share] of [40, 80, 160].entries()) {
    const { id } = await cluster.json<NodeView>(['node', 'show', `node-${i + 1}`]);
    const count = ran.filter(({ node }) => node === id).length;
    expect(count).toBeGreaterThan(share * 0.6);
    expect(count).toBeLessThan(share * 1.4);
  }
});
