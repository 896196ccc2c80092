import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimal, int64, protocol } from './protocol.ts';

describe('64-bit numbers on the wire', () => {
  it('of either sign and beyond 2^53 come back digit for digit', () => {
    const { encode } = protocol().leaseKeepAlive;
    const { decode } = protocol().leaseGrant;
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (number) => {
        // A keep-alive's ID and a grant's answered TTL are the int64 fields 1 and 3; the tag is the first byte.
        const bytes = Buffer.from(encode({ ID: int64(String(number)) as string }));
        if (bytes.length > 0) bytes[0] = (3 << 3) | 0;
        expect(decimal(decode(bytes).TTL)).toBe(String(number));
      }),
      { examples: [[2n ** 53n + 1n], [2n ** 63n - 1n], [0n], [-1n], [2n ** 31n], [2n ** 32n]] },
    );
  });
});
