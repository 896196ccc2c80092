/** A short soak with a seed that stays the same, for every run of the tests; `npm run soak` is the long one. */
import { expect, test } from 'vitest';
import { soak } from './soak.ts';
import { summary } from './summary.ts';

const SEED = Number(process.env.BOI_SOAK_SEED ?? 7);

test('work handed in through a minute of faults ends, each result with its one effect', {
  timeout: 600_000,
}, async () => {
  const happened: string[] = [];
  const report = await soak({ seed: SEED, minutes: 0.8, tasks: 1_500, nodes: 4, say: (line) => happened.push(line) });
  for (const line of summary(report)) process.stderr.write(`${line}\n`);
  expect(report.violations, happened.join('\n')).toEqual([]);
  expect(report.tasks).toBe(1_500);
});
