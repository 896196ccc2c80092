import type { FsckReport, SpecId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import { testNode } from '../testing/fixtures.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';

const GONE = 'spc_01kapz0vge5n3m8q2r7t4w0000' as SpecId;
let cluster: TestCluster;
let node: TestNode;
let keysBefore: string[];

beforeEach(async () => {
  cluster = new TestCluster();
  node = await cluster.join(1);
  await cluster.untilDone(await cluster.dispatch({ name: 'kept', tasks: [{ ref: 'a', run: 'true', count: 2 }] }));
  await cluster.clock.advance(2_000);
  keysBefore = await allKeys();
});

afterEach(() => cluster.stop());

const project = () => node.node.snapshot().cluster.defaultProject;
const ask = (apply: boolean) => cluster.wait(node.node.api.repair(apply));
const repairs = ({ findings }: FsckReport) =>
  Object.fromEntries(findings.map(({ kind, repair }) => [kind, repair] as const));

async function allKeys(): Promise<string[]> {
  const { start, end } = cluster.keys.all();
  const { kvs } = await cluster.store.range({ start, end, keysOnly: true });
  return kvs.map(({ key }) => key);
}

async function put(key: string, value: string): Promise<void> {
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key, value }] });
}

async function orphans(): Promise<void> {
  const { keys } = cluster;
  const prj = project();
  const v = SCHEMA_VERSION;
  const at = cluster.clock.now() - 25 * 3_600_000;
  await put(keys.name(prj, 'spec', 'gone', GONE), '');
  await put(keys.idempotency(prj, 'hash'), codecs.idempotency.encode({ v, spec: GONE, digest: 'd', at }));
  const task = 'tsk_01kapz0vge5n3m8q2r7t4w0001' as never;
  await put(keys.lock(prj, 'hash', 0), codecs.lock.encode({ v, task, nonce: 'n' }));
  await put(keys.coord(testNode(7), GONE), codecs.coord.encode({ v, prj }));
  await put(keys.specBody(GONE, 0), 'x');
  await put(keys.archive(prj, GONE, 0), 'x');
}

const ALL = [
  'orphan-archive',
  'orphan-body',
  'orphan-coordinator',
  'orphan-idempotency-key',
  'orphan-lock',
  'orphan-name',
];

describe('a repair', () => {
  test('asked what it would do writes nothing', async () => {
    await orphans();
    const before = await allKeys();
    const report = await ask(false);
    expect(repairs(report)).toEqual(Object.fromEntries(ALL.map((kind) => [kind, 'possible'])));
    expect(await allKeys()).toEqual(before);
  });

  test('removes what belongs to no spec, and nothing else; the next check is clean', async () => {
    await orphans();
    const report = await ask(true);
    expect(repairs(report)).toEqual(Object.fromEntries(ALL.map((kind) => [kind, 'done'])));
    expect(await allKeys()).toEqual(keysBefore);
    expect((await ask(true)).clean).toBe(true);
  });

  test('leaves an idempotency key of less than a day', async () => {
    const at = cluster.clock.now();
    const record = { v: SCHEMA_VERSION, spec: GONE, digest: 'd', at } as const;
    await put(cluster.keys.idempotency(project(), 'hash'), codecs.idempotency.encode(record));
    expect(repairs(await ask(true))).toEqual({ 'orphan-idempotency-key': 'left' });
    expect(await allKeys()).toContain(cluster.keys.idempotency(project(), 'hash'));
  });

  test('leaves what changed after it was found', async () => {
    const lock = cluster.keys.lock(project(), 'hash', 0);
    await orphans();
    const repairing = node.node.api.repair(true);
    // Everything the check reads is read by now or will be; the lock is rewritten before each of the repair's writes.
    const value = codecs.lock.encode({
      v: SCHEMA_VERSION,
      task: 'tsk_01kapz0vge5n3m8q2r7t4w0002' as never,
      nonce: 'm',
    });
    const send = node.store.txn.bind(node.store);
    node.store.txn = async (txn, options) => {
      if (txn.success.some((op) => op.op === 'delete' && op.key === lock)) await put(lock, value);
      return send(txn, options);
    };
    expect(repairs(await cluster.wait(repairing))).toMatchObject({ 'orphan-lock': 'changed', 'orphan-name': 'done' });
    expect(await allKeys()).toContain(lock);
  });

  test('frees a slot of a concurrency key that a claim of a live spec has left behind, and none that a claim holds', async () => {
    const key = { name: 'one', limit: 2 };
    const answer = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true', key }] });
    await cluster.clock.until(() => node.runner.running.length === 1, 1_000, 'it runs');
    const [held = ''] = (await allKeys()).filter((each) => each.includes('/locks/'));
    const slot = held.endsWith('0') ? 1 : 0;
    const leaked = `${held.slice(0, -1)}${slot}`;
    const task = cluster.task(answer);
    await put(leaked, codecs.lock.encode({ v: SCHEMA_VERSION, task, nonce: 'of a claim before' }));
    expect(repairs(await ask(false))).toEqual({ 'leaked-lock': 'possible' });
    expect(repairs(await ask(true))).toEqual({ 'leaked-lock': 'done' });
    expect((await allKeys()).filter((each) => each.includes('/locks/'))).toEqual([held]);
    await cluster.store.txn({ compares: [], success: [{ op: 'delete', key: held }] });
    const { findings, clean } = await ask(true);
    expect(findings).toMatchObject([{ kind: 'lock-not-held', subject: task, repair: 'left' }]);
    expect(clean).toBe(false);
    await cluster.untilDone(answer);
  });

  test('a store that was emptied is not clean, though there is nothing wrong in it', async () => {
    for (const key of [cluster.keys.cluster(), cluster.keys.incarnation()])
      await cluster.store.txn({ compares: [], success: [{ op: 'delete', key }] });
    const { findings, clean } = await ask(true);
    expect(findings).toMatchObject([
      { kind: 'cluster-record-missing', subject: cluster.keys.cluster(), repair: 'left' },
      { kind: 'cluster-record-missing', subject: cluster.keys.incarnation(), repair: 'left' },
    ]);
    expect(clean).toBe(false);
  });

  test('tells of a coordination that cannot be read', async () => {
    await put(cluster.keys.coord(testNode(7), GONE), '{"v":99}');
    expect((await ask(true)).findings).toMatchObject([
      { kind: 'unreadable-record', severity: 'error', repair: 'left' },
    ]);
  });

  test('does not touch tasks: a lost record, one too many and one of an unknown spec stay as they are', async () => {
    const answer = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true', count: 2 }] });
    await cluster.untilDone(answer);
    await cluster.clock.advance(2_000);
    const first = cluster.keys.result(answer.id as SpecId, cluster.task(answer, 1));
    await cluster.store.txn({ compares: [], success: [{ op: 'delete', key: first }] });
    await put(cluster.keys.blocked(answer.id as SpecId, cluster.task(answer, 2)), codecs.blocked.encode({ v: 1 }));
    await put(cluster.keys.blocked(GONE, 'tsk_01kapz0vge5n3m8q2r7t4w0001' as never), codecs.blocked.encode({ v: 1 }));
    const before = await allKeys();
    const report = await ask(true);
    expect(repairs(report)).toMatchObject({
      'task-without-record': 'left',
      'task-with-several-records': 'left',
      'record-of-unknown-spec': 'left',
    });
    expect(await allKeys()).toEqual(before);
  });
});
