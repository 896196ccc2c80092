import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../memory/server.ts';
import { absent, nextRevision, prefixEnd, type Revision } from '../port.ts';
import { storeConformance } from './conformance.ts';
import { type CallFault, FaultyStore } from './faulty-store.ts';
import { contents, put, write } from './requests.ts';
import { WatchRecorder } from './watch-recorder.ts';

function setUp(fault?: CallFault) {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const observer = server.connect();
  const store = new FaultyStore({ store: server.connect(), clock, plan: { call: () => fault } });
  return { clock, server, observer, store };
}

/** Lets the virtual time pass, and answers what the call settled with and when. */
async function settled<T>(clock: VirtualClock, call: Promise<T>): Promise<{ answer: T; atMs: number }> {
  let result: { answer: T; atMs: number } | undefined;
  call.then((answer) => {
    result = { answer, atMs: clock.mono() };
  });
  await clock.until(() => result !== undefined, 60_000, 'the call');
  return result as { answer: T; atMs: number };
}

const create = { compares: [absent('/k')], success: [put('/k')] };

describe('a faulty store', () => {
  it('loses a request: unknown at the deadline, and nothing happened', async () => {
    const { clock, observer, store } = setUp({ dropRequest: true });
    const { answer, atMs } = await settled(clock, store.txn(create, { deadlineMs: 700 }));
    expect(answer).toMatchObject({ outcome: 'unknown', cause: { code: 'outcome-unknown' } });
    expect(atMs).toBe(700);
    expect(await contents(observer, '/')).toEqual([]);
  });

  it('loses a reply: unknown at the deadline, though it happened, and the same again is refused', async () => {
    const { clock, observer, store } = setUp({ dropReply: true });
    expect(await settled(clock, store.txn(create))).toMatchObject({ answer: { outcome: 'unknown' }, atMs: 5000 });
    expect(await contents(observer, '/')).toEqual(['k=x']);
    store.plan = {};
    expect(await store.txn(create)).toMatchObject({ outcome: 'refused' });
  });

  it('delays a request beyond the deadline: applied after the caller gave up', async () => {
    const { clock, observer, store } = setUp({ requestDelayMs: 2000 });
    const { atMs, answer } = await settled(clock, store.txn(create, { deadlineMs: 1000 }));
    expect({ atMs, outcome: answer.outcome }).toEqual({ atMs: 1000, outcome: 'unknown' });
    expect(await contents(observer, '/')).toEqual([]);
    await clock.advance(1000);
    expect(await contents(observer, '/')).toEqual(['k=x']);
  });

  it('applies what was under way when its process crashed; what had not left yet never arrives', async () => {
    for (const underWay of [true, false]) {
      const { clock, observer, store } = setUp({ requestDelayMs: 300, underWay });
      void store.txn(create);
      store.crash();
      await clock.advance(1000);
      expect(await contents(observer, '/')).toEqual(underWay ? ['k=x'] : []);
    }
  });

  it('delays both legs within the deadline: answered when both have passed', async () => {
    const { clock, store } = setUp({ requestDelayMs: 30, replyDelayMs: 40 });
    expect(await settled(clock, store.txn(create))).toMatchObject({ answer: { outcome: 'applied' }, atMs: 70 });
  });

  it('repeats a request: handled twice, answered once', async () => {
    const { clock, observer, store } = setUp({ repeatAfterMs: 100 });
    const revision = await write(store, put('/k', '1'));
    await clock.advance(100);
    expect((await observer.get('/k')).kv?.modRevision).toBe(nextRevision(revision));
  });

  it('parted: reads throw and writes are unknown at the deadline; healed, it works again', async () => {
    const { clock, store } = setUp();
    store.partition();
    const reading = store.get('/k', { deadlineMs: 300 }).catch((error: unknown) => error);
    expect(await settled(clock, reading)).toMatchObject({ answer: { code: 'store-unreachable' }, atMs: 300 });
    expect(await settled(clock, store.txn(create))).toMatchObject({ answer: { outcome: 'unknown' } });
    store.heal();
    expect(await store.txn(create)).toMatchObject({ outcome: 'applied' });
  });

  it('parted by refusal: every call fails at once', async () => {
    const { store } = setUp();
    store.partition('refusing');
    expect(await store.txn(create)).toMatchObject({ outcome: 'unknown' });
    await expect(store.status()).rejects.toMatchObject({ code: 'store-unreachable' });
  });

  it('a watch resumes after a partition without a gap or a repeat', async () => {
    const { observer, store } = setUp();
    const start = await write(observer, put('/w/0'));
    const recorder = new WatchRecorder();
    store.watch({ start: '/w/', end: prefixEnd('/w/'), fromRevision: start }, recorder);
    await recorder.until(({ events }) => events.length === 1);
    store.partition();
    await write(observer, put('/w/1'));
    await write(observer, put('/w/2'));
    expect(recorder.events).toHaveLength(1);
    store.heal();
    await recorder.until(({ events }) => events.length === 3);
    expect(recorder.lines()).toEqual(['put /w/0=x', 'put /w/1=x', 'put /w/2=x']);
  });

  it('a watch whose next revision was compacted away during a partition is lost', async () => {
    const { observer, store } = setUp();
    const recorder = new WatchRecorder();
    store.watch({ start: '/w/', end: prefixEnd('/w/'), fromRevision: '2' as Revision }, recorder);
    store.partition();
    await observer.compact(await write(observer, put('/w/1')));
    store.heal();
    await recorder.until(({ lost }) => lost !== undefined);
    expect(recorder.lost?.reason).toBe('compacted');
  });

  it('delayed deliveries keep their order', async () => {
    const { clock, observer, store } = setUp();
    const random = new SeededRandom(1);
    store.plan = { delivery: () => ({ delayMs: random.int(500) }) };
    const recorder = new WatchRecorder();
    store.watch({ start: '/w/', end: prefixEnd('/w/'), fromRevision: '2' as Revision }, recorder);
    for (let i = 0; i < 20; i += 1) await write(observer, put('/w/k', String(i)));
    expect(recorder.events).toHaveLength(0);
    await clock.advance(500);
    expect(recorder.lines()).toEqual(Array.from({ length: 20 }, (_, i) => `put /w/k=${i}`));
  });

  it('a delivery that is due but whose timer has not fired yet still comes before a later one', async () => {
    const { clock, observer, store } = setUp();
    const recorder = new WatchRecorder();
    let delayMs = 100;
    store.plan = { delivery: () => ({ delayMs }) };
    store.watch({ start: '/w/', end: prefixEnd('/w/'), fromRevision: '2' as Revision }, recorder);
    // Made before the delivery's own timer, so at the same moment this one fires first.
    clock.timer(100, () => {
      delayMs = 0;
      void write(observer, put('/w/k', 'second'));
    });
    await write(observer, put('/w/k', 'first'));
    await clock.advance(200);
    expect(recorder.lines()).toEqual(['put /w/k=first', 'put /w/k=second']);
  });

  it('a watch ended by the plan or on demand says so once and then nothing', async () => {
    const { observer, store } = setUp();
    store.plan = { delivery: ({ start }) => (start === '/a/' ? { lose: true } : undefined) };
    const [a, b] = [new WatchRecorder(), new WatchRecorder()];
    store.watch({ start: '/a/', end: '/a0', fromRevision: '2' as Revision }, a);
    store.watch({ start: '/b/', end: '/b0', fromRevision: '2' as Revision }, b);
    await write(observer, put('/a/1'), put('/b/1'));
    await b.until(({ events }) => events.length === 1);
    expect(a).toMatchObject({ lost: { reason: 'compacted' }, events: [] });
    store.loseWatches();
    expect(b.lost).toBeDefined();
    await write(observer, put('/b/2'));
    expect(b.events).toHaveLength(1);
  });

  it('crashed: what was asked is never answered, and no watch speaks again', async () => {
    const { clock, observer, store } = setUp({ replyDelayMs: 10 });
    const recorder = new WatchRecorder();
    store.watch({ start: '/k', end: '/l', fromRevision: '2' as Revision }, recorder);
    let answered = 0;
    const count = () => {
      answered += 1;
    };
    store.txn(create).then(count, count);
    store.crash();
    store.get('/k').then(count, count);
    await clock.advance(60_000);
    expect(answered).toBe(0);
    expect(recorder.calls).toEqual([]);
    expect(await contents(observer, '/')).toEqual(['k=x']);
  });
});

storeConformance('a faulty store without faults', async () => {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const connect = () => new FaultyStore({ store: server.connect(), clock });
  const store = connect();
  return { store, connect, elapse: (ms) => clock.advance(ms), stop: () => store.close() };
});
