import { describe, expect, test } from 'vitest';
import { TestCluster } from '../testing/test-cluster.ts';
import { companyMs, type SpacingFacts } from './claim-spacing.ts';

const stream: SpacingFacts = {
  sinceMs: 4,
  tookMs: 5,
  ahead: false,
  queued: 2,
  batchMax: 100,
  busySlots: 3,
  capacity: 8,
};

describe('claims', () => {
  test('wait for company until the last request is as long ago as it took', () => {
    expect(companyMs(stream)).toBe(6);
    expect(companyMs({ ...stream, sinceMs: 10 })).toBe(0);
    expect(companyMs({ ...stream, sinceMs: Number.POSITIVE_INFINITY })).toBe(0);
    // Less would be no time at all, and the loop would turn for ever.
    expect(companyMs({ ...stream, sinceMs: 9.999999999999998 })).toBe(1);
    expect(companyMs({ ...stream, tookMs: 4_000 })).toBe(46);
  });

  test.each([
    ['nothing is queued', { queued: 0 }],
    ['a claim waits here for a slot', { ahead: true }],
    ['a request is full', { queued: 100 }],
    ['half the slots are in use', { busySlots: 4 }],
    ['a node of one slot is busy', { capacity: 1, busySlots: 1 }],
  ])('wait for nothing when %s', (_when, facts) => {
    expect(companyMs({ ...stream, ...facts })).toBe(0);
  });
});

describe('of specs that come one each millisecond, where a request takes five', () => {
  /** How many requests claimed them: the revision of the answer is the fence of all its claims. */
  async function requests(slots: number): Promise<number> {
    const cluster = new TestCluster();
    const { runner, store } = await cluster.join(1, { slots, script: () => ({ durationMs: 1_000 }) });
    store.plan = { call: ({ method }) => (method === 'batch' ? { replyDelayMs: 5 } : undefined) };
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

  test('ten milliseconds of them share a request, or five where slots are scarce', async () => {
    const [shared, scarce] = [await requests(100), await requests(40)];
    expect(shared).toBeLessThanOrEqual(5);
    expect(scarce).toBeGreaterThan(shared);
  });
});
