import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RetryPolicy } from './definition.ts';
import { BACKOFF_JITTER, retryDecision } from './retry.ts';
import { SeededRandom } from './testing/index.ts';

const policy: RetryPolicy = { max: 3, backoffMs: 1000, backoffMaxMs: 60_000 };
const failed = { outcome: 'failed', exitCode: 1 } as const;
const middle = { next: () => 0.5, bytes: (length: number) => new Uint8Array(length) };

describe('whether an attempt is retried', () => {
  it('retries as often as the policy says, not once more', () => {
    expect([1, 2, 3, 4].map((attempt) => retryDecision(policy, attempt, failed, middle).retry)).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(retryDecision(undefined, 1, failed, middle)).toEqual({ retry: false });
    expect(retryDecision({ ...policy, max: 0 }, 1, failed, middle)).toEqual({ retry: false });
  });

  it('never retries a cancel or a success', () => {
    expect(retryDecision(policy, 1, { outcome: 'cancelled' }, middle)).toEqual({ retry: false });
    expect(retryDecision(policy, 1, { outcome: 'succeeded', exitCode: 0 }, middle)).toEqual({ retry: false });
  });

  it('retries a timeout and a signal, unless only exit codes are named', () => {
    const only: RetryPolicy = { ...policy, onExitCodes: [75, 1] };
    expect(retryDecision(policy, 1, { outcome: 'timed-out' }, middle).retry).toBe(true);
    expect(retryDecision(only, 1, { outcome: 'timed-out' }, middle).retry).toBe(false);
    expect(retryDecision(only, 1, failed, middle).retry).toBe(true);
    expect(retryDecision(only, 1, { outcome: 'failed', exitCode: 2 }, middle).retry).toBe(false);
  });
});

describe('the delay', () => {
  it('doubles up to the ceiling', () => {
    const delays = [1, 2, 3, 7, 100].map((attempt) => retryDecision({ ...policy, max: 100 }, attempt, failed, middle));
    expect(delays).toEqual([1000, 2000, 4000, 60_000, 60_000].map((delayMs) => ({ retry: true, delayMs })));
  });

  it('is the same for the same seed, within the jitter, and never above the ceiling', () => {
    const policies = fc.record({ max: fc.constant(100), backoffMs: fc.nat(100_000), backoffMaxMs: fc.nat(86_400_000) });
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 100 }), fc.integer(), (any, attempt, seed) => {
        const decide = () => retryDecision(any, attempt, failed, new SeededRandom(seed));
        const decision = decide();
        expect(decision).toEqual(decide());
        if (!decision.retry) throw new Error('not retried');
        const plain = Math.min(any.backoffMs * 2 ** (attempt - 1), any.backoffMaxMs);
        expect(decision.delayMs).toBeLessThanOrEqual(any.backoffMaxMs);
        expect(decision.delayMs).toBeGreaterThanOrEqual(Math.floor(plain * (1 - BACKOFF_JITTER)));
        expect(decision.delayMs).toBeLessThanOrEqual(Math.ceil(plain * (1 + BACKOFF_JITTER)));
        expect(Number.isInteger(decision.delayMs)).toBe(true);
      }),
    );
  });

  it('spreads what failed together', () => {
    const random = new SeededRandom(1);
    const delays = Array.from({ length: 100 }, () => retryDecision(policy, 1, failed, random));
    expect(new Set(delays.map((decision) => (decision.retry ? decision.delayMs : 0))).size).toBeGreaterThan(50);
  });
});
