import { describe, expect, test } from 'vitest';
import { simulate } from './simulation.ts';

/** Seeds of every test run; `npm run sim` does as many as one likes. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

describe('a cluster under drawn faults', () => {
  test.each(SEEDS)(
    'loses nothing and doubles nothing, seed %i',
    async (seed) => {
      const { violations, results } = await simulate({ seed, tasks: 40, steps: 50 });
      expect(violations).toEqual([]);
      expect(results).toBeGreaterThan(10);
    },
    60_000,
  );

  test('the same seed is the same run, event by event; another is another', async () => {
    const options = { seed: 77, tasks: 40, steps: 50 };
    const first = await simulate(options);
    const second = await simulate(options);
    expect(second).toEqual(first);
    expect((await simulate({ ...options, seed: 78 })).traceHash).not.toBe(first.traceHash);
  }, 60_000);

  test('a step that is left out leaves the draws of the others what they are', async () => {
    const steps: string[][] = [];
    for (const without of [[], [5]]) {
      const lines: string[] = [];
      await simulate({ seed: 12, steps: 8, tasks: 20, without, timeline: (line) => lines.push(line) });
      steps.push(lines.flatMap((line) => /step \d+: .*/.exec(line) ?? []));
    }
    const [all = [], less = []] = steps;
    expect(less.map((line) => line.split(':')[0])).toEqual(
      all.flatMap((line) => (line.startsWith('step 5:') ? [] : [line.split(':')[0]])),
    );
    expect(less.slice(0, 4)).toEqual(all.slice(0, 4));
  }, 60_000);
});
