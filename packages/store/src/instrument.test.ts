import { VirtualClock } from '@boi/core/testing';
import { describe, expect, it } from 'vitest';
import { CountingStore, type RequestSeen } from './instrument.ts';
import { MemoryServer } from './memory/server.ts';
import { absent, exists, type Revision } from './port.ts';
import { storeConformance } from './testing/conformance.ts';
import { FaultyStore } from './testing/faulty-store.ts';
import { put, read } from './testing/requests.ts';
import { WatchRecorder } from './testing/watch-recorder.ts';

function setUp() {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const faulty = new FaultyStore({ store: server.connect({ latencyMs: 6 }), clock });
  const seen: RequestSeen[] = [];
  const store = new CountingStore({ store: faulty, clock, observer: { onRequest: (request) => seen.push(request) } });
  return { clock, faulty, store, seen };
}

/** Virtual time passes until the call settles. */
async function passing<T>(clock: VirtualClock, call: Promise<T>): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  call.then(done, done);
  await clock.until(() => settled, 60_000);
  return call;
}

describe('a counting store', () => {
  it('counts the writes and reads of the part that ran', async () => {
    const { clock, store } = setUp();
    const batch = {
      compares: [],
      success: [put('/header')],
      items: [
        { compares: [absent('/a')], success: [put('/a'), { op: 'delete', key: '/b' } as const] },
        { compares: [exists('/c')], success: [put('/c')], failure: [read('/c')] },
      ],
    };
    await passing(clock, store.batch(batch));
    expect(store.counts).toMatchObject({ requests: 1, writes: 3, reads: 1, refused: 1 });
    await passing(clock, store.txn({ compares: [absent('/a')], success: [put('/a')], failure: [read('/a')] }));
    await passing(clock, store.get('/a'));
    await passing(clock, store.range({ start: '/', end: '0' }));
    expect(store.counts).toMatchObject({ requests: 4, writes: 3, reads: 4, refused: 2, unknown: 0, failed: 0 });
  });

  it('tells each request with its outcome and its time', async () => {
    const { clock, faulty, store, seen } = setUp();
    await passing(clock, store.txn({ compares: [], success: [put('/a')] }));
    await passing(clock, store.get('/a'));
    faulty.partition();
    await passing(clock, store.txn({ compares: [], success: [put('/a')] }, { deadlineMs: 100 }));
    await expect(passing(clock, store.get('/a', { deadlineMs: 200 }))).rejects.toThrow();
    expect(seen).toEqual([
      { method: 'txn', outcome: 'applied', ms: 6 },
      { method: 'get', outcome: 'ok', ms: 6 },
      { method: 'txn', outcome: 'unknown', ms: 100 },
      { method: 'get', outcome: 'thrown', ms: 200, error: expect.objectContaining({ code: 'store-unreachable' }) },
    ]);
    expect(store.counts).toMatchObject({ requests: 4, writes: 1, reads: 1, unknown: 1, failed: 1 });
  });

  it('counts the events of watches and the watches lost', async () => {
    const { clock, faulty, store } = setUp();
    const recorder = new WatchRecorder();
    store.watch({ start: '/', end: '0', fromRevision: '2' as Revision }, recorder);
    await passing(clock, store.txn({ compares: [], success: [put('/a'), put('/b')] }));
    faulty.loseWatches();
    expect(store.counts).toMatchObject({ watchEvents: 2, watchesLost: 1 });
    expect(recorder.events).toHaveLength(2);
    expect(recorder.lost).toBeDefined();
  });
});

storeConformance('a counting store', async () => {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const connect = () => new CountingStore({ store: server.connect(), clock });
  const store = connect();
  return { store, connect, elapse: (ms) => clock.advance(ms), stop: () => store.close() };
});
