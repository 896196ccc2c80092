import type { SpecId } from '@boi/core';
import type { MemoryStore, Txn } from '@boi/store';
import { describe, expect, it } from 'vitest';
import { allKeys, testProject, testTask } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { cancelSpec, cancelTask } from './cancel.ts';
import { retryTask } from './retry.ts';

const signal = new AbortController().signal;

async function withRig(nodes: number, body: (rig: SpecRig) => Promise<void>): Promise<void> {
  const rig = await SpecRig.create(nodes);
  await body(rig);
  await rig.stop();
}

/** From the write on that `dies` says, nothing answers; that write itself may have been applied. */
function mortal(store: MemoryStore, dies: () => boolean, applied: boolean): MemoryStore {
  let dead = false;
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'txn' && name !== 'batch') return value.bind(target);
      return async (write: Txn) => {
        const send = () => (value as (w: Txn) => Promise<unknown>).call(target, write);
        if (!dead && !dies()) return send();
        if (!dead && applied) await send();
        dead = true;
        return { outcome: 'unknown', cause: new Error('no answer') };
      };
    },
  });
}

/** Batches are sent only when `ready` says so. */
function late(store: MemoryStore, ready: () => Promise<void>): MemoryStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'batch') return value.bind(target);
      return async (write: Txn) => {
        await ready();
        return (value as (w: Txn) => Promise<unknown>).call(target, write);
      };
    },
  });
}

const DIAMOND = [{}, { needs: [1] }, { needs: [1] }, { needs: [2, 3] }];

describe('a coordinator', () => {
  it('releases a diamond in the order of its needs, each task once, and ends the spec', () =>
    withRig(2, async (rig) => {
      const spc = await rig.dispatch(DIAMOND);
      await rig.settle();
      expect(await rig.queued()).toEqual([1]);
      await rig.finish(() => 'succeeded');
      await rig.settle();
      expect(await rig.queued()).toEqual([2, 3]);
      await rig.finish((index) => (index === 2 ? 'succeeded' : undefined));
      await rig.settle();
      expect(await rig.queued()).toEqual([3]);
      const header = await rig.runToEnd(spc);
      expect(header).toMatchObject({ state: 'succeeded', counts: { succeeded: 4 } });
      expect((await allKeys(rig.f)).filter((key) => key.startsWith('coord/'))).toEqual([]);
    }));

  it('skips what a failure makes impossible and runs what waits for a failure or for any end', () =>
    withRig(1, async (rig) => {
      const spc = await rig.dispatch([
        {},
        { needs: [1] },
        { needs: [2], when: 'failure' },
        { needs: [2], when: 'always' },
        { needs: [3, 4], when: 'failure' },
      ]);
      const header = await rig.runToEnd(spc, (index) => (index === 1 ? 'failed' : 'succeeded'));
      expect(await rig.outcomes(spc)).toEqual({
        1: 'failed',
        2: 'skipped',
        3: 'succeeded',
        4: 'succeeded',
        5: 'skipped',
      });
      expect(header).toMatchObject({ state: 'failed', counts: { succeeded: 2, failed: 1, skipped: 2, cancelled: 0 } });
    }));

  it('stops what has not run when a task of a fail-fast spec fails, but runs clean-up', () =>
    withRig(2, async (rig) => {
      const spc = await rig.dispatch([{}, {}, {}, { needs: [2] }, { needs: [1, 2], when: 'always' }], {
        failurePolicy: 'fail-fast',
      });
      await rig.settle();
      await rig.claim(3);
      await rig.finish((index) => (index === 1 ? 'failed' : undefined));
      await rig.settle();
      expect(await rig.outcomes(spc)).toMatchObject({ 1: 'failed', 2: 'cancelled', 4: 'cancelled' });
      expect((await rig.header(spc))?.failing).toBe(true);
      const running = (await rig.entries()).find(({ record }) => record.claim !== undefined);
      expect(running?.record.cancel).toBeDefined();
      const header = await rig.runToEnd(spc, (_index, entry) =>
        entry.cancel === undefined ? 'succeeded' : 'cancelled',
      );
      expect(await rig.outcomes(spc)).toMatchObject({ 3: 'cancelled', 5: 'succeeded' });
      expect(header.state).toBe('failed');
    }));

  it('keeps a spec’s own limit of tasks at once', () =>
    withRig(2, async (rig) => {
      const spc = await rig.dispatch(
        Array.from({ length: 7 }, () => ({})),
        { concurrency: 2 },
      );
      await rig.settle();
      let most = 0;
      for (let turn = 0; turn < 20 && (await rig.header(spc))?.endedAt === undefined; turn++) {
        const queued = await rig.queued();
        most = Math.max(most, queued.length);
        expect(queued.length).toBeLessThanOrEqual(2);
        await rig.finish((index) => (index === queued[0] ? 'succeeded' : undefined));
        await rig.settle();
      }
      expect(most).toBe(2);
      expect(await rig.header(spc)).toMatchObject({ state: 'succeeded', counts: { succeeded: 7 } });
    }));

  it('tells dependents which needs had outputs', () =>
    withRig(1, async (rig) => {
      await rig.dispatch([{}, {}, { needs: [1] }, { needs: [2] }]);
      await rig.settle();
      await rig.finish((index) => (index === 1 ? { outputs: { a: 'b' } } : 'succeeded'));
      await rig.settle();
      const inputs = (await rig.entries()).map(({ record }) => record.inputs ?? false);
      expect(inputs.sort()).toEqual([false, true]);
    }));

  it('puts progress into the header while the spec runs', () =>
    withRig(1, async (rig) => {
      const spc = await rig.dispatch([{}, {}, {}]);
      await rig.settle();
      await rig.finish((index) => (index === 2 ? 'succeeded' : undefined));
      await rig.settle(1_100);
      expect(await rig.header(spc)).toMatchObject({ state: 'active', counts: { succeeded: 1 } });
    }));

  it('is replaced when its node dies, after any number of results, and nothing is released twice', async () => {
    for (let after = 0; after <= 5; after++) {
      const rig = await SpecRig.create(3);
      const spc = await rig.dispatch([{}, { needs: [1] }, { needs: [1] }, { needs: [2, 3] }, { needs: [4] }], {}, 3);
      let done = 0;
      for (let turn = 0; turn < 10 && done < after; turn++) {
        await rig.settle();
        done += await rig.finish(() => (done < after ? 'succeeded' : undefined));
      }
      const coordinator = rig.nodes.findIndex(({ coordinators }) => coordinators.size > 0) + 1;
      if (coordinator > 0) await rig.die(coordinator);
      const header = await rig.runToEnd(spc);
      expect(header, `died after ${after} results`).toMatchObject({ state: 'succeeded', counts: { succeeded: 5 } });
      await rig.stop();
    }
  });

  it('that dies after any of its requests, applied or not, is continued by the next', async () => {
    for (const applied of [true, false]) {
      for (let k = 1; k <= 40; k++) {
        let armed = false;
        let writes = 0;
        let died = false;
        const rig = await SpecRig.create(3, {}, (store) => mortal(store, () => armed && ++writes >= k, applied));
        const spc = await rig.dispatch([...DIAMOND, { needs: [4], when: 'failure' }, {}, { needs: [6] }], {
          concurrency: 2,
        });
        armed = true;
        for (let turn = 0; turn < 30 && !died; turn++) {
          await rig.settle();
          if (writes >= k) {
            armed = false;
            died = true;
            const coordinator = (await rig.header(spc))?.coordinator;
            const n = rig.nodes.findIndex(({ id }) => id === coordinator) + 1;
            if (n > 0) await rig.die(n);
          } else if ((await rig.finish((index) => (index === 6 ? 'failed' : 'succeeded'))) === 0) break;
        }
        const header = await rig.runToEnd(spc, (index) => (index === 6 ? 'failed' : 'succeeded'));
        const outcomes = await rig.outcomes(spc);
        expect(header.state, `request ${k}`).toBe('failed');
        expect(outcomes).toMatchObject({ 1: 'succeeded', 4: 'succeeded', 5: 'skipped', 6: 'failed', 7: 'skipped' });
        await rig.stop();
        if (died) continue;
        expect(k).toBeGreaterThan(6);
        break;
      }
    }
  });

  it('hands its specs over when its node drains', () =>
    withRig(2, async (rig) => {
      const spc = await rig.dispatch([{}, { needs: [1] }]);
      await rig.settle();
      const before = (await rig.header(spc))?.coordinator;
      if (before === undefined) throw new Error('no coordinator');
      await rig.membership.configure(before, { v: 1, drain: { at: 0, deadlineAt: 1 } });
      await rig.settle();
      expect((await rig.header(spc))?.coordinator).not.toBe(before);
      expect(await rig.runToEnd(spc)).toMatchObject({ state: 'succeeded' });
    }));
});

describe('a cancel', () => {
  it('of a spec ends what has not run, marks what runs, and lets clean-up run', () =>
    withRig(2, async (rig) => {
      const spc = await rig.dispatch([{}, {}, { needs: [1] }, { needs: [1], when: 'always' }]);
      await rig.settle();
      await rig.claim(1);
      const deps = rig.node(2).deps;
      expect(await cancelSpec(deps, testProject, spc, signal, { name: 'eve' })).toMatchObject({ level: 1 });
      await rig.settle();
      expect(await rig.outcomes(spc)).toEqual({ 2: 'cancelled', 3: 'cancelled' });
      const header = await rig.runToEnd(spc, (_i, entry) => (entry.cancel === undefined ? 'succeeded' : 'cancelled'));
      expect(await rig.outcomes(spc)).toEqual({ 1: 'cancelled', 2: 'cancelled', 3: 'cancelled', 4: 'succeeded' });
      expect(header).toMatchObject({ state: 'cancelled', cancel: { actor: 'eve' } });
    }));

  it('a second time stops everything, without grace', () =>
    withRig(1, async (rig) => {
      const spc = await rig.dispatch([{}, { needs: [1], when: 'always' }]);
      await rig.settle();
      await rig.claim(1);
      const { deps } = rig.node(1);
      await cancelSpec(deps, testProject, spc, signal);
      expect(await cancelSpec(deps, testProject, spc, signal)).toMatchObject({ level: 2 });
      await rig.settle(1_100);
      expect((await rig.entries())[0]?.record.cancel?.force).toBe(true);
      expect(await rig.outcomes(spc)).toEqual({ 2: 'cancelled' });
      expect((await rig.runToEnd(spc, () => 'cancelled')).state).toBe('cancelled');
      await expect(cancelSpec(deps, testProject, spc, signal)).rejects.toMatchObject({ code: 'wrong-state' });
    }));

  it('of one task lets the coordinator draw the consequences', () =>
    withRig(1, async (rig) => {
      const spc = await rig.dispatch([{}, { needs: [1] }, { needs: [2], when: 'always' }]);
      const { deps } = rig.node(1);
      expect(await cancelTask(deps, testProject, testTask(2, spc), signal)).toMatchObject({ state: 'cancelled' });
      await rig.runToEnd(spc);
      expect(await rig.outcomes(spc)).toEqual({ 1: 'succeeded', 2: 'cancelled', 3: 'succeeded' });
    }));

  it('of a one-task spec ends the spec with its task, and of a claimed one marks the entry', () =>
    withRig(1, async (rig) => {
      const { deps } = rig.node(1);
      const queued = await rig.dispatch([{}]);
      expect(await cancelSpec(deps, testProject, queued, signal)).toMatchObject({ id: queued, state: 'cancelled' });
      expect(await rig.header(queued)).toMatchObject({ state: 'cancelled', counts: { cancelled: 1 } });
      const claimed = await rig.dispatch([{}]);
      await rig.claim(1);
      expect(await cancelSpec(deps, testProject, claimed, signal)).toMatchObject({ state: 'running', level: 1 });
      expect(await cancelSpec(deps, testProject, claimed, signal)).toMatchObject({ state: 'running', level: 2 });
      expect((await rig.entries())[0]?.record).toMatchObject({ claim: { nonce: 'n' }, cancel: { force: true } });
      expect((await rig.header(claimed))?.state).toBe('active');
    }));

  it('at any moment of a spec ends with a result for every task', async () => {
    for (let after = 0; after <= 6; after++) {
      const rig = await SpecRig.create(2);
      const spc = await rig.dispatch([...DIAMOND, { needs: [4], when: 'always' }, {}]);
      let done = 0;
      for (let turn = 0; turn < 12 && done < after; turn++) {
        await rig.settle();
        done += await rig.finish(() => (done < after ? 'succeeded' : undefined));
      }
      // Refused by what the coordinator writes just then, it waits a moment before it tries again.
      const cancelled = cancelSpec(rig.node(1).deps, testProject, spc, signal).catch(() => undefined);
      await rig.settle();
      await cancelled;
      const header = await rig.runToEnd(spc);
      expect(Object.keys(await rig.outcomes(spc)), `after ${after}`).toHaveLength(6);
      expect(header.endedAt).toBeDefined();
      await rig.stop();
    }
  });
});

describe('a task retry', () => {
  const chain = async (rig: SpecRig): Promise<SpecId> => {
    const spc = await rig.dispatch([{}, { needs: [1] }, { needs: [2] }, { needs: [2], when: 'failure' }, {}]);
    await rig.settle();
    await rig.finish((index) => (index === 1 ? 'failed' : undefined));
    await rig.settle();
    return spc;
  };

  it('runs the task again and takes back what was skipped because of it', () =>
    withRig(2, async (rig) => {
      const spc = await chain(rig);
      expect(await rig.outcomes(spc)).toEqual({ 1: 'failed', 2: 'skipped', 3: 'skipped' });
      await retryTask(rig.node(2).deps, testProject, testTask(1, spc), signal);
      expect(await rig.outcomes(spc)).toEqual({});
      await rig.settle();
      const again = (await rig.entries()).find(({ key }) => key.endsWith(testTask(1, spc)));
      expect(again?.record.attempt).toBe(2);
      const header = await rig.runToEnd(spc);
      expect(await rig.outcomes(spc)).toEqual({
        1: 'succeeded',
        2: 'succeeded',
        3: 'succeeded',
        4: 'succeeded',
        5: 'succeeded',
      });
      expect(header.state).toBe('succeeded');
    }));

  it('is not undone by a coordinator that has not heard of it', async () => {
    let slow: number | undefined;
    let go: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const rig = await SpecRig.create(2, {}, (store, node) =>
      late(store, async () => (node === slow ? gate : undefined)),
    );
    const spc = await rig.dispatch([{}, { needs: [1] }, {}]);
    await rig.settle();
    const coordinator = (await rig.header(spc))?.coordinator;
    slow = rig.nodes.findIndex(({ id }) => id === coordinator) + 1;
    await rig.finish((index) => (index === 1 ? 'failed' : undefined));
    await rig.settle();
    await retryTask(rig.node(3 - slow).deps, testProject, testTask(1, spc), signal);
    go();
    await rig.settle();
    expect(await rig.outcomes(spc)).toEqual({});
    expect(await rig.runToEnd(spc)).toMatchObject({ state: 'succeeded', counts: { succeeded: 3 } });
    await rig.stop();
  });

  it('is refused for what has not ended, and when the spec has', () =>
    withRig(1, async (rig) => {
      const spc = await chain(rig);
      const { deps } = rig.node(1);
      const open = retryTask(deps, testProject, testTask(5, spc), signal);
      await expect(open).rejects.toMatchObject({ code: 'wrong-state' });
      await rig.runToEnd(spc);
      const late = retryTask(deps, testProject, testTask(1, spc), signal);
      await expect(late).rejects.toMatchObject({ code: 'wrong-state' });
    }));
});
