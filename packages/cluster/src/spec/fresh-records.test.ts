/** Which record each task gets first, and how many fit one transaction. */
import type { TaskDefinition } from '@boi/core';
import { REQUEST_BYTES_MAX, TXN_OPS_MAX } from '@boi/store';
import { beforeEach, describe, expect, test } from 'vitest';
import { codecs } from '../records.ts';
import {
  definition,
  depsOf,
  type Fixture,
  fixture,
  StaticMembership,
  testNode,
  testProject,
  testSpec,
  testTask,
} from '../testing/fixtures.ts';
import { type FreshOptions, freshRecords } from './fresh-records.ts';

let f: Fixture;
let options: FreshOptions;

beforeEach(async () => {
  f = fixture();
  const membership = await StaticMembership.create(f);
  const member = await membership.join(testNode(1), { slots: 100 });
  const placer = await depsOf(f, membership, member).placer();
  options = {
    keys: f.keys,
    prj: testProject,
    spc: testSpec(1),
    placer,
    nowMs: 7,
    recordsMax: 100,
    opsUsed: 0,
    comparesUsed: 0,
    free: Number.POSITIVE_INFINITY,
  };
});

const tasks = (...list: readonly Partial<TaskDefinition>[]) =>
  list.map((over, i) => ({ index: i + 1, definition: definition(over), chunk: 0 }));
const kinds = ({ ops }: ReturnType<typeof freshRecords>) =>
  ops.map(({ key }) => key.slice(f.keys.prefix.length).split('/').slice(0, 2).join('/'));
const own = () => `queue/${testNode(1)}`;
const blocked = () => `blocked/${testSpec(1)}`;

describe('the first record of a task', () => {
  test('is an entry when it has no needs and somebody can run it, without a node under `unassigned`, else a blocked one', () => {
    const gpu = [{ key: 'gpu', op: 'exists', value: true } as const];
    const records = freshRecords(
      tasks({}, { needs: [1] }, { when: 'failure' }, { requires: gpu }, { when: 'always' }),
      options,
    );
    expect(kinds(records)).toEqual([own(), blocked(), blocked(), 'queue/unassigned', own()]);
    expect(records).toMatchObject({ count: 5, queued: 3, cancelled: 0 });
    expect(records.places).toEqual([testNode(1), undefined, undefined, undefined, testNode(1)]);
  });

  test('is blocked for all beyond the limit of the spec; what is unassigned counts', () => {
    const records = freshRecords(tasks({}, {}, {}), { ...options, free: 2 });
    expect(kinds(records)).toEqual([own(), own(), blocked()]);
    expect(records.queued).toBe(2);
  });

  test('of a cancelled spec is the result of what a cancel stops, and blocked for clean-up', () => {
    const list = tasks({}, { when: 'always' });
    const records = freshRecords(list, { ...options, stop: 'success' });
    expect(kinds(records)).toEqual([`results/${testSpec(1)}`, blocked()]);
    expect(records.cancelled).toBe(1);
    expect(freshRecords(list, { ...options, stop: 'all' }).cancelled).toBe(2);
  });

  test('carries the target of its task, and no field that it has not', () => {
    const [first, second] = freshRecords(tasks({ target: 'builders' }, {}), options).ops;
    const value = (op: typeof first) => (op?.op === 'put' ? codecs.entry.decode('', Buffer.from(op.value)) : undefined);
    expect(value(first)?.target).toBe('builders');
    expect(Object.keys(value(second) ?? {}).sort()).toEqual(['attempt', 'chunk', 'deliveries', 'prj', 'queuedAt', 'v']);
  });
});

describe('one transaction', () => {
  test('compares every key it writes absent, and each target once', () => {
    const { compares, ops } = freshRecords(tasks({}, {}, {}), options);
    const compared = compares.map(({ key }) => key);
    expect(compared.filter((key) => key === f.keys.node(testNode(1)))).toHaveLength(1);
    expect(new Set(compared).size).toBe(compared.length);
    for (const { key } of ops) expect(compared).toContain(key);
  });

  test('takes no more records than asked for, than operations and compares are left, and than bytes', () => {
    const many = tasks(...Array.from({ length: 300 }, () => ({})));
    expect(freshRecords(many, { ...options, recordsMax: 5 }).count).toBe(5);
    expect(freshRecords(many, { ...options, recordsMax: 300, opsUsed: TXN_OPS_MAX - 3 }).count).toBe(3);
    // One compare is that of the target's record.
    expect(freshRecords(many, { ...options, recordsMax: 300, comparesUsed: TXN_OPS_MAX - 3 }).count).toBe(2);
    const large = many.slice(0, 100).map(({ index, definition: task }) => ({
      index,
      definition: { ...task, run: 'x'.repeat(40_000) },
    }));
    const { count, ops } = freshRecords(large, options);
    const bytes = ops.reduce((sum, op) => sum + (op.op === 'put' ? Buffer.byteLength(op.value) : 0), 0);
    expect(bytes).toBeLessThan(REQUEST_BYTES_MAX);
    expect(bytes).toBeGreaterThan(REQUEST_BYTES_MAX / 2);
    expect(ops).toHaveLength(count);
    expect(ops.at(-1)?.key).toBe(f.keys.queue(testNode(1), testTask(count)));
  });
});
