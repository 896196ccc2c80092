import { SeededRandom } from '@boi/core/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CrashLedger, type CrashLog, type CrashRecord, MemoryCrashLog, mergeCrashes } from './crash-log.ts';

const rules = { windowMs: 300_000, restartsMax: 3 };
const ledger = (log: CrashLog, seed = 1, problems: unknown[] = []) =>
  new CrashLedger('p', log, rules, new SeededRandom(seed), (error) => problems.push(error));

describe('the crash ledger', () => {
  test('two lives that count at once lose no crash', async () => {
    const log = new MemoryCrashLog();
    await Promise.all([ledger(log, 1).add(1), ledger(log, 2).add(2), ledger(log, 3).add(3)]);
    expect((await log.read('p'))?.record.crashes).toHaveLength(3);
  });

  test('counts in memory while the store is away, and writes all of it once it is back', async () => {
    const memory = new MemoryCrashLog();
    let isAway = true;
    const gate = async () => {
      if (isAway) throw new Error('the store is away');
    };
    const problems: unknown[] = [];
    const counted = ledger(
      {
        read: async (plugin) => gate().then(() => memory.read(plugin)),
        swap: async (...args) => gate().then(() => memory.swap(...args)),
      },
      1,
      problems,
    );
    await counted.add(1);
    await counted.add(2);
    expect(problems).toHaveLength(2);
    isAway = false;
    expect((await counted.add(3)).crashes.map(({ at }) => at)).toEqual([1, 2, 3]);
    expect((await memory.read('p'))?.record.crashes).toHaveLength(3);
    expect((await counted.add(4)).unstable).toBe(true);
  });

  test('an operator’s restart counts also when the store hears of it later', async () => {
    const memory = new MemoryCrashLog();
    let isAway = false;
    const counted = ledger({
      read: async (plugin) => (isAway ? Promise.reject(new Error('away')) : memory.read(plugin)),
      swap: async (...args) => (isAway ? Promise.reject(new Error('away')) : memory.swap(...args)),
    });
    for (const at of [1, 2, 3, 4]) await counted.add(at);
    expect((await memory.read('p'))?.record.unstable).toBe(true);
    isAway = true;
    await counted.clear();
    expect(counted.unwritten).toBe(true);
    isAway = false;
    expect(await counted.add(5)).toMatchObject({ crashes: [{ at: 5 }], unstable: false });
    expect(counted.unwritten).toBe(false);
    expect((await memory.read('p'))?.record).toMatchObject({ crashes: [{ at: 5 }], unstable: false });
  });

  test('a swap whose answer was lost is not counted twice', async () => {
    const memory = new MemoryCrashLog();
    let lose = true;
    const counted = ledger({
      read: (plugin) => memory.read(plugin),
      swap: async (...args) => {
        const outcome = await memory.swap(...args);
        if (lose) throw new Error('no answer');
        return outcome;
      },
    });
    await counted.add(1);
    lose = false;
    expect((await counted.add(2)).crashes).toHaveLength(2);
  });

  const record: fc.Arbitrary<CrashRecord> = fc.record({
    crashes: fc.array(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), at: fc.nat(400_000) }), {
      maxLength: 5,
    }),
    unstable: fc.boolean(),
  });
  const ids = (r: CrashRecord) => r.crashes.map(({ id }) => id).sort();

  test('merging is commutative and idempotent, and never forgets that a plugin is unstable', () => {
    // The same id always stands for the same crash.
    const at = { a: 1, b: 100_000, c: 200_000, d: 300_000, e: 399_999 } as Record<string, number>;
    const honest = record.map((r) => ({ ...r, crashes: r.crashes.map(({ id }) => ({ id, at: at[id] as number })) }));
    fc.assert(
      fc.property(honest, honest, fc.nat(400_000), (a, b, now) => {
        const ab = mergeCrashes(a, b, now, rules);
        expect(ids(ab)).toEqual(ids(mergeCrashes(b, a, now, rules)));
        expect(mergeCrashes(ab, b, now, rules)).toEqual(ab);
        if (a.unstable || b.unstable || ab.crashes.length > 3) expect(ab.unstable).toBe(true);
      }),
    );
  });
});
