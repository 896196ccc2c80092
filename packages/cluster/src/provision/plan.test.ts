import { describe, expect, test } from 'vitest';
import type { Member } from '../membership/membership-types.ts';
import { nextStep, SETTLE_MS, type Seen } from './plan.ts';

const request = { id: 'prq_1', by: 'nod_1', at: 0, deadlineAt: 1, tasks: 1, tokens: [] } as never;
const member = { id: 'nod_2' } as unknown as Member;
const quiet: Seen = {
  record: undefined,
  waitedMs: undefined,
  restLeftMs: 0,
  forgetLeftMs: 0,
  deadlineLeftMs: 100,
  attempt: undefined,
  againLeftMs: 0,
  joined: undefined,
};
const next = (over: Partial<Seen>) => nextStep({ ...quiet, ...over });
const flying = { record: { failures: 0, request } };
const failed = { record: { failures: 1, request: { ...(request as object), failed: 'deadline' } as never } };
const attempt = (over: object = {}) => ({ call: 'open', removal: 'open', ...over }) as NonNullable<Seen['attempt']>;

describe('without a request', () => {
  test('nothing is done for nobody', () => expect(next({})).toEqual({ do: 'nothing' }));
  test('a node is asked for when tasks have waited a moment', () => {
    expect(next({ waitedMs: 200 })).toEqual({ do: 'nothing', againMs: SETTLE_MS - 200 });
    expect(next({ waitedMs: SETTLE_MS })).toEqual({ do: 'ask' });
  });
  test('none is asked for while it rests', () =>
    expect(next({ waitedMs: 9_000, restLeftMs: 5_000 })).toEqual({ do: 'nothing', againMs: 5_000 }));
  test('failures are forgotten in time when nobody waits', () => {
    const record = { failures: 2 };
    expect(next({ record, forgetLeftMs: 7 })).toEqual({ do: 'nothing', againMs: 7 });
    expect(next({ record })).toEqual({ do: 'forget' });
  });
});

describe('in flight', () => {
  test('who has not called takes it over, then calls', () => {
    expect(next(flying)).toEqual({ do: 'take' });
    expect(next({ ...flying, attempt: attempt() })).toEqual({ do: 'call' });
  });
  test('a call that failed is made again after a while, one that runs or was made is not', () => {
    expect(next({ ...flying, attempt: attempt(), againLeftMs: 9 })).toEqual({ do: 'nothing', againMs: 9 });
    for (const call of ['running', 'begun'])
      expect(next({ ...flying, attempt: attempt({ call }) })).toEqual({ do: 'nothing', againMs: 100 });
  });
  test('it is fulfilled by the node that joins, also after its deadline', () =>
    expect(next({ ...flying, deadlineLeftMs: 0, joined: { member, fits: true } })).toEqual({ do: 'fulfil', member }));
  test('it fails by a node that cannot do the work, by a refusal, and by its deadline', () => {
    const wrong = { joined: { member, fits: false } };
    expect(next({ ...flying, ...wrong })).toEqual({ do: 'fail', why: 'incapable' });
    expect(next({ ...flying, attempt: attempt({ call: 'refused' }) })).toEqual({ do: 'fail', why: 'refused' });
    expect(next({ ...flying, deadlineLeftMs: 0 })).toEqual({ do: 'fail', why: 'deadline' });
  });
});

describe('after a failure', () => {
  test('nothing is asked for before what is left is removed', () => {
    const waitedMs = 60_000;
    expect(next({ ...failed, waitedMs })).toEqual({ do: 'remove' });
    expect(next({ ...failed, waitedMs, attempt: attempt({ removal: 'running' }) })).toEqual({ do: 'nothing' });
    expect(next({ ...failed, waitedMs, attempt: attempt(), againLeftMs: 4 })).toEqual({ do: 'nothing', againMs: 4 });
    expect(next({ ...failed, waitedMs, attempt: attempt({ removal: 'done' }) })).toEqual({ do: 'close' });
  });
  test('and not while the call is still running', () =>
    expect(next({ ...failed, attempt: attempt({ call: 'running' }) })).toEqual({ do: 'nothing' }));
});
