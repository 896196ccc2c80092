import { VirtualClock } from '@boi/core/testing';
import { expect, test } from 'vitest';
import { Bell } from './bell.ts';

/** What has come through a wait so far. */
function waiting(bell: Bell, ...times: readonly (number | undefined)[]): number[] {
  const through: number[] = [];
  for (const [i, ms] of times.entries()) void bell.wait(ms).then(() => through.push(i));
  return through;
}

test('a wait ends after its time, and without one only when it rings', async () => {
  const clock = new VirtualClock();
  const bell = new Bell(clock);
  const through = waiting(bell, 100, undefined);
  await clock.advance(99);
  expect(through).toEqual([]);
  await clock.advance(1);
  expect(through).toEqual([0]);
  bell.ring();
  await clock.advance(0);
  expect(through).toEqual([0, 1]);
});

test('a ring ends every wait under way, and the next one unless it was cleared', async () => {
  const clock = new VirtualClock();
  const bell = new Bell(clock);
  const through = waiting(bell, 1_000, 2_000);
  bell.ring();
  await clock.advance(0);
  expect(through).toEqual([0, 1]);
  const next = waiting(bell, 1_000);
  await clock.advance(0);
  expect(next).toEqual([0]);
  bell.clear();
  const last = waiting(bell, 1_000);
  await clock.advance(999);
  expect(last).toEqual([]);
});
