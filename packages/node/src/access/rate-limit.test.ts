import { BoiError } from '@boi/core';
import { VirtualClock } from '@boi/core/testing';
import { expect, test } from 'vitest';
import { RateLimiter } from './rate-limit.ts';

/** How many of `tries` requests are let through now. */
function passing(limiter: RateLimiter, who: string, tries: number): number {
  let passed = 0;
  for (let i = 0; i < tries; i++) {
    try {
      limiter.take(who);
      passed += 1;
    } catch (error) {
      expect((error as BoiError).code).toBe('rate-limited');
    }
  }
  return passed;
}

test('two seconds worth at once, then as many a second as the limit says, for each identity by itself', async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter(clock, 10);
  expect(passing(limiter, 'a', 100)).toBe(20);
  expect(passing(limiter, 'b', 100)).toBe(20);
  await clock.advance(1_000);
  expect(passing(limiter, 'a', 100)).toBe(10);
  await clock.advance(3_600_000);
  expect(passing(limiter, 'a', 100)).toBe(20);
});

test('the refusal names the limit and when to ask again', () => {
  const limiter = new RateLimiter(new VirtualClock(), 1);
  limiter.take('a');
  limiter.take('a');
  let refused: unknown;
  try {
    limiter.take('a');
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(BoiError);
  expect(refused).toMatchObject({
    code: 'rate-limited',
    retryAfterS: 1,
    details: { limit: 'request-rate', perSecond: 1 },
  });
});

test('0 is no limit', () => {
  const limiter = new RateLimiter(new VirtualClock(), 0);
  expect(passing(limiter, 'a', 100_000)).toBe(100_000);
});

test('what is kept is bounded: an identity that was pushed out begins anew, one in use does not', () => {
  const limiter = new RateLimiter(new VirtualClock(), 1);
  expect(passing(limiter, 'first', 5)).toBe(2);
  expect(passing(limiter, 'busy', 5)).toBe(2);
  for (let i = 0; i < 9_999; i++) {
    limiter.take(`other ${i}`);
    expect(passing(limiter, 'busy', 1)).toBe(0);
  }
  expect(passing(limiter, 'first', 5)).toBe(2);
});
