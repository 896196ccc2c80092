/** Replies of the store that are lost on their way, on whole nodes: what was asked is found out, and nothing runs twice. */
import type { FaultPlan } from '@boi/store/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestCluster, type TestNode } from './testing/test-cluster.ts';
import { setPaused, takes, tasks } from './testing/whole-nodes.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

const starts = () => cluster.nodes.flatMap(({ runner }) => runner.witnesses);

describe('replies that are lost', () => {
  /** Loses the reply of every n-th write of the kind. */
  const losing = (method: 'batch' | 'txn', every: number): FaultPlan => {
    let seen = 0;
    return {
      call: (call) => (call.method === method && ++seen % every === 0 ? { dropReply: true } : undefined),
    };
  };

  /** One node, one task, claimed: the answer is lost, and the request not sent again yet. */
  async function claimUnanswered() {
    const node = await cluster.join(1, { script: takes(100) });
    let claims = 0;
    node.store.plan = {
      call: ({ method }) => (method === 'batch' && claims++ === 0 ? { dropReply: true } : undefined),
    };
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => claims === 1, 10_000, 'the claim is sent');
    return { node, spec };
  }

  test('a claim is held although the cluster was paused before it could be sent again', async () => {
    const { spec } = await claimUnanswered();
    await setPaused(cluster, true);
    const results = await cluster.untilDone(spec);
    expect([...results.values()]).toMatchObject([{ outcome: 'succeeded', delivery: 1 }]);
    expect(starts()).toHaveLength(1);
  });

  test('a claim that was marked to be cancelled before it could be sent again keeps its fence (seed 741084)', async () => {
    const { node, spec } = await claimUnanswered();
    const { kv } = await cluster.store.get(cluster.keys.queue(node.id, cluster.task(spec)));
    const { defaultProject } = node.node.snapshot().cluster;
    const shown = async () => (await node.node.api.task(defaultProject, cluster.task(spec))).fence;
    for (let times = 0; times < 2; times++) {
      await cluster.wait(node.node.api.cancelTask(defaultProject, cluster.task(spec)));
      expect(await cluster.wait(shown())).toBe(kv?.modRevision);
    }
    const results = await cluster.untilDone(spec);
    expect([...results.values()]).toMatchObject([{ outcome: 'cancelled', fence: kv?.modRevision }]);
    expect(node.events.filter(({ kind }) => kind === 'task.claimed')).toMatchObject([{ fence: kv?.modRevision }]);
    expect(starts()).toEqual([]);
  });

  test('every task still runs once and has one result', async () => {
    await cluster.joinAll(2, { script: takes(100) });
    const spec = await cluster.dispatch({ tasks: tasks(20) });
    for (const { store } of cluster.nodes) store.plan = losing('batch', 2);
    const results = await cluster.untilDone(spec, 300_000);
    expect([...results.values()].every(({ outcome, delivery }) => outcome === 'succeeded' && delivery === 1)).toBe(
      true,
    );
    expect(starts()).toHaveLength(20);
    for (const { counts } of cluster.nodes) expect(counts.get('boi_core_superseded_total')).toBeUndefined();
  });

  test('a kill is told as done, and kills what it was meant for', async () => {
    const [first] = (await cluster.joinAll(2, { script: takes(30_000), slots: 1 })) as [TestNode];
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => cluster.running(spec).length === 1, 10_000, 'it runs');
    let batches = 0;
    first.store.plan = {
      call: ({ method }) => (method === 'batch' && batches++ === 0 ? { dropReply: true } : undefined),
    };
    const { defaultProject } = first.node.snapshot().cluster;
    await cluster.wait(first.node.api.killTask(defaultProject, cluster.task(spec)));
    const [result] = (await cluster.untilDone(spec)).values();
    expect(result?.history).toMatchObject([{ end: 'killed', delivery: 1 }]);
  });

  test('a node whose first requests have no answer starts all the same', async () => {
    const made = cluster.make(1, { script: takes(100) });
    let calls = 0;
    made.store.plan = {
      call: ({ method }) => (method === 'grantLease' && calls++ === 0 ? { dropReply: true } : undefined),
    };
    await cluster.wait(made.node.start());
    cluster.nodes.push(made);
    expect(made.node.status().session).toBe('live');
  });
});
