import { IdMinter } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { TokenLeaks } from './token-leaks.ts';

const minter = new IdMinter(new VirtualClock(), new SeededRandom(1));
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Of the right form, signed by nobody. */
function newToken(seed = 1) {
  const id = minter.mint('token');
  const claims = {
    jti: id,
    iat: 1,
    exp: 2,
    ca: 'a'.repeat(64),
    cluster: 'c'.repeat(32),
    boot: ['https://a:1'],
  };
  const signature = Buffer.alloc(64, seed).toString('base64url');
  return { id, token: `${part({ alg: 'ES256', typ: 'boi-join+jwt' })}.${part(claims)}.${signature}`, signature };
}

let told: [string, string][];
let leaks: TokenLeaks;
beforeEach(() => {
  told = [];
  leaks = new TokenLeaks({ suspected: (token, plugin) => told.push([token, plugin]) });
});

describe('what a plugin writes', () => {
  test('is left as it is when there is no token in it, also when something looks like one', () => {
    const other = `${part({ alg: 'HS256' })}.${part({ sub: 'somebody' })}.${'s'.repeat(86)}`;
    for (const text of ['', 'started pid 12', other, 'eyJ'.repeat(2_000), `${'a.'.repeat(4_000)}`])
      expect(leaks.mask('p', text)).toBe(text);
    expect(told).toEqual([]);
  });

  test('is shown without a token, whoever handed that out, and it is told once of each plugin', () => {
    const { id, token } = newToken();
    expect(leaks.mask('p', `--token=${token} --name x`)).toBe('--token=[join token] --name x');
    leaks.mask('p', token);
    leaks.mask('q', token);
    expect(told).toEqual([
      [id, 'p'],
      [id, 'q'],
    ]);
  });

  test('is shown without a token that was handed to a plugin here, also when only its end stands there', () => {
    const { id, token, signature } = newToken();
    leaks.watch(token);
    expect(leaks.mask('p', `x${token}`)).not.toContain(signature);
    expect(leaks.mask('p', `…${signature}zzz`)).toBe('…[join token]zzz');
    expect(told).toEqual([[id, 'p']]);
  });

  test('is looked through once, however long it is', () => {
    // Looked at anew from every place at which a token might begin, this would take hours.
    for (const text of ['eyJ'.repeat(500_000), `eyJ${'a'.repeat(1_000_000)}`, `eyJ${'a'.repeat(30)}.`.repeat(30_000)])
      expect(leaks.mask('p', text)).toBe(text);
  });
});
