/** Three members: what the loss of one costs, and of the majority. */
import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { afterEach, describe, expect, it } from 'vitest';
import { absent, prefixEnd, type Revision, type Txn } from '../port.ts';
import { metric } from '../testing/etcd-rig.ts';
import { type EtcdCluster, type EtcdServer, startEtcdCluster } from '../testing/etcd-server.ts';
import { put } from '../testing/requests.ts';
import { WatchRecorder } from '../testing/watch-recorder.ts';
import { EtcdStore } from './store.ts';

let cluster: EtcdCluster;
const stores: EtcdStore[] = [];

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await cluster.stop();
});

function connect(endpoints: readonly string[], seed = 1): EtcdStore {
  const store = new EtcdStore({ endpoints, clock: systemClock, random: new SeededRandom(seed), deadlineMs: 2000 });
  stores.push(store);
  return store;
}

async function leader(): Promise<EtcdServer> {
  for (const server of cluster.servers) {
    if ((await metric(server.endpoint, 'etcd_server_is_leader ')) === 1) return server;
  }
  throw new Error('no member leads');
}

/** Sends the same transaction until its outcome is known. */
async function settle(store: EtcdStore, txn: Txn): Promise<'applied' | 'refused'> {
  for (;;) {
    const answer = await store.txn(txn);
    if (answer.outcome !== 'unknown') return answer.outcome;
  }
}

describe('a cluster of three', () => {
  it('loses and repeats no write and no event when its leader is killed', async () => {
    cluster = await startEtcdCluster(3);
    const store = connect(cluster.endpoints);
    const watcher = connect(cluster.endpoints, 2);
    const recorder = new WatchRecorder();
    watcher.watch({ start: '/w/', end: prefixEnd('/w/'), fromRevision: '2' as Revision }, recorder);
    const keys = Array.from({ length: 200 }, (_, i) => `/w/${String(i).padStart(3, '0')}`);
    for (const [i, key] of keys.entries()) {
      if (i === 100) await (await leader()).kill();
      await settle(store, { compares: [absent(key)], success: [put(key)] });
    }
    await recorder.until(({ events }) => events.length >= keys.length);
    expect(recorder.events.map((event) => event.type === 'put' && event.kv.key)).toEqual(keys);
    expect(recorder.lost).toBeUndefined();
  });

  it('goes on by another member when the one in use stops answering', async () => {
    cluster = await startEtcdCluster(3);
    const store = connect(cluster.endpoints, 3);
    const lease = await store.grantLease(60_000);
    if (lease.outcome === 'unknown') throw lease.cause;
    const recorder = new WatchRecorder();
    store.watch({ start: '/w/', end: prefixEnd('/w/'), fromRevision: '2' as Revision }, recorder);
    expect(await settle(store, { compares: [], success: [put('/w/before')] })).toBe('applied');
    await recorder.until(({ events }) => events.length === 1);
    const used = cluster.endpoints[Math.floor(new SeededRandom(3).next() * 3)];
    cluster.servers.find(({ endpoint }) => endpoint === used)?.pause();
    expect(await settle(store, { compares: [absent('/w/after')], success: [put('/w/after')] })).toBeDefined();
    expect(await store.keepAlive(lease.lease)).toMatchObject({ outcome: 'alive' });
    await recorder.until(({ events }) => events.length === 2);
    expect(recorder.lines()).toEqual(['put /w/before=x', 'put /w/after=x']);
  });

  it('says so when it has lost its majority, and resumes when it has it back', async () => {
    cluster = await startEtcdCluster(3);
    const [first, second, third] = cluster.servers as [EtcdServer, EtcdServer, EtcdServer];
    const store = connect([first.endpoint]);
    const recorder = new WatchRecorder();
    store.watch({ start: '/w/', end: prefixEnd('/w/'), fromRevision: '2' as Revision }, recorder);
    await settle(store, { compares: [], success: [put('/w/before')] });
    second.pause();
    third.pause();
    expect(await store.txn({ compares: [], success: [put('/w/minority')] })).toMatchObject({ outcome: 'unknown' });
    await expect(store.get('/w/before')).rejects.toMatchObject({ code: 'store-unreachable' });
    second.resume();
    third.resume();
    await settle(store, { compares: [absent('/w/after')], success: [put('/w/after')] });
    await recorder.until(({ events }) => events.some((event) => event.type === 'put' && event.kv.key === '/w/after'));
    expect(recorder.lines()[0]).toBe('put /w/before=x');
    expect(new Set(recorder.lines()).size).toBe(recorder.lines().length);
  });
});
