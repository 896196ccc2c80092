/**
 * Requests a second per identity (and per remote address for who has none): a token bucket each. A bucket holds two
 * seconds' worth, so that a page or a script may burst. Buckets that are full again say nothing and are dropped; the number
 * kept is bounded, and beyond it the one used longest ago goes.
 */
import { BoiError, type Clock } from '@boi/core';

const BURST_S = 2;
const BUCKETS_MAX = 10_000;

interface Bucket {
  tokens: number;
  /** Monotonic time up to which it was filled. */
  filledAt: number;
}

export class RateLimiter {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();

  /** `perSecond` 0: no limit. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Counts one request of `who`; throws `rate-limited`, naming the limit, when there were too many. */
  take(who: string): void {
    if (this.#perSecond === 0) return;
    const now = this.#clock.mono();
    const capacity = this.#perSecond * BURST_S;
    const bucket = this.#buckets.get(who) ?? { tokens: capacity, filledAt: now };
    bucket.tokens = Math.min(capacity, bucket.tokens + ((now - bucket.filledAt) / 1000) * this.#perSecond);
    bucket.filledAt = now;
    this.#buckets.delete(who);
    this.#buckets.set(who, bucket);
    if (this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value as string);
    if (bucket.tokens < 1) {
      const retryAfterS = Math.max(1, Math.ceil((1 - bucket.tokens) / this.#perSecond));
      throw new BoiError(
        'rate-limited',
        `More than ${this.#perSecond} requests a second (request-rate of this node); ask again in ${retryAfterS} s.`,
        { retryAfterS, details: { limit: 'request-rate', perSecond: this.#perSecond } },
      );
    }
    bucket.tokens -= 1;
  }
}
