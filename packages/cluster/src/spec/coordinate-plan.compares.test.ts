/** What a coordinator's plan costs with many tasks, and that what it counts is what has a result. */
import { describe, expect, test } from 'vitest';
import { CoordinatePlan } from './coordinate-plan.ts';

describe('a plan of 20,000 ready tasks of which ten may be in flight', () => {
  test('looks at a few of them with each result, in their order, not at all', () => {
    const size = 20_000;
    const tasks = Array.from({ length: size }, () => ({}));
    const blocked = new Map(tasks.map((_, i) => [i + 1, { attempt: 1 }] as const));
    const plan = new CoordinatePlan(tasks, new Map(), blocked);
    const has = Map.prototype.has;
    let asked = 0;
    Map.prototype.has = function counted(this: Map<unknown, unknown>, key: unknown) {
      asked++;
      return has.call(this, key);
    };
    const order: number[] = [];
    try {
      for (let ended = 0; ended < 1_000; ) {
        const { releases } = plan.next(undefined, 10);
        for (const index of releases) plan.onReleased(index);
        order.push(...releases);
        plan.onResult(++ended, { outcome: 'succeeded' });
      }
    } finally {
      Map.prototype.has = has;
    }
    expect(asked).toBeLessThan(100_000);
    expect(order).toEqual(Array.from({ length: 1_009 }, (_, i) => i + 1));
    expect(plan.inFlight).toBe(9);
    expect(plan.counts()).toMatchObject({ succeeded: 1_000, skipped: 0 });
  });
});

test('a skip counts when its result is there', () => {
  const tasks = [{}, { needs: [1] }];
  const plan = new CoordinatePlan(tasks, new Map(), new Map([[2, { attempt: 1 }]]));
  plan.onResult(1, { outcome: 'failed' });
  expect(plan.counts()).toMatchObject({ failed: 1, skipped: 0 });
  plan.onResult(2, { outcome: 'skipped', byFailure: true });
  expect(plan.counts()).toMatchObject({ failed: 1, skipped: 1 });
  expect(plan.complete).toBe(true);
});

test('what runs is not taken for skipped when what it needed is retried and ends otherwise, nor released what needs it', () => {
  const tasks = [{}, { needs: [1] }, { needs: [2], when: 'always' }] as const;
  // Task 2 was released in the first attempt of task 1 and still runs.
  const plan = new CoordinatePlan(tasks, new Map([[1, { outcome: 'cancelled' }]]), new Map([[3, { attempt: 1 }]]));
  expect(plan.next(undefined, undefined)).toEqual({ skips: [], cancels: [], releases: [] });
  plan.onResult(2, { outcome: 'succeeded' });
  expect(plan.next(undefined, undefined).releases).toEqual([3]);
});
