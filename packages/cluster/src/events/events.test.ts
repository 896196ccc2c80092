import type { SpecId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fixture } from '../testing/fixtures.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';
import { HookMarks } from './hook-marks.ts';
import { settleIntent } from './settle-intent.ts';

const TTL_MS = 15_000;
const tasks = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, n) => ({ ref: `t${n + 1}`, run: 'true', ...more }));

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

const first = (): TestNode => cluster.nodes[0] as TestNode;
const kindsOf = ({ events }: TestNode) => new Set(events.map(({ kind }) => kind));
const reader = () => ({ store: cluster.store, keys: cluster.keys });

/** Everything that was announced has an outcome, and the store does not say the opposite. */
async function expectSettled(): Promise<void> {
  for (const { port } of cluster.nodes) {
    expect(port.problems).toEqual([]);
    expect([...port.open.values()]).toEqual([]);
    for (const { intended, outcome } of port.resolved) {
      const { outcome: found } = await settleIntent(reader(), intended);
      const opposite = outcome === 'happened' ? 'did-not-happen' : 'happened';
      expect(found, `${intended.event.kind} that ${outcome}`).not.toBe(opposite);
    }
  }
}

describe('what a node announces before its transactions', () => {
  test('has an outcome, which is what the store shows; a claim is told with its fence', async () => {
    await cluster.joinAll(3, {
      script: ({ attempt }) => ({ durationMs: 50, report: attempt === 1 ? {} : { exitCode: 3 } }),
    });
    const spec = await cluster.dispatch({ tasks: [...tasks(20), { ref: 'last', run: 'true', needs: ['t1', 't2'] }] });
    const results = await cluster.untilDone(spec);
    await cluster.clock.until(
      async () => (await cluster.header(spec.id as SpecId))?.endedAt !== undefined,
      5_000,
      'its end',
    );
    await cluster.clock.advance(10);
    await expectSettled();
    const claims = cluster.nodes.flatMap(({ events }) => events.filter(({ kind }) => kind === 'task.claimed'));
    const fences = new Map(claims.map(({ task, fence }) => [task, fence]));
    for (const [task, { fence }] of results) expect(fences.get(task)).toBe(fence);
    const all = cluster.nodes.flatMap(({ events }) => events.map(({ kind }) => kind));
    const count = (kind: string) => all.filter((one) => one === kind).length;
    expect([count('spec.started'), count('task.dispatched'), count('task.completed'), count('spec.completed')]).toEqual(
      [1, 21, 21, 1],
    );
  });

  test('is told of failures, retries and cancels, each with what it was', async () => {
    await cluster.joinAll(2, {
      script: ({ definition }) => ({
        durationMs: definition.ref === 'slow' ? 60_000 : 20,
        report: { outcome: 'failed', exitCode: 2 },
      }),
    });
    const spec = await cluster.dispatch({
      'failure-policy': 'continue',
      tasks: [
        { ref: 'bad', run: 'false', retries: { max: 1, backoff: '1ms' } },
        { ref: 'slow', run: 'sleep' },
        { ref: 'late', run: 'true', needs: ['slow'] },
      ],
    });
    await cluster.clock.advance(5_000);
    await cluster.wait(first().node.api.cancelSpec(first().node.snapshot().cluster.defaultProject, spec.id as SpecId));
    await cluster.untilDone(spec);
    await cluster.clock.until(
      async () => (await cluster.header(spec.id as SpecId))?.endedAt !== undefined,
      5_000,
      'its end',
    );
    await cluster.clock.advance(10);
    await expectSettled();
    const kinds = new Set(cluster.nodes.flatMap((node) => [...kindsOf(node)]));
    expect([...kinds]).toEqual(
      expect.arrayContaining(['task.retried', 'task.failed', 'task.cancelled', 'spec.completed']),
    );
  });

  test('a failure that somebody’s retry took back is told apart from one that the policy tried again (seeds 570753, 571097)', async () => {
    const node = await cluster.join(1, {
      script: ({ attempt, definition }) =>
        definition.ref === 't2'
          ? { durationMs: 3_000 }
          : { durationMs: 20, report: attempt < 3 ? { outcome: 'failed', exitCode: 2 } : {} },
    });
    const spec = await cluster.dispatch({
      'failure-policy': 'continue',
      tasks: tasks(2, { retries: { max: 1, backoff: '1ms' } }),
    });
    const attempts = async () => (await cluster.results(spec.id as SpecId)).get(cluster.task(spec))?.attempt;
    await cluster.clock.until(async () => (await attempts()) === 2, 2_000, 'the second attempt');
    await cluster.wait(node.node.api.retryTask(node.node.snapshot().cluster.defaultProject, cluster.task(spec)));
    await cluster.clock.until(async () => (await attempts()) === 3, 2_000, 'the third attempt');
    await cluster.untilDone(spec);
    await cluster.clock.advance(10);
    await expectSettled();
    const announced = (kind: string) =>
      node.port.resolved
        .map(({ intended }) => intended)
        .filter(({ event }) => event.kind === kind && (event.payload as { task?: string }).task === cluster.task(spec));
    const [retried] = announced('task.retried');
    const [failed] = announced('task.failed');
    if (retried === undefined || failed === undefined) throw new Error('both were announced');
    const settled = async (kind: 'task.retried' | 'task.failed', like: typeof retried) =>
      (await settleIntent(reader(), { ...like, event: { ...like.event, kind } as never })).outcome;
    expect([await settled('task.retried', retried), await settled('task.failed', failed)]).toEqual([
      'happened',
      'happened',
    ]);
    expect(await settled('task.retried', failed)).toBe('unknown');
    const { node: by, at } = (await cluster.results(spec.id as SpecId)).get(cluster.task(spec))?.history?.[0] ?? {};
    expect(by).toBe(node.id);
    const ofRetried = { ...retried, trace: { ...retried.trace, attempt: '1', endedAt: String(at) } };
    expect(await settled('task.failed', ofRetried)).toBe('unknown');
  });
});

describe('while a plugin that audits is behind', () => {
  test('nothing is claimed, the session is kept, and the work goes on when there is room', async () => {
    const node = await cluster.join(1, { script: () => ({ durationMs: 10 }) });
    const spec = await cluster.dispatch({ tasks: tasks(3, { retries: { max: 0 } }) });
    node.port.full = true;
    await cluster.clock.advance(3 * TTL_MS);
    const claimed = node.runner.witnesses.length;
    await cluster.clock.advance(3 * TTL_MS);
    expect(node.runner.witnesses).toHaveLength(claimed);
    expect(node.node.status()).toMatchObject({ session: 'live' });
    expect(node.counts.get('boi_core_session_keepalives_withheld_total') ?? 0).toBe(0);
    node.port.roomy();
    await cluster.untilDone(spec, 2_000);
    expect(node.port.problems).toEqual([]);
  });

  test('a commit waits with its result on disk, and a node that stops does not wait for ever', async () => {
    const node = await cluster.join(1, { script: () => ({ durationMs: 1_000 }) });
    const spec = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => node.runner.witnesses.length === 1, 5_000, 'it runs');
    node.port.full = true;
    await cluster.clock.advance(5_000);
    expect(await cluster.results(spec.id as SpecId)).toHaveLength(0);
    expect(await node.buffer.all()).toHaveLength(1);
    node.port.roomy();
    await cluster.untilDone(spec, 1_000);
    await cluster.clock.advance(10);
    expect(await node.buffer.all()).toHaveLength(0);

    const second = await cluster.dispatch({ tasks: tasks(1) });
    await cluster.clock.until(() => node.runner.witnesses.length === 2, 5_000, 'it runs');
    node.port.full = true;
    await cluster.clock.advance(5_000);
    await cluster.wait(node.node.stop({ drainMs: 0 }), 30_000);
    expect(await cluster.results(second.id as SpecId)).toHaveLength(0);
    expect(await node.buffer.all()).toHaveLength(1);
  });

  test('its queue goes to a node whose audit keeps up', async () => {
    const [one, two] = (await cluster.joinAll(2, { script: () => ({ durationMs: 10 }) })) as [TestNode, TestNode];
    one.port.full = true;
    const spec = await cluster.dispatch({ tasks: tasks(20) }, two);
    await cluster.untilDone(spec, 30_000);
    expect(one.runner.witnesses).toEqual([]);
  });

  test('a dispatch is refused after a moment, and nothing is written', async () => {
    const node = await cluster.join(1);
    node.port.full = true;
    await expect(cluster.dispatch({ tasks: tasks(1) })).rejects.toMatchObject({ code: 'unavailable' });
    expect((await cluster.entries()).size).toBe(0);
    expect(kindsOf(node).has('dispatch.refused')).toBe(false);
    node.port.roomy();
    await expect(cluster.dispatch({ tasks: [] })).rejects.toMatchObject({ code: 'invalid-spec' });
    expect(node.events.at(-1)).toMatchObject({ kind: 'dispatch.refused', reason: 'invalid-spec' });
  });
});

test('a claim without an answer when its session ended is settled by reading the store', async () => {
  const node = await cluster.join(1, { script: () => ({ durationMs: 10 }) });
  node.store.plan = { call: ({ method }) => (method === 'batch' ? { dropReply: true } : undefined) };
  await cluster.dispatch({ tasks: tasks(1) });
  const isClaim = () => [...node.port.open.values()].some(({ event }) => event.kind === 'task.claimed');
  await cluster.clock.until(isClaim, 5_000, 'a claim is announced');
  await cluster.clock.advance(10);
  node.store.partition('silent');
  await cluster.clock.advance(2 * TTL_MS);
  node.store.plan = {};
  node.store.heal();
  await cluster.clock.advance(60_000);
  expect(node.port.open.size).toBe(0);
  const lost = node.port.resolved.find(({ intended }) => intended.event.kind === 'task.claimed');
  expect(lost?.outcome).toBe('happened');
  expect(node.port.problems).toEqual([]);
});

describe('the mark of a hooks plugin', () => {
  test('is kept for each node and plugin, and never goes back, whoever writes', async () => {
    const f = fixture();
    const [a, b] = [new HookMarks(f.ctx, cluster.make(1).id), new HookMarks(f.ctx, cluster.make(2).id)];
    expect(await a.read('p')).toBe(0);
    await Promise.all([5, 9, 3, 9, 7].map((sequence) => a.raise('p', sequence)));
    await a.raise('p', 8);
    await b.raise('p', 1);
    expect([await a.read('p'), await a.read('q'), await b.read('p')]).toEqual([9, 0, 1]);
    f.server.stop();
  });
});
