/** No kind of fault, operation or reaction is there in name only: each comes in the seeds that every check runs. */
import { expect, test } from 'vitest';
import { type Counts, KINDS, sumCounts } from './kinds.ts';
import { simulate } from './simulation.ts';

const SEEDS = 200;
/** Told of all kinds by then, the rest need not be run. */
const TOGETHER = 10;

test('everything that may be drawn is drawn within 200 seeds', async () => {
  const counts: Counts[] = [];
  let missing: readonly string[] = KINDS;
  for (let seed = 1; seed <= SEEDS && missing.length > 0; seed++) {
    counts.push((await simulate({ seed })).counts);
    if (seed % TOGETHER !== 0) continue;
    const sums = sumCounts(counts);
    missing = KINDS.filter((kind) => sums[kind] === 0);
  }
  expect(missing).toEqual([]);
}, 300_000);
