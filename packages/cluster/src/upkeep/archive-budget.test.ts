/** What is archived stays within a number and a size: the oldest go. */
import type { SpecId } from '@boi/core';
import { afterEach, describe, expect, test } from 'vitest';
import type { ClusterConfig } from '../context.ts';
import { SCHEMA_VERSION, type SpecHeader } from '../records.ts';
import { allKeys } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { Archiver } from './archive.ts';
import { ArchiveBudget } from './archive-budget.ts';

const header = (endedAt: number, bytes: number): SpecHeader => ({
  v: SCHEMA_VERSION,
  state: 'succeeded',
  cursor: 1,
  tasks: 1,
  chunks: 0,
  counts: { succeeded: 1, failed: 0, cancelled: 0, skipped: 0 },
  failure: 'continue',
  digest: 'd',
  createdAt: 0,
  endedAt,
  archived: { chunks: 1, firsts: [1], bytes },
});

test('the oldest beyond the number go, down to nine tenths of it, and then no more', () => {
  const budget = new ArchiveBudget(10, 1_000_000);
  for (const endedAt of [5, 3, 9, 1, 7, 2, 8, 4, 6, 10]) budget.add(`k${endedAt}`, header(endedAt, 10));
  expect(budget.exceeded).toBe(false);
  expect(budget.takeExcess()).toEqual([]);
  budget.add('k11', header(11, 10));
  expect(budget.takeExcess().map(({ key }) => key)).toEqual(['k1', 'k2']);
  expect(budget.exceeded).toBe(false);
});

test('the oldest beyond the size go, one that is larger than all of it included', () => {
  const budget = new ArchiveBudget(100, 10_000);
  budget.add('old', header(1, 4_000));
  budget.add('new', header(2, 4_000));
  expect(budget.exceeded).toBe(false);
  budget.add('huge', header(3, 50_000));
  expect(budget.takeExcess().map(({ key }) => key)).toEqual(['old', 'new', 'huge']);
});

describe('an archiver', () => {
  let rig: SpecRig;
  let archiver: Archiver;

  afterEach(async () => {
    const stopped = archiver.stop();
    await rig.settle(10);
    await stopped;
    await rig.stop();
  });

  async function archived(config: Partial<ClusterConfig>, specs: number, tasks: number): Promise<SpecId[]> {
    rig = await SpecRig.create(1, { lingerMs: 10_000, ...config });
    const ids: SpecId[] = [];
    for (let n = 0; n < specs; n++) {
      ids.push(await rig.dispatch(Array.from({ length: tasks }, () => ({}))));
      await rig.runToEnd(ids.at(-1) as SpecId);
      await rig.settle(100);
    }
    archiver = new Archiver(rig.node(1).deps);
    archiver.start();
    await rig.settle(60_000);
    return ids;
  }

  test.each([
    ['number', { archiveSpecsMax: 5 }, 1],
    ['number', { archiveSpecsMax: 5 }, 3],
    // A spec of three tasks takes some 550 bytes: header, body and results.
    ['size', { archiveBytesMax: 2_500 }, 3],
  ])('keeps to the %s within two passes, and the newest (%o, %i tasks)', async (_what, config, tasks) => {
    const ids = await archived(config, 8, tasks);
    const kept: SpecId[] = [];
    for (const id of ids) if ((await rig.header(id)) !== undefined) kept.push(id);
    expect(kept).toEqual(ids.slice(8 - kept.length));
    expect(kept.length).toBeGreaterThan(1);
    expect(kept.length).toBeLessThanOrEqual(5);
    const left = (await allKeys(rig.f)).filter((key) => /^(archive|specbody|specs|results)\//.test(key));
    expect(left.every((key) => kept.some((id) => key.includes(id)))).toBe(true);
  });
});
