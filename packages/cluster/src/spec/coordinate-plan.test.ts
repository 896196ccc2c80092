/** What a coordinator plans, by tables and laws. That it stays cheap: coordinate-plan.compares.test.ts. */
import type { Outcome } from '@boi/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BlockedTask, CoordinatePlan } from './coordinate-plan.ts';

const blocked = (...indexes: readonly number[]) =>
  new Map<number, BlockedTask>(indexes.map((index) => [index, { attempt: 1 }]));
const NOTHING = { skips: [], cancels: [], releases: [] };

describe('a plan', () => {
  test('releases what is ready and blocked, in order, and no more than the limit leaves room for', () => {
    const plan = new CoordinatePlan([{}, {}, {}, {}], new Map(), blocked(2, 3, 4));
    // The first is in flight already.
    expect(plan.next(undefined, undefined).releases).toEqual([2, 3, 4]);
    expect(plan.next(undefined, 3).releases).toEqual([2, 3]);
    expect(plan.next(undefined, 1)).toEqual(NOTHING);
  });

  test('a new coordinator plans nothing twice: what is in flight or ended is no longer blocked', () => {
    const plan = new CoordinatePlan([{}, { needs: [1] }], new Map([[1, { outcome: 'succeeded' }]]), blocked());
    expect(plan.next(undefined, undefined)).toEqual(NOTHING);
    expect(plan.inFlight).toBe(1);
  });

  test('skips before it releases, and says when a skip counts as a failure', () => {
    const tasks = [{}, { needs: [1] }, { needs: [2] }, {}];
    const plan = new CoordinatePlan(tasks, new Map([[1, { outcome: 'failed' }]]), blocked(2, 3, 4));
    const { skips, releases } = plan.next(undefined, undefined);
    expect([skips, releases]).toEqual([
      [
        { index: 2, byFailure: true },
        { index: 3, byFailure: true },
      ],
      [],
    ]);
    for (const { index, byFailure } of skips) plan.onResult(index, { outcome: 'skipped', byFailure });
    expect(plan.next(undefined, undefined).releases).toEqual([4]);
    expect(plan.failed).toBe(true);
  });

  test('a stop cancels what is blocked, leaves clean-up alone unless it stops all, and names what is in flight', () => {
    const tasks = [{}, {}, { needs: [1], when: 'always' as const }];
    const plan = new CoordinatePlan(tasks, new Map(), blocked(2, 3));
    expect(plan.next('success', undefined).cancels).toEqual([2]);
    expect(plan.next('all', undefined).cancels).toEqual([2, 3]);
    expect(plan.toStop('success')).toEqual([1]);
  });

  test('what ends otherwise than planned makes it stale: a skip that follows from a failure, and a cancel that was sent before', () => {
    const tasks = [{}, { needs: [1] }];
    const made = (outcome: Outcome, byFailure?: boolean) => {
      const plan = new CoordinatePlan(tasks, new Map([[1, { outcome: 'failed' }]]), blocked(2));
      plan.onResult(2, { outcome, ...(byFailure === undefined ? {} : { byFailure }) });
      return plan.stale;
    };
    expect(made('cancelled')).toBe(true);
    expect(made('skipped')).toBe(true);
    expect(made('skipped', true)).toBe(false);
  });

  test('knows which results have outputs', () => {
    const plan = new CoordinatePlan([{}, {}], new Map([[1, { outcome: 'succeeded', hasOutputs: true }]]), blocked(2));
    expect([plan.hasOutputs(1), plan.hasOutputs(2)]).toEqual([true, false]);
  });

  test('whatever the graph and the endings: each task is released, skipped or cancelled once, and all end', () => {
    const graph = fc
      .array(fc.tuple(fc.array(fc.nat(20), { maxLength: 3 }), fc.constantFrom('success', 'failure', 'always')), {
        minLength: 1,
        maxLength: 12,
      })
      .map((list) =>
        list.map(([needs, when], i) => ({
          needs: [...new Set(needs.map((need) => (i === 0 ? 0 : (need % i) + 1)))].filter((need) => need > 0),
          when: when as 'success' | 'failure' | 'always',
        })),
      );
    const outcomes = fc.array(fc.constantFrom<Outcome>('succeeded', 'failed', 'timed-out', 'cancelled', 'poison'), {
      minLength: 12,
      maxLength: 12,
    });
    fc.assert(
      fc.property(graph, outcomes, fc.integer({ min: 1, max: 4 }), (tasks, ends, limit) => {
        const plan = new CoordinatePlan(tasks, new Map(), blocked(...tasks.map((_, i) => i + 1)));
        const done = new Set<number>();
        const running: number[] = [];
        const once = (index: number) => {
          expect(done.has(index)).toBe(false);
          done.add(index);
        };
        for (let steps = 0; !plan.complete; steps++) {
          expect(steps).toBeLessThan(100);
          const { skips, releases } = plan.next(undefined, limit);
          for (const { index, byFailure } of skips) {
            once(index);
            plan.onResult(index, { outcome: 'skipped', byFailure });
          }
          for (const index of releases) {
            once(index);
            plan.onReleased(index);
            running.push(index);
          }
          expect(running.length).toBeLessThanOrEqual(limit);
          const next = skips.length > 0 ? undefined : running.shift();
          if (next !== undefined) plan.onResult(next, { outcome: ends[next - 1] as Outcome });
        }
        expect(done.size).toBe(tasks.length);
        const counts = Object.values(plan.counts()).reduce((sum, count) => sum + count, 0);
        expect(counts).toBe(tasks.length);
      }),
    );
  });
});
