/** Results kept on disk over a restart of the daemon: committed if they still may be. */
import type { TaskReport } from '@boi/core';
import type { Revision } from '@boi/store';
import { expect, test } from 'vitest';
import { HeldTasks } from '../claim/held.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import {
  claimedEntry,
  definition,
  depsOf,
  fixture,
  put,
  read,
  StaticMembership,
  testNode,
  testProject,
  testSpec,
  testTask,
} from '../testing/fixtures.ts';
import { MemoryBuffer } from '../testing/memory-buffer.ts';
import { Committer } from './commit.ts';
import { poisonResult } from './ending.ts';

/** As many as are allowed. */
const DELIVERIES = 3;
const one = testNode(1);
const tsk = testTask(1);
const succeeded: TaskReport = { outcome: 'succeeded', endedAt: 5, tail: '', logBytes: 0 };

/** A node that starts with one result on its disk, of a claim that is in its queue as it was made. */
async function started({
  takenOver = false,
  poisonedAt = 0,
  olderToo = false,
  incarnation = 'i1',
  report = succeeded,
} = {}) {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const deps = depsOf(f, membership, await membership.join(one));
  const key = f.keys.queue(one, tsk);
  const claimed = claimedEntry({ def: { ...definition() }, single: true, deliveries: DELIVERIES });
  const { modRevision: fence } = await put(f, key, codecs.entry, claimed);
  const again = { ...claimed, deliveries: DELIVERIES + 1, claim: { epoch: '2', nonce: 'c2', at: 0 } };
  if (takenOver) await put(f, key, codecs.entry, again);
  if (poisonedAt > 0) {
    const poison = poisonResult(one, { entry: claimed, fence }, poisonedAt);
    await put(f, f.keys.result(testSpec(1), tsk), codecs.result, poison);
    await f.store.txn({ compares: [], success: [{ op: 'delete', key }] });
  }
  await put(f, f.keys.spec(testProject, testSpec(1)), codecs.spec, {
    v: SCHEMA_VERSION,
    state: 'active',
    cursor: 1,
    tasks: 1,
    chunks: 0,
    counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
    failure: 'continue',
    digest: 'd',
    createdAt: 0,
  });
  const buffer = new MemoryBuffer();
  const result = { task: tsk, project: testProject, fence, nonce: 'c1', attempt: 1, delivery: DELIVERIES };
  if (olderToo)
    await buffer.append({ ...result, fence: '1' as Revision, nonce: 'c0', delivery: 1, incarnation, report });
  await buffer.append({ ...result, incarnation, report });
  const held = new HeldTasks();
  const committer = new Committer({ deps, buffer, held, settled: () => {} });
  const flushed = committer.flush();
  await f.clock.advance(100);
  await flushed;
  const present = await read(f, f.keys.result(testSpec(1), tsk), codecs.result);
  const entry = await read(f, key, codecs.entry);
  await committer.stop(0);
  return { f, buffer, held, outcome: present?.outcome, entry };
}

test('a kept result is committed when its claim still stands, and leaves the disk', async () => {
  const { outcome, entry, buffer } = await started();
  expect(outcome).toBe('succeeded');
  expect(entry).toBeUndefined();
  expect(buffer.results).toEqual([]);
});

test('one of a claim that was taken over is dropped, and told', async () => {
  const { outcome, entry, buffer, f } = await started({ takenOver: true });
  expect(outcome).toBeUndefined();
  expect(entry?.claim?.nonce).toBe('c2');
  expect(buffer.results).toEqual([]);
  expect(f.events.map(({ kind }) => kind)).toContain('claim.fence_rejected');
});

test('one from before a restore is dropped though the restored entry looks like its own; the claim is to be made anew', async () => {
  for (const incarnation of ['before', '']) {
    const { outcome, entry, buffer, held, f } = await started({ incarnation });
    expect(outcome).toBeUndefined();
    expect(entry?.claim?.nonce).toBe('c1');
    expect(buffer.results).toEqual([]);
    expect(held.runsHere(tsk, 'c1')).toBe(false);
    expect(f.events.find(({ kind }) => kind === 'task.superseded')).toMatchObject({ reason: 'restored' });
  }
});

test('one whose claim was ended alike by who took this node for dead is not told again (seed 540018)', async () => {
  const report: TaskReport = { ...succeeded, outcome: 'cancelled', reason: 'lost', startedAt: 1 };
  const { outcome, buffer, f } = await started({ poisonedAt: 4, report });
  expect(outcome).toBe('poison');
  expect(buffer.results).toEqual([]);
  expect(f.events.map(({ kind }) => kind)).not.toContain('task.failed');
});

test('one that the disk refused to forget does not keep the next of the same task from being committed (seed 551928)', async () => {
  const { outcome, buffer } = await started({ olderToo: true });
  expect(outcome).toBe('succeeded');
  expect(buffer.results).toEqual([]);
});
