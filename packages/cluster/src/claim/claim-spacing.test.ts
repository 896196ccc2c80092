import { describe, expect, test } from 'vitest';
import { TestCluster } from '../testing/test-cluster.ts';
import { companyMs, type SpacingFacts } from './claim-spacing.ts';

const stream: SpacingFacts = {
  sinceMs: 4,
  spacingMs: 10,
  held: 3,
  ahead: false,
  queued: 2,
  batchMax: 100,
  busySlots: 3,
  capacity: 8,
};

describe('claims', () => {
  test('wait for company for what is left of the time between two requests', () => {
    expect(companyMs(stream)).toBe(6);
    expect(companyMs({ ...stream, sinceMs: 10 })).toBe(0);
    // Less would be no time at all, and the loop would turn for ever.
    expect(companyMs({ ...stream, sinceMs: 9.999999999999998 })).toBe(1);
    expect(companyMs({ ...stream, sinceMs: Number.POSITIVE_INFINITY })).toBe(0);
  });

  test.each([
    ['nothing else is held here', { held: 0 }],
    ['nothing is queued', { queued: 0 }],
    ['a claim waits here for a slot', { ahead: true }],
    ['a request is full', { queued: 100 }],
    ['half the slots are in use', { busySlots: 4 }],
    ['a node of one slot is busy', { capacity: 1, busySlots: 1 }],
  ])('wait for nothing when %s', (_when, facts) => {
    expect(companyMs({ ...stream, ...facts })).toBe(0);
  });
});

describe('of specs that come one each millisecond', () => {
  /** How many requests claimed them: the revision of the answer is the fence of all its claims. */
  async function requests(claimSpacingMs: number, slots: number): Promise<number> {
    const cluster = new TestCluster({ claimSpacingMs });
    const { runner } = await cluster.join(1, { slots, script: () => ({ durationMs: 1_000 }) });
    const sent: Promise<unknown>[] = [];
    for (let i = 0; i < 40; i++) {
      sent.push(cluster.dispatch({ tasks: [{ ref: 'a', run: 'true' }] }));
      await cluster.clock.advance(1);
    }
    await cluster.clock.until(() => runner.running.length === 40, 5_000, 'all run');
    await cluster.wait(Promise.all(sent));
    const fences = new Set(runner.running.map(({ assignment }) => assignment.fence));
    await cluster.stop();
    return fences.size;
  }

  test('those that come within the spacing share a request', async () => {
    // The first alone, the others by 20 ms.
    expect(await requests(20, 100)).toBe(3);
    expect(await requests(0, 100)).toBeGreaterThan(20);
  });

  test('those that need the second half of the slots do not wait', async () => {
    expect(await requests(20, 40)).toBeGreaterThan(10);
  });
});
