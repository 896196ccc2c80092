import { createHash } from 'node:crypto';
import { IdMinter } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mintUserSecret, readUserSecret, userSecretMatches } from './user-secret.ts';

const random = new SeededRandom(1);
const user = new IdMinter(new VirtualClock(), random).mint('user');

describe('a user secret', () => {
  const { secret, hash } = mintUserSecret(user, random);

  test('names its user and has 256 random bits; what is stored is their SHA-256', () => {
    expect(secret).toMatch(new RegExp(`^boi_${user}_[A-Za-z0-9_-]{43}$`));
    const bytes = Buffer.from(secret.slice(-43), 'base64url');
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash);
    expect(secret).not.toContain(hash);
    expect(readUserSecret(secret)).toEqual({ user, hash });
  });

  test('matches its own hash, no other, and nobody’s', () => {
    const other = mintUserSecret(user, random);
    expect(userSecretMatches(hash, hash)).toBe(true);
    expect(userSecretMatches(hash, other.hash)).toBe(false);
    expect(userSecretMatches(undefined, hash)).toBe(false);
    // Nor can one be made that matches what nobody has.
    expect(userSecretMatches(undefined, '0'.repeat(64))).toBe(false);
    expect(userSecretMatches('', hash)).toBe(false);
  });

  test('has one spelling', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = secret.at(-1) as string;
    const stray = secret.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    for (const text of [stray, `${secret}\n`, ` ${secret}`, `${secret}=`, secret.toUpperCase(), secret.slice(4)]) {
      expect(readUserSecret(text)).toBeUndefined();
    }
    expect(readUserSecret(secret.replace('usr_', 'nod_'))).toBeUndefined();
  });

  test('any other text is none, or reads as what it is', () => {
    const near = fc.tuple(fc.nat({ max: secret.length - 1 }), fc.constantFrom(...'aZ0_- é')).map(([at, c]) => {
      return secret.slice(0, at) + c + secret.slice(at + 1);
    });
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 120 }), near), (text) => {
        const read = readUserSecret(text);
        if (read === undefined || text === secret) return;
        expect(text.startsWith(`boi_${read.user}_`)).toBe(true);
        expect(userSecretMatches(hash, read.hash) && read.user === user).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
