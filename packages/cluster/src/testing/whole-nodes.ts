/** What tests of whole nodes (node.test.ts, lost-nodes.test.ts, lost-replies.test.ts) make and do. */
import { codecs } from '../records.ts';
import type { TestCluster } from './test-cluster.ts';
import type { Script } from './virtual-runner.ts';

/** Of a spec: `count` tasks that are the same. */
export const tasks = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, n) => ({ ref: `t${n + 1}`, run: 'true', ...more }));

/** Of a node: every task takes so long. */
export const takes =
  (durationMs: number): Script =>
  () => ({ durationMs });

/** As `cluster pause` and `cluster resume` write it. */
export async function setPaused(cluster: TestCluster, paused: boolean): Promise<void> {
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error('no node has joined');
  const { paused: _was, ...record } = first.node.snapshot().cluster;
  const value = codecs.cluster.encode(paused ? { ...record, paused: { at: cluster.clock.now() } } : record);
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key: cluster.keys.cluster(), value }] });
}
