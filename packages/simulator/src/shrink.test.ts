import { expect, test } from 'vitest';
import { type Sizes, shrink } from './shrink.ts';

test('a failing run is shrunk to the fewest steps, tasks and nodes that still fail', async () => {
  const sizes = { seed: 5, nodes: 4, tasks: 150, steps: 150 };
  const small = await shrink(sizes, async ({ nodes, tasks, steps }) => nodes >= 2 && tasks >= 9 && steps >= 37);
  expect(small).toMatchObject({ seed: 5, nodes: 2, tasks: 9, steps: 37 });
});

test('steps without which it fails as well are left out', async () => {
  const sizes = { seed: 5, nodes: 1, tasks: 1, steps: 20 };
  const needed = [3, 11, 17];
  const fails = async ({ steps, without = [] }: Sizes) =>
    steps >= 17 && needed.every((step) => !without.includes(step));
  const { steps, without } = await shrink(sizes, fails);
  expect(steps).toBe(17);
  expect(without).toEqual([1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16]);
});

test('what fails only as it is stays as it is', async () => {
  const sizes = { seed: 5, nodes: 3, tasks: 60, steps: 60 };
  expect(await shrink(sizes, async () => false)).toEqual(sizes);
});
