/** First transactions of specs that share a request: each keeps its own compares and its own answer. */
import type { Clock, SpecDefinition } from '@boi/core';
import { absent, type Batch, type Store, type Txn } from '@boi/store';
import { FaultyStore, type StoreCall } from '@boi/store/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  definition,
  depsOf,
  type Fixture,
  fixture,
  StaticMembership,
  testNode,
  testProject,
} from '../testing/fixtures.ts';
import { Dispatcher } from './dispatch.ts';
import { Openings } from './openings.ts';

/** A round trip. */
const TRIP_MS = 10;

let f: Fixture;
let store: FaultyStore;
let calls: StoreCall[];
let stopping: AbortController;
let openings: Openings;
/** Of what sends them. */
let timers: number;

beforeEach(() => {
  f = fixture();
  calls = [];
  store = new FaultyStore({ store: f.store, clock: f.clock });
  follow(() => ({ replyDelayMs: TRIP_MS }));
  stopping = new AbortController();
  timers = 0;
  const clock: Clock = {
    now: () => f.clock.now(),
    mono: () => f.clock.mono(),
    timer: (delayMs, fn) => {
      timers++;
      return f.clock.timer(delayMs, fn);
    },
  };
  openings = new Openings({ ...f.ctx, clock, store }, stopping.signal);
});

afterEach(() => stopping.abort(new Error('the test is over')));

/** Every call is recorded, and fails as `fault` says. */
function follow(fault: (call: StoreCall, nth: number) => ReturnType<NonNullable<FaultyStore['plan']['call']>>): void {
  store.plan = {
    call: (call) => {
      calls.push(call);
      return fault(call, calls.length);
    },
  };
}

const nothing = () => {};
const opens = (key: string, value = key): Txn => ({
  compares: [absent(key)],
  success: [{ op: 'put', key, value }],
  failure: [{ op: 'get', key }],
});
const send = (...keys: string[]) => keys.map((key) => openings.send(opens(key), nothing));

/** How many transactions each request had. */
const sizes = () =>
  calls.map((call) => (call.method === 'batch' ? call.batch.items.length : call.method === 'txn' ? 1 : 0));

const present = async (key: string) => (await f.store.get(key)).kv?.value.toString();

async function settled<T>(promises: readonly Promise<T>[], ms = 60_000): Promise<PromiseSettledResult<T>[]> {
  let done = false;
  const all = Promise.allSettled(promises).finally(() => {
    done = true;
  });
  await f.clock.until(() => done, ms, 'all are answered');
  return all;
}

const values = async <T>(promises: readonly Promise<T>[]) =>
  (await settled(promises)).map((result) => (result.status === 'fulfilled' ? result.value : result.reason));

describe('openings of specs', () => {
  test('one without company is sent at once, as the transaction that it is', async () => {
    const startedMono = f.clock.mono();
    const [only] = await values(send('/a'));
    expect(only).toMatchObject({ outcome: 'applied', resent: false });
    expect(calls.map(({ method }) => method)).toEqual(['txn']);
    expect(f.clock.mono() - startedMono).toBe(TRIP_MS);
  });

  test('those that come while one is under way go together with the next', async () => {
    const answers = await values(send('/a', '/b', '/c', '/d'));
    expect(sizes()).toEqual([1, 3]);
    expect(answers).toMatchObject(Array(4).fill({ outcome: 'applied', resent: false }));
    const revisions = answers.map((answer) => ('revision' in answer ? answer.revision : undefined));
    for (const [i, key] of ['/a', '/b', '/c', '/d'].entries()) {
      expect((await f.store.get(key)).kv?.modRevision).toBe(revisions[i]);
    }
  });

  test('clients that come again as soon as they are answered stay together, and one that is alone never waits', async () => {
    const client = async (name: string) => {
      for (let n = 0; n < 10; n++) await openings.send(opens(`/${name}/${n}`), nothing);
    };
    await settled(['a', 'b', 'c', 'd', 'e'].map(client));
    expect(sizes()).toEqual([1, ...Array(9).fill(5), 4]);
    await f.clock.advance(1_000);
    timers = 0;
    const startedMono = f.clock.mono();
    await settled([client('lone')]);
    expect(f.clock.mono() - startedMono).toBe(10 * TRIP_MS);
    expect(timers).toBe(0);
  });

  test('one that is refused refuses none of the others, and is told why', async () => {
    await f.store.txn({ compares: [], success: [{ op: 'put', key: '/c', value: 'theirs' }] });
    const answers = await values(send('/a', '/b', '/c', '/d'));
    expect(sizes()).toEqual([1, 3]);
    expect(answers).toMatchObject([
      { outcome: 'applied' },
      { outcome: 'applied' },
      { outcome: 'refused', resent: false, answers: [{ op: 'get', kv: { key: '/c' } }] },
      { outcome: 'applied' },
    ]);
    expect(await present('/c')).toBe('theirs');
  });

  test('a request whose answer is lost is sent again as it was, and each finds its own', async () => {
    follow(({ method }, nth) => (nth === 2 && method === 'batch' ? { dropReply: true } : { replyDelayMs: TRIP_MS }));
    const answers = await values(send('/a', '/b', '/c'));
    expect(sizes()).toEqual([1, 2, 2]);
    const [, first, second] = calls as (StoreCall & { batch: Batch })[];
    expect(second?.batch).toEqual(first?.batch);
    const found = (key: string) => ({ outcome: 'refused', resent: true, answers: [{ kv: { key } }] });
    expect(answers).toMatchObject([{ outcome: 'applied' }, found('/b'), found('/c')]);
  });

  test('a request that is silent keeps the others waiting for a tenth of a second only', async () => {
    follow((_, nth) => (nth === 1 ? { dropReply: true } : { replyDelayMs: TRIP_MS }));
    const startedMono = f.clock.mono();
    const [first, ...others] = send('/a', '/b', '/c');
    expect(await values(others)).toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
    expect(f.clock.mono() - startedMono).toBe(100 + TRIP_MS);
    const [lost] = await values([first as Promise<unknown>]);
    expect(lost).toMatchObject({ outcome: 'refused', resent: true });
  });

  test('what the store takes for no request is told of the one that is none', async () => {
    const wrong: Txn = { compares: [], success: [{ op: 'put', key: 'schön', value: '' }] };
    const sent = [...send('/a', '/b'), openings.send(wrong, nothing), ...send('/c')];
    const [, b, failed, c] = await values(sent);
    expect(failed).toMatchObject({ code: 'bad-request' });
    expect([b, c]).toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
  });

  test('two that write the same key never share a request', async () => {
    const answers = await values(send('/a', '/same', '/same', '/same', '/b'));
    expect(sizes()).toEqual([1, 2, 1, 1]);
    expect(answers.map((answer) => ('outcome' in answer ? answer.outcome : answer))).toEqual([
      'applied',
      'applied',
      'refused',
      'refused',
      'applied',
    ]);
  });

  test('a large one goes by itself and waits for nobody', async () => {
    const large: Txn = {
      compares: [],
      success: Array.from({ length: 100 }, (_, i) => ({ op: 'put' as const, key: `/large/${i}`, value: '' })),
    };
    const startedMono = f.clock.mono();
    const answers = await values([...send('/a'), openings.send(large, nothing)]);
    expect(answers).toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
    expect(f.clock.mono() - startedMono).toBe(TRIP_MS);
    expect(sizes()).toEqual([1, 1]);
  });

  test('more than fit go with the request after', async () => {
    const keys = Array.from({ length: 300 }, (_, i) => `/${i}`);
    const answers = await values(send(...keys));
    expect(answers.every((answer) => 'outcome' in answer && answer.outcome === 'applied')).toBe(true);
    expect(sizes()).toEqual([1, 112, 112, 75]);
  });

  test('one that nobody waits for any more when its turn comes is not sent', async () => {
    const gone = openings.send(opens('/a'), nothing);
    const refused = openings.send(opens('/b'), () => {
      throw new Error('too late');
    });
    const [, b, c] = await values([gone, refused, ...send('/c')]);
    expect(b).toMatchObject({ message: 'too late' });
    expect(c).toMatchObject({ outcome: 'applied' });
    expect(await present('/b')).toBeUndefined();
  });

  test('after a stop nothing that waits is sent, and all are told', async () => {
    const sent = send('/a', '/b', '/c');
    const answers = settled(sent);
    stopping.abort(new Error('stopped'));
    // The one under way has been sent, and is answered.
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(openings.send(opens('/d'), nothing)).rejects.toThrow('stopped');
    expect(sizes()).toEqual([1]);
  });
});

describe('specs that are dispatched at the same time', () => {
  const spec: SpecDefinition = { failurePolicy: 'continue', tasks: [definition()] };

  async function dispatcher(through: Store = store): Promise<Dispatcher> {
    const membership = await StaticMembership.create(f);
    const member = await membership.join(testNode(1), { slots: 1000 });
    const deps = depsOf(f, membership, member);
    return new Dispatcher({ ...deps, ctx: { ...deps.ctx, store: through } });
  }

  const accepted = async () => {
    const { kvs } = await f.store.range(f.keys.allSpecs());
    return kvs.map(({ key }) => key.split('/').at(-1)).sort();
  };

  test('are all accepted with two requests, each under its own id', async () => {
    const dispatching = await dispatcher();
    const request = (n: number) => ({ project: testProject, spec, digest: `d${n}`, idempotencyKey: `k${n}` });
    const answers = await values(Array.from({ length: 8 }, (_, n) => dispatching.accept(request(n))));
    expect(new Set(answers.map((answer) => ('id' in answer ? answer.id : undefined))).size).toBe(8);
    expect(sizes()).toEqual([1, 7]);
    await dispatching.stop();
  });

  test('under one idempotency key are one spec, and one with another content is refused', async () => {
    const dispatching = await dispatcher();
    const request = (digest: string) => ({ project: testProject, spec, digest, idempotencyKey: 'once' });
    const sent = ['same', 'same', 'other', 'same'].map((digest) => dispatching.accept(request(digest)));
    const [first, again, other, third] = await values(sent);
    expect(first).toMatchObject({ existing: false });
    const id = 'id' in (first as object) ? (first as { id: string }).id : undefined;
    expect([again, third]).toMatchObject([
      { existing: true, id },
      { existing: true, id },
    ]);
    expect(other).toMatchObject({ code: 'idempotency-conflict' });
    await dispatching.stop();
  });

  test('are accepted once each although every first answer is lost', async () => {
    const dispatching = await dispatcher();
    const seen = new Set<string>();
    follow((call) => {
      const text = JSON.stringify(call);
      if (call.method !== 'batch' && call.method !== 'txn') return undefined;
      if (seen.has(text)) return { replyDelayMs: TRIP_MS };
      seen.add(text);
      return { dropReply: true };
    });
    const sent = Array.from({ length: 6 }, (_, n) =>
      dispatching.accept({ project: testProject, spec, digest: `d${n}` }),
    );
    const ids = (await values(sent)).map((answer) => ('id' in answer ? answer.id : answer));
    expect(await accepted()).toEqual([...ids].sort());
    await dispatching.stop();
  });

  test('are accepted once each although a request fails that was applied', async () => {
    const failing = new Proxy<Store>(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
        if (name !== 'batch') return call;
        return async (...args: unknown[]) => {
          await call(...args);
          throw new Error('the answer cannot be read');
        };
      },
    });
    const dispatching = await dispatcher(failing);
    const sent = Array.from({ length: 4 }, (_, n) =>
      dispatching.accept({ project: testProject, spec, digest: `d${n}` }),
    );
    const ids = (await values(sent)).map((answer) => ('id' in answer ? answer.id : answer));
    expect(await accepted()).toEqual([...ids].sort());
    await dispatching.stop();
  });
});
