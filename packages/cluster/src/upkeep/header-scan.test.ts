import type { ProjectId, SpecId } from '@boi/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codecs, type SpecHeader } from '../records.ts';
import { earliestSpecAt } from '../spec/spec-ref.ts';
import { type Fixture, fixture, testNode, testProject } from '../testing/fixtures.ts';
import { HeaderScan } from './header-scan.ts';
import { SpecCount } from './spec-count.ts';

const other = `prj_${testNode(2).slice(4)}` as ProjectId;

function header(ended: boolean): SpecHeader {
  return {
    v: 1,
    state: ended ? 'succeeded' : 'active',
    cursor: 1,
    tasks: 1,
    chunks: 1,
    counts: { succeeded: ended ? 1 : 0, failed: 0, cancelled: 0, skipped: 0 },
    failure: 'continue',
    digest: 'd',
    createdAt: 0,
    ...(ended ? { endedAt: 1 } : {}),
  };
}

/** The `n`th minted at that time. */
function specAt(ms: number, n = 0): SpecId {
  return `${earliestSpecAt(ms)}${String(n).padStart(12, '0')}0000` as SpecId;
}

async function putAll(f: Fixture, specs: readonly SpecId[], ended: boolean, prj = testProject): Promise<void> {
  for (let from = 0; from < specs.length; from += 100) {
    const success = specs
      .slice(from, from + 100)
      .map((spc) => ({ op: 'put', key: f.keys.spec(prj, spc), value: codecs.spec.encode(header(ended)) }) as const);
    await f.store.txn({ compares: [], success });
  }
}

function scanOf(f: Fixture, wholeEveryMs = 3_600_000) {
  const unreadable: string[] = [];
  const scan = new HeaderScan(f.ctx, {
    settled: ({ endedAt }) => endedAt !== undefined,
    wholeEveryMs,
    onUnreadable: (key) => unreadable.push(key),
  });
  const look = async () => {
    const keys: string[] = [];
    for await (const headers of scan.look()) keys.push(...headers.map(({ key }) => key));
    return keys;
  };
  return { scan, look, unreadable };
}

const HOUR = 3_600_000;

describe('a scan of headers', () => {
  test('reads what is settled once, however much there is, and what is open with every look', async () => {
    const f = fixture();
    await putAll(
      f,
      Array.from({ length: 2_500 }, (_, n) => specAt(HOUR + n)),
      true,
    );
    await putAll(f, [specAt(HOUR, 7), specAt(2 * HOUR)], false);
    const { scan, look } = scanOf(f);
    expect(await look()).toHaveLength(2_502);
    expect([scan.open, scan.total]).toEqual([2, 2_502]);
    const open = [specAt(HOUR, 7), specAt(2 * HOUR)].map((spc) => f.keys.spec(testProject, spc));
    expect(await look()).toEqual(open);
    await putAll(f, [specAt(HOUR, 7)], true);
    expect(await look()).toEqual(open);
    expect(await look()).toEqual(open.slice(1));
    expect([scan.open, scan.total]).toEqual([1, 2_502]);
  });

  test('finds what is new, one or thousands, and what came a little late', async () => {
    const f = fixture();
    await putAll(f, [specAt(2 * HOUR)], true);
    const { scan, look } = scanOf(f);
    await look();
    const late = specAt(2 * HOUR - 60_000);
    await putAll(f, [late], false);
    expect(await look()).toEqual([f.keys.spec(testProject, late)]);
    const many = Array.from({ length: 2_100 }, (_, n) => specAt(3 * HOUR, n));
    await putAll(f, many, true);
    expect(await look()).toHaveLength(2_101);
    expect(await look()).toHaveLength(1);
    expect([scan.open, scan.total]).toEqual([1, 2_102]);
  });

  test('finds with the next whole look what appeared far below, or is gone', async () => {
    const f = fixture();
    await putAll(f, [specAt(2 * HOUR), specAt(5 * HOUR)], true);
    const { scan, look } = scanOf(f, 600_000);
    await look();
    await putAll(f, [specAt(HOUR)], false);
    await f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.spec(testProject, specAt(2 * HOUR)) }] });
    expect(await look()).toEqual([]);
    await f.clock.advance(600_000);
    expect(await look()).toHaveLength(2);
    expect([scan.open, scan.total]).toEqual([1, 2]);
  });

  test('has a floor of its own for each project', async () => {
    const f = fixture();
    await putAll(f, [specAt(9 * HOUR)], true);
    await putAll(f, [specAt(HOUR)], true, other);
    const { scan, look } = scanOf(f);
    await look();
    await putAll(f, [specAt(2 * HOUR)], false, other);
    expect(await look()).toEqual([f.keys.spec(other, specAt(2 * HOUR))]);
    expect([scan.open, scan.total]).toEqual([1, 3]);
  });

  test('tells what it cannot read, counts it as settled, and goes on', async () => {
    const f = fixture();
    await putAll(f, [specAt(HOUR)], false);
    const key = f.keys.spec(testProject, specAt(HOUR, 1));
    await f.store.txn({ compares: [], success: [{ op: 'put', key, value: '{"v":99}' }] });
    const { scan, look, unreadable } = scanOf(f);
    expect(await look()).toHaveLength(1);
    await look();
    expect(unreadable).toEqual([key]);
    expect([scan.open, scan.total]).toEqual([1, 2]);
  });

  test('that was broken off begins anew', async () => {
    const f = fixture();
    await putAll(f, [specAt(HOUR), specAt(5 * HOUR)], true);
    const { look, scan } = scanOf(f);
    for await (const _headers of scan.look()) break;
    expect(await look()).toHaveLength(2);
    expect(scan.total).toBe(2);
  });

  test('knows after every look what there is, whatever happens between', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.integer({ min: 0, max: 50 }), ended: fc.boolean(), look: fc.boolean() }), {
          maxLength: 60,
        }),
        async (steps) => {
          const f = fixture();
          const { scan, look } = scanOf(f);
          const model = new Map<SpecId, boolean>();
          for (const { at, ended, look: now } of steps) {
            // All within the margin of the newest, so that nothing needs a whole look; what has ended stays so.
            const spc = specAt(HOUR + at * 2_000);
            if (model.get(spc) !== true) {
              model.set(spc, ended);
              await putAll(f, [spc], ended);
            }
            if (!now) continue;
            await look();
            const open = [...model.values()].filter((one) => !one).length;
            expect([scan.open, scan.total]).toEqual([open, model.size]);
          }
        },
      ),
      { numRuns: 60 },
    ));
});

test('the count of specs is one reading for all who ask at once', async () => {
  const f = fixture();
  await putAll(f, [specAt(HOUR)], true);
  await putAll(f, [specAt(HOUR, 1)], false);
  const count = new SpecCount(f.ctx);
  const answers = await Promise.all([count.read(), count.read(), count.read()]);
  expect(answers).toEqual(Array.from({ length: 3 }, () => ({ active: 1, total: 2 })));
  expect(await count.read()).toEqual({ active: 1, total: 2 });
});
