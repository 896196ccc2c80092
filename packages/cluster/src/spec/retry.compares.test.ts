/** The compares of a task's retry, each by what goes wrong without it: right before its write somebody else changes what it rests on. */
import { type SpecId, taskId } from '@boi/core';
import { expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { put, read, testProject } from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { endBlockedItem } from './release.ts';
import { retryTask } from './retry.ts';
import { unrunResult } from './task-entry.ts';

const { signal } = new AbortController();

/** The first of three has failed, the second needs it, the third keeps the spec active; nobody coordinates any more. */
async function failed(skipped: boolean): Promise<{ rig: SpecRig; spc: SpecId }> {
  const rig = await SpecRig.create(1);
  const spc = await rig.dispatch([{}, { needs: [1] }, {}]);
  await rig.settle();
  const { coordinators } = rig.node(1);
  const stop = async () => {
    const stopped = coordinators.stop();
    await rig.settle(10);
    await stopped;
  };
  if (!skipped) await stop();
  await rig.finish((index) => (index === 1 ? 'failed' : undefined));
  await rig.settle();
  if (skipped) await stop();
  return { rig, spc };
}

/** Retries the first task, with `change` right before its write. */
async function retry({ rig, spc }: Awaited<ReturnType<typeof failed>>, change: () => Promise<unknown>): Promise<void> {
  const { deps } = rig.node(1);
  const store = meanwhile(rig.f.store, change);
  let settled = false;
  const retrying = retryTask({ ...deps, ctx: { ...deps.ctx, store } }, testProject, taskId(spc, 1), signal).finally(
    () => {
      settled = true;
    },
  );
  await rig.f.clock.until(() => settled, 10_000, 'the retry');
  await retrying;
}

const kindOf = async ({ rig, spc }: Awaited<ReturnType<typeof failed>>, index: number) => {
  const tsk = taskId(spc, index);
  if ((await read(rig.f, rig.f.keys.blocked(spc, tsk), codecs.blocked)) !== undefined) return 'blocked';
  return (await read(rig.f, rig.f.keys.result(spc, tsk), codecs.result))?.outcome;
};

/** No part of the protocol writes a result twice; a person mending the store may, and is not undone unseen. */
const byHand = (rig: SpecRig) => rig.conservation.stop();

test('what its coordinator skips meanwhile is blocked again with it', async () => {
  const at = await failed(false);
  const { rig, spc } = at;
  expect(await kindOf(at, 2)).toBe('blocked');
  const skip = endBlockedItem(rig.f.keys, spc, taskId(spc, 2), unrunResult('skipped', 0, 1, { byFailure: true }));
  await retry(at, () => rig.f.store.txn(skip));
  expect([await kindOf(at, 1), await kindOf(at, 2)]).toEqual(['blocked', 'blocked']);
  await rig.stop();
});

test('the result that it takes back is the one it has read: its history goes on', async () => {
  const at = await failed(false);
  const { rig, spc } = at;
  const key = rig.f.keys.result(spc, taskId(spc, 1));
  const result = await read(rig.f, key, codecs.result);
  if (result === undefined) throw new Error('no result');
  byHand(rig);
  await retry(at, () => put(rig.f, key, codecs.result, { ...result, attempt: 4 }));
  const blocked = await read(rig.f, rig.f.keys.blocked(spc, taskId(spc, 1)), codecs.blocked);
  expect(blocked?.attempt).toBe(5);
  await rig.stop();
});

test('a skipped result that has changed is not taken back unread', async () => {
  const at = await failed(true);
  const { rig, spc } = at;
  expect(await kindOf(at, 2)).toBe('skipped');
  const key = rig.f.keys.result(spc, taskId(spc, 2));
  const changed = { ...unrunResult('skipped', 0, 7), byFailure: true };
  byHand(rig);
  await retry(at, () => put(rig.f, key, codecs.result, changed));
  expect(await read(rig.f, key, codecs.result)).toMatchObject({ attempt: 7 });
  await rig.stop();
});
