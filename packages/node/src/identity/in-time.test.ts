import { VirtualClock } from '@boi/core/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import type { IdentityDesk } from './desk.ts';
import { inTime } from './in-time.ts';

let clock: VirtualClock;
let away: number | undefined;
let rejections: string[];
let sent: string[];
let desk: IdentityDesk;

beforeEach(() => {
  clock = new VirtualClock();
  away = undefined;
  rejections = [];
  sent = [];
  /** A desk whose store never answers. */
  const silent = new Proxy({} as IdentityDesk, {
    get: (_, name: string) => () => {
      sent.push(name);
      return new Promise(() => undefined);
    },
  });
  desk = desked(silent);
});

const desked = (of: IdentityDesk) =>
  inTime(of, { awayMs: async () => away, clock, onRejected: (code) => rejections.push(code) });

/** Its code, once it is refused. */
async function refusal(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    () => 'answered',
    (error: { code: string }) => error.code,
  );
}

describe('with the store known to be away', () => {
  test.each(['ca', 'users', 'createToken', 'join'] as const)(
    '%s is refused at once, and nothing is sent',
    async (what) => {
      away = 9_000;
      expect(await refusal((desk[what] as () => Promise<unknown>)())).toBe('store-unreachable');
      expect([sent, rejections]).toEqual([[], ['store-unreachable']]);
    },
  );
});

describe('when the store falls silent', () => {
  test.each([
    ['users', 'store-unreachable'],
    ['audit', 'store-unreachable'],
    ['createToken', 'outcome-unknown'],
    ['grantAdmin', 'outcome-unknown'],
  ] as const)('%s is answered %s in less than three seconds', async (what, code) => {
    const answer = refusal((desk[what] as () => Promise<unknown>)());
    await clock.advance(2_000);
    away = 1_500;
    expect(rejections).toEqual([]);
    await clock.advance(900);
    expect(await answer).toBe(code);
    expect([sent, rejections]).toEqual([[what], [code]]);
  });

  test('a slow answer of a store that is there is waited for', async () => {
    let answer: (tokens: unknown) => void = () => undefined;
    const slow = desked({ tokens: () => new Promise((resolve) => (answer = resolve)) } as unknown as IdentityDesk);
    const asked = slow.tokens();
    await clock.advance(20_000);
    answer({ items: [] });
    expect(await asked).toEqual({ items: [] });
    away = 9_000;
    await clock.advance(1_000);
    expect(rejections).toEqual([]);
  });
});
