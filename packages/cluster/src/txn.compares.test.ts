/**
 * Each compare of the transactions that move a task's record, by what would be lost or doubled without it: the transaction is
 * built from what is in the store, then one thing it rests on changes, and it must be refused and change nothing.
 */
import type { NodeId } from '@boi/core';
import { type Op, type Txn, unchanged } from '@boi/store';
import { describe, expect, test } from 'vitest';
import { newHeld } from './claim/held.ts';
import { decideEnding } from './commit/ending.ts';
import { requeueTxn } from './commit/requeue.ts';
import { moveTxn, toUnassignedTxn, unclaimed } from './placement/move.ts';
import { codecs, SCHEMA_VERSION, type SpecHeader } from './records.ts';
import { freshRecords } from './spec/fresh-records.ts';
import { endBlockedItem, releaseItem, stopEntryItem } from './spec/release.ts';
import { unrunResult } from './spec/task-entry.ts';
import { afterlife, endLostTxn } from './takeover/lost-claim.ts';
import {
  claimedEntry,
  definition,
  depsOf,
  entry,
  type Fixture,
  fixture,
  put,
  StaticMembership,
  testNode,
  testProject,
  testSpec,
  testTask,
} from './testing/fixtures.ts';

const spc = testSpec(1);
const tsk = testTask(1);
const one = testNode(1);
const two = testNode(2);

interface Scene {
  readonly f: Fixture;
  readonly membership: StaticMembership;
  readonly deps: ReturnType<typeof depsOf>;
}

interface Case {
  /** Puts what the transaction rests on and builds it. */
  readonly build: (scene: Scene) => Promise<Txn>;
  /** Each alone must make it refused. */
  readonly changes: Readonly<Record<string, (f: Fixture) => Op>>;
}

const header: SpecHeader = {
  v: SCHEMA_VERSION,
  state: 'active',
  cursor: 1,
  tasks: 1,
  chunks: 0,
  counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
  failure: 'continue',
  digest: 'd',
  createdAt: 0,
};
const why = { summary: 'none', constraints: [] };

const ownEntry = (f: Fixture): Op => ({
  op: 'put',
  key: f.keys.queue(one, tsk),
  value: codecs.entry.encode(claimedEntry({ priority: 9 })),
});
const resultThere = (f: Fixture): Op => ({
  op: 'put',
  key: f.keys.result(spc, tsk),
  value: codecs.result.encode({ v: SCHEMA_VERSION, outcome: 'cancelled', endedAt: 0, attempt: 1 }),
});
const entryAt =
  (node: NodeId) =>
  (f: Fixture): Op => ({
    op: 'put',
    key: f.keys.queue(node, tsk),
    value: codecs.entry.encode(entry()),
  });
const unassignedThere = (f: Fixture): Op => ({
  op: 'put',
  key: f.keys.unassigned(tsk),
  value: codecs.entry.encode(entry()),
});
const nodeGone =
  (node: NodeId) =>
  (f: Fixture): Op => ({ op: 'delete', key: f.keys.node(node) });
const blockedGone = (f: Fixture): Op => ({ op: 'delete', key: f.keys.blocked(spc, tsk) });
const headerWritten = (f: Fixture): Op => ({
  op: 'put',
  key: f.keys.spec(testProject, spc),
  value: codecs.spec.encode({ ...header, name: 'renamed' }),
});

const putBlocked = ({ f }: Scene) => put(f, f.keys.blocked(spc, tsk), codecs.blocked, { v: SCHEMA_VERSION });
const putOwn = ({ f }: Scene, over = {}) => put(f, f.keys.queue(one, tsk), codecs.entry, claimedEntry(over));

async function requeued(scene: Scene): Promise<Txn> {
  const { f, membership, deps } = scene;
  const stored = await putOwn(scene);
  const held = newHeld({
    task: tsk,
    key: stored.key,
    nonce: 'c1',
    fence: stored.modRevision,
    incarnation: membership.snapshot().incarnationRevision,
    entry: stored.record,
    phase: 'ended',
  });
  const report = { outcome: 'failed', endedAt: 0, tail: '', logBytes: 0, exitCode: 1 } as const;
  const retries = { max: 3, backoffMs: 0, backoffMaxMs: 0 } as never;
  const ending = decideEnding({ self: one, held, report, retries, deliveriesMax: 3, nowMs: 0, random: f.random });
  if (ending.kind !== 'requeue') throw new Error('not retried');
  return (await requeueTxn(deps, held, ending)).txn;
}

async function released(scene: Scene, requires = {}): Promise<Txn> {
  await putBlocked(scene);
  return releaseItem({
    keys: scene.f.keys,
    prj: testProject,
    spc,
    tsk,
    definition: definition(requires),
    chunk: 0,
    attempt: 1,
    inputs: false,
    placer: await scene.deps.placer(),
    nowMs: 0,
  });
}

const impossible = { requires: [{ key: 'gpu', op: 'exists', value: true } as const] };

const cases: Record<string, Case & { readonly alone?: boolean }> = {
  'a retry in another node’s queue': {
    build: requeued,
    changes: {
      'its entry': ownEntry,
      'a result': resultThere,
      'an entry there': entryAt(two),
      'the target': nodeGone(two),
    },
  },
  'a retry in the own queue': {
    alone: true,
    build: requeued,
    changes: { 'its entry': ownEntry, 'a result': resultThere },
  },
  'a move': {
    build: async (scene) => {
      const stored = await putOwn(scene);
      const [member] = [scene.membership.snapshot().members.get(two)];
      if (member === undefined) throw new Error('no member');
      const to = { member, compares: [unchanged(scene.f.keys.node(two), member.modRevision)], why: '' };
      const move = { keys: scene.f.keys, task: tsk, from: one, stored, entry: unclaimed(stored.record), nowMs: 0 };
      return moveTxn({ ...move, why: 'adopted', to });
    },
    changes: { 'its entry': ownEntry, 'an entry there': entryAt(two), 'the target': nodeGone(two) },
  },
  'a move to unassigned': {
    build: async (scene) => {
      const stored = await putOwn(scene);
      const move = { keys: scene.f.keys, task: tsk, from: one, stored, entry: unclaimed(stored.record), nowMs: 0 };
      return toUnassignedTxn({ ...move, why: 'adopted', unplaced: why });
    },
    changes: { 'its entry': ownEntry, 'an entry there': unassignedThere },
  },
  'the end of a lost claim': {
    build: async (scene) => {
      const stored = await putOwn(scene, { single: true, deliveries: 3 });
      const at = await put(scene.f, scene.f.keys.spec(testProject, spc), codecs.spec, header);
      const next = afterlife(one, stored, 3, 0);
      if (next.kind !== 'end') throw new Error('not ended');
      return endLostTxn(scene.f.keys, tsk, stored, next.result, at);
    },
    changes: { 'its entry': ownEntry, 'a result': resultThere, 'its header': headerWritten },
  },
  'a release': {
    build: (scene) => released(scene),
    changes: { 'the blocked record': blockedGone, 'the target': nodeGone(one), 'an entry there': entryAt(one) },
    alone: true,
  },
  'a release to unassigned': {
    build: (scene) => released(scene, impossible),
    changes: { 'the blocked record': blockedGone, 'an entry there': unassignedThere },
  },
  'a skip': {
    build: async (scene) => {
      await putBlocked(scene);
      return endBlockedItem(scene.f.keys, spc, tsk, unrunResult('skipped', 0));
    },
    changes: { 'the blocked record': blockedGone, 'a result': resultThere },
  },
  'the cancel of a queued entry': {
    build: async (scene) => {
      const stored = await put(scene.f, scene.f.keys.queue(one, tsk), codecs.entry, entry());
      return stopEntryItem(scene.f.keys, spc, tsk, stored, { force: false, nowMs: 0 }) as Txn;
    },
    changes: { 'its entry': ownEntry, 'a result': resultThere },
  },
  'the cancel mark on a claimed entry': {
    build: async (scene) => {
      const stored = await putOwn(scene);
      return stopEntryItem(scene.f.keys, spc, tsk, stored, { force: false, nowMs: 0 }) as Txn;
    },
    changes: { 'its entry': ownEntry },
  },
  'the first record of a task': {
    alone: true,
    build: async (scene) => {
      const { compares, ops } = freshRecords([{ index: 1, definition: definition() }], {
        keys: scene.f.keys,
        prj: testProject,
        spc,
        placer: await scene.deps.placer(),
        nowMs: 0,
        recordsMax: 10,
        opsUsed: 0,
        comparesUsed: 0,
        free: 1,
      });
      return { compares, success: ops };
    },
    changes: { 'an entry there': entryAt(one), 'the target': nodeGone(one) },
  },
};

async function scene(alone: boolean): Promise<Scene> {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const member = await membership.join(one);
  if (!alone) await membership.join(two);
  return { f, membership, deps: depsOf(f, membership, member) };
}

describe.each(Object.entries(cases))('%s', (_name, { build, changes, alone = false }) => {
  test('is applied when nothing has changed', async () => {
    const at = await scene(alone);
    expect(await at.f.store.txn(await build(at))).toMatchObject({ outcome: 'applied' });
  });

  test.each(Object.entries(changes))('is refused when %s has changed or appeared', async (_what, change) => {
    const at = await scene(alone);
    const txn = await build(at);
    await at.f.store.txn({ compares: [], success: [change(at.f)] });
    const before = at.f.server.revision;
    expect(await at.f.store.txn(txn)).toMatchObject({ outcome: 'refused' });
    expect(at.f.server.revision).toBe(before);
  });
});
