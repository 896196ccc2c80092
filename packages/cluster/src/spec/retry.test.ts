import type { NodeId, SpecId } from '@boi/core';
import { describe, expect, it } from 'vitest';
import { logPlaces } from '../api/task-queries.ts';
import { HISTORY_MAX, type QueueEntry, type ResultRecord } from '../records.ts';
import { testNode, testProject, testTask } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { cancelTask } from './cancel.ts';
import { retryTask } from './retry.ts';

const signal = new AbortController().signal;

/** As a node commits it: with the claim that it is of. */
const ranOn = (node: NodeId, outcome: ResultRecord['outcome']) => (_index: number, entry: QueueEntry) => ({
  outcome,
  node,
  delivery: entry.deliveries + 1,
  ...(entry.history === undefined ? {} : { history: entry.history }),
});

async function withChain(body: (rig: SpecRig, spc: SpecId) => Promise<void>): Promise<void> {
  const rig = await SpecRig.create(2);
  // The last keeps the spec active.
  const spc = await rig.dispatch([{}, { needs: [1] }, {}]);
  await rig.settle();
  await body(rig, spc);
  await rig.stop();
}

const only = (index: number, ends: ReturnType<typeof ranOn>) => (at: number, entry: QueueEntry) =>
  at === index ? ends(at, entry) : undefined;

async function places(rig: SpecRig, spc: SpecId, index: number) {
  const found = await logPlaces(rig.node(1).deps, testProject, testTask(index, spc));
  return found.places.map(({ attempt, node }) => [attempt, node]);
}

describe('a retried task tells where its earlier attempts ran', () => {
  it('while it is blocked', () =>
    withChain(async (rig, spc) => {
      await rig.finish(only(1, ranOn(testNode(1), 'failed')));
      await rig.settle();
      const { coordinators, deps } = rig.node(1);
      // Nobody releases it, so that it is seen blocked.
      await Promise.all([coordinators.stop(), rig.node(2).coordinators.stop()]);
      await retryTask(deps, testProject, testTask(1, spc), signal);
      const first = [1, testNode(1)];
      expect((await logPlaces(deps, testProject, testTask(1, spc))).state).toBe('blocked');
      expect(await places(rig, spc, 1)).toEqual([first]);
    }));

  it('through release, result and another retry, after a success too', () =>
    withChain(async (rig, spc) => {
      await rig.finish(only(1, ranOn(testNode(1), 'failed')));
      await rig.settle();
      await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
      await rig.settle();
      expect(await places(rig, spc, 1)).toEqual([[1, testNode(1)]]);
      await rig.finish(only(1, ranOn(testNode(2), 'succeeded')));
      expect(await places(rig, spc, 1)).toEqual([
        [1, testNode(1)],
        [2, testNode(2)],
      ]);
      await retryTask(rig.node(2).deps, testProject, testTask(1, spc), signal);
      await rig.settle();
      const [entry] = (await rig.entries()).filter(({ key }) => key.endsWith(testTask(1, spc)));
      expect(entry?.record.attempt).toBe(3);
      expect(entry?.record.history).toMatchObject([
        { attempt: 1, delivery: 1, node: testNode(1), end: 'failed' },
        { attempt: 2, delivery: 1, node: testNode(2), end: 'succeeded' },
      ]);
    }));

  it('when it is cancelled before it runs again, blocked or queued', () =>
    withChain(async (rig, spc) => {
      await rig.finish(only(1, ranOn(testNode(1), 'failed')));
      await rig.settle();
      await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
      await rig.settle();
      await cancelTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
      expect(await places(rig, spc, 1)).toEqual([[1, testNode(1)]]);
      await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
      await cancelTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
      expect(await places(rig, spc, 1)).toEqual([[1, testNode(1)]]);
    }));

  it('when it is skipped, and when what it needs is retried', () =>
    withChain(async (rig, spc) => {
      await rig.finish(only(1, ranOn(testNode(1), 'succeeded')));
      await rig.settle();
      await rig.finish(only(2, ranOn(testNode(2), 'failed')));
      await rig.settle();
      // The second waits again; what it needs fails this time, so it is skipped.
      const { deps } = rig.node(1);
      await retryTask(deps, testProject, testTask(1, spc), signal);
      await rig.settle();
      await retryTask(deps, testProject, testTask(2, spc), signal);
      await rig.settle();
      await rig.finish(only(1, ranOn(testNode(1), 'failed')));
      await rig.settle();
      expect((await rig.outcomes(spc))[2]).toBe('skipped');
      expect(await places(rig, spc, 2)).toEqual([[1, testNode(2)]]);
      await retryTask(deps, testProject, testTask(1, spc), signal);
      expect(await places(rig, spc, 2)).toEqual([[1, testNode(2)]]);
      await rig.settle();
      await rig.finish(only(1, ranOn(testNode(1), 'succeeded')));
      await rig.settle();
      expect(await places(rig, spc, 2)).toEqual([[1, testNode(2)]]);
    }));

  it('the newest claims of many, each once', () =>
    withChain(async (rig, spc) => {
      for (let attempt = 1; attempt <= HISTORY_MAX + 3; attempt++) {
        await rig.finish(only(1, ranOn(testNode(1), 'failed')));
        await rig.settle();
        await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
        await rig.settle();
      }
      const attempts = (await places(rig, spc, 1)).map(([attempt]) => attempt);
      expect(attempts).toEqual(Array.from({ length: HISTORY_MAX }, (_, i) => i + 4));
    }));

  it('and of one that was given up as poison its last claim only once', () =>
    withChain(async (rig, spc) => {
      const lost = { attempt: 1, delivery: 1, node: testNode(1), at: 0, end: 'lost' } as const;
      await rig.finish(only(1, () => ({ outcome: 'poison', node: testNode(1), delivery: 1, history: [lost] })));
      await rig.settle();
      await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
      await rig.settle();
      const entry = (await rig.entries()).find(({ key }) => key.endsWith(testTask(1, spc)));
      expect(entry?.record.history).toEqual([lost]);
    }));
});

describe('a task that ended', () => {
  it('is retried while one that needed it runs, and again when it ended otherwise', async () => {
    const rig = await SpecRig.create(2);
    // The last keeps the spec active.
    const spc = await rig.dispatch([{}, { needs: [1] }, {}]);
    await rig.settle();
    await rig.finish(only(1, ranOn(testNode(1), 'succeeded')));
    await rig.settle();
    // The second runs from now on, whatever becomes of the first.
    await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
    await rig.settle();
    await rig.finish(only(1, ranOn(testNode(1), 'failed')));
    await rig.settle();
    await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal);
    await rig.settle();
    await rig.finish(ranOn(testNode(1), 'succeeded'));
    await rig.settle();
    expect((await rig.header(spc))?.state).toBe('succeeded');
    await rig.stop();
  });
});
