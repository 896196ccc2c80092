import { expect, test } from 'vitest';
import { shrink } from './shrink.ts';

test('a failing run is shrunk to the fewest steps, tasks and nodes that still fail', async () => {
  const sizes = { seed: 5, nodes: 4, tasks: 150, steps: 150 };
  const small = await shrink(sizes, async ({ nodes, tasks, steps }) => nodes >= 2 && tasks >= 9 && steps >= 37);
  expect(small).toEqual({ seed: 5, nodes: 2, tasks: 9, steps: 37 });
});

test('what fails only as it is stays as it is', async () => {
  const sizes = { seed: 5, nodes: 3, tasks: 60, steps: 60 };
  expect(await shrink(sizes, async () => false)).toEqual(sizes);
});
