import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BATCH_ITEMS_MAX, batchItemsMax, compareRevisions, nextRevision, prefixEnd, toRevision } from './port.ts';

const revision = fc.bigInt({ min: 0n, max: 2n ** 63n - 2n });
const key = fc.stringMatching(/^[\x20-\x7d]{1,12}$/);

describe('revisions', () => {
  it('are ordered as their numbers are, beyond 2^53 too', () => {
    fc.assert(
      fc.property(revision, revision, (a, b) => {
        expect(Math.sign(compareRevisions(toRevision(a), toRevision(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  it('are followed by exactly one more', () => {
    fc.assert(fc.property(revision, (a) => BigInt(nextRevision(toRevision(a))) === a + 1n));
  });
});

describe('the end of a prefix', () => {
  it('is after every key with the prefix and at or before every greater key without', () => {
    fc.assert(
      fc.property(key, key, (prefix, other) => {
        const end = prefixEnd(prefix);
        expect(prefix + other < end).toBe(true);
        if (other > prefix && !other.startsWith(prefix)) expect(other >= end).toBe(true);
      }),
    );
  });
});

describe('the items of a batch', () => {
  it('are 126 when each has one or two operations, and fewer by outer writes and wider items', () => {
    expect([batchItemsMax(0, 1), batchItemsMax(0, 2)]).toEqual([BATCH_ITEMS_MAX, BATCH_ITEMS_MAX]);
    expect(batchItemsMax(1, 2)).toBe(125);
    expect(batchItemsMax(1, 3)).toBe(124);
  });
});
