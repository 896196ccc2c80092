/** What a node that may not claim does with what it cannot run and nobody else may take: lost claims, cancelled ones. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';

describe('a node that comes back with claims of an earlier life', () => {
  let cluster: TestCluster;
  let first: TestNode;
  let second: TestNode;

  beforeEach(async () => {
    cluster = new TestCluster();
    first = await cluster.join(1, { script: () => ({ durationMs: 60_000 }) });
  });

  afterEach(() => cluster.stop());

  /** One task runs on the first node, which dies; while nobody lives an operator writes its settings; it comes back. */
  async function comeBack(conf: object, slots = 4): Promise<Awaited<ReturnType<TestCluster['dispatch']>>> {
    const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true', slots: 2 }] });
    await cluster.clock.until(() => first.runner.running.length === 1, 1_000, 'it runs');
    await cluster.crash(first);
    const value = codecs.nodeconf.encode({ v: SCHEMA_VERSION, ...conf });
    await cluster.store.txn({ compares: [], success: [{ op: 'put', key: cluster.keys.nodeconf(first.id), value }] });
    first = await cluster.join(1, { slots, script: () => ({ durationMs: 10 }) });
    second = await cluster.join(2, { script: () => ({ durationMs: 10 }) });
    return spec;
  }

  test('gives them away when it is cordoned', async () => {
    const spec = await comeBack({ cordoned: { at: 0 } });
    const [result] = [...(await cluster.untilDone(spec, 10_000)).values()];
    expect(result).toMatchObject({ outcome: 'succeeded', node: second.id, delivery: 2, history: [{ end: 'lost' }] });
    expect(first.runner.witnesses).toEqual([]);
  });

  test('gives them away when it drains, and is drained then', async () => {
    const spec = await comeBack({ drain: { at: 0, deadlineAt: 3_600_000 } });
    await cluster.untilDone(spec, 10_000);
    await cluster.clock.until(() => first.events.some(({ kind }) => kind === 'node.drained'), 5_000, 'it is drained');
  });

  test('gives them away when they are too large for it now', async () => {
    const spec = await comeBack({}, 1);
    const [result] = [...(await cluster.untilDone(spec, 10_000)).values()];
    expect(result).toMatchObject({ node: second.id });
  });

  test('ends the cancelled ones while it is cordoned', async () => {
    const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true' }] });
    await cluster.clock.until(() => first.runner.running.length === 1, 1_000, 'it runs');
    await cluster.crash(first);
    // Marked by an operator at another node, which has left again.
    const [[key, entry] = []] = [...(await cluster.entries())];
    if (key === undefined || entry === undefined) throw new Error('no entry');
    const conf = codecs.nodeconf.encode({ v: SCHEMA_VERSION, cordoned: { at: 0 } });
    await cluster.store.txn({
      compares: [],
      success: [
        { op: 'put', key, value: codecs.entry.encode({ ...entry, cancel: { at: 0 } }) },
        { op: 'put', key: cluster.keys.nodeconf(first.id), value: conf },
      ],
    });
    first = await cluster.join(1);
    const results = await cluster.untilDone(spec, 5_000);
    expect([...results.values()]).toMatchObject([{ outcome: 'cancelled', node: first.id }]);
    expect(first.runner.witnesses).toEqual([]);
  });
});

test('a drain that is asked for again keeps to the deadline it is given then', async () => {
  const cluster = new TestCluster();
  const [first, second] = (await cluster.joinAll(2, { script: () => ({ durationMs: 600_000 }) })) as [
    TestNode,
    TestNode,
  ];
  const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true' }] });
  await cluster.clock.until(() => cluster.running(spec).length === 1, 1_000, 'it runs');
  const [leaving, other] = first.runner.running.length === 1 ? [first, second] : [second, first];
  await cluster.wait(other.node.api.drain(leaving.id, 3_600_000));
  await cluster.clock.advance(5_000);
  expect(leaving.runner.running).toHaveLength(1);
  await cluster.wait(other.node.api.drain(leaving.id, 1_000));
  await cluster.clock.until(() => other.runner.running.length === 1, 10_000, 'it runs elsewhere');
  expect(leaving.runner.running).toEqual([]);
  await cluster.stop();
});
