import { VirtualClock } from '@boi/core/testing';
import { describe, expect, it } from 'vitest';
import { absent, prefixEnd, type Revision } from '../port.ts';
import { contents, del, grant, put, write } from '../testing/requests.ts';
import { WatchRecorder } from '../testing/watch-recorder.ts';
import { MemoryServer } from './server.ts';

function setUp(latencyMs = 0) {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  return { clock, server, store: server.connect({ latencyMs }) };
}

describe('a memory server', () => {
  it('revokes an expired lease at its next look, every 500 ms; until then its keys are there', async () => {
    const { clock, store } = setUp();
    await clock.advance(100);
    const lease = await grant(store, 2000);
    await write(store, put('/k', 'x', lease));
    await clock.advance(2399);
    expect(await contents(store, '/')).toEqual(['k=x']);
    await clock.advance(1);
    expect(await contents(store, '/')).toEqual([]);
  });

  it('keeps a lease as long as it is kept alive, and each keep-alive counts from its arrival', async () => {
    const { clock, store } = setUp();
    const lease = await grant(store, 3000);
    await write(store, put('/k', 'x', lease));
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(2900);
      expect(await store.keepAlive(lease)).toMatchObject({ outcome: 'alive' });
    }
    await clock.advance(2999);
    expect(await contents(store, '/')).toEqual(['k=x']);
    await clock.advance(501);
    expect(await contents(store, '/')).toEqual([]);
  });

  it('answers a keep-alive of a lease past its time only once it is revoked: expired', async () => {
    const { clock, store } = setUp();
    await clock.advance(100);
    const lease = await grant(store, 2000);
    await clock.advance(2200);
    let answer: unknown;
    store.keepAlive(lease).then((given) => {
      answer = given;
    });
    await clock.advance(100);
    expect(answer).toBeUndefined();
    await clock.advance(200);
    expect(answer).toEqual({ outcome: 'expired' });
  });

  it('leaves no timer behind once its leases have ended', async () => {
    const { clock, store } = setUp();
    await grant(store, 2000);
    await clock.advance(3000);
    expect(clock.pending).toBe(0);
  });

  it('frees what a compaction drops', async () => {
    const { server, store } = setUp();
    for (let i = 0; i < 100; i += 1) await write(store, put('/k', 'v'.repeat(1000)), put(`/gone/${i}`));
    for (let i = 0; i < 100; i += 1) await write(store, del(`/gone/${i}`));
    await store.compact(server.revision);
    expect((await store.status()).dbBytes).toBe('/k'.length + 1000);
  });

  it('handles a request half its latency after the call and answers after the other half', async () => {
    const { clock, server, store } = setUp(10);
    const create = { compares: [absent('/k')], success: [put('/k')] };
    let answeredAt = 0;
    store.txn(create).then(() => {
      answeredAt = clock.mono();
    });
    await clock.advance(4);
    expect(server.get('/k').kv).toBeUndefined();
    await clock.advance(1);
    expect(server.get('/k').kv).toBeDefined();
    await clock.advance(5);
    expect(answeredAt).toBe(10);
  });

  it('a connection closed with a request under way answers unknown, though it was applied', async () => {
    const { clock, server, store } = setUp(10);
    const answer = store.txn({ compares: [], success: [put('/k')] });
    await clock.advance(6);
    await store.close();
    expect(await answer).toMatchObject({ outcome: 'unknown', cause: { code: 'store-unreachable' } });
    expect(server.get('/k').kv).toBeDefined();
  });

  it('tells five hundred watchers of their own prefix only', async () => {
    const { store } = setUp();
    const recorders = Array.from({ length: 500 }, (_, i) => {
      const prefix = `/queue/${String(i).padStart(3, '0')}/`;
      const recorder = new WatchRecorder();
      store.watch({ start: prefix, end: prefixEnd(prefix), fromRevision: '2' as Revision }, recorder);
      return recorder;
    });
    const all = new WatchRecorder();
    store.watch({ start: '/queue/', end: '/queue0', fromRevision: '2' as Revision }, all);
    for (let i = 0; i < 500; i += 1) await write(store, put(`/queue/${String(i).padStart(3, '0')}/tsk`));
    await all.until(({ events }) => events.length === 500);
    expect(recorders.map(({ events }) => events.length)).toEqual(recorders.map(() => 1));
  });
});
