/** Fault 8: passwords are not used; clients are known by their certificates. */
import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EtcdServer, startEtcd } from '../testing/etcd-server.ts';
import { put, write } from '../testing/requests.ts';
import { makeTestCertificates, type TestCertificates } from '../testing/test-certificates.ts';
import { WatchRecorder } from '../testing/watch-recorder.ts';
import { EtcdStore, type EtcdStoreOptions } from './store.ts';

let certificates: TestCertificates;
let etcd: EtcdServer;

beforeAll(async () => {
  certificates = await makeTestCertificates();
  etcd = await startEtcd({ tls: certificates.server });
});

afterAll(async () => {
  await etcd.stop();
  await certificates.remove();
});

const connect = (options: Partial<EtcdStoreOptions>) =>
  new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: new SeededRandom(1), ...options });

describe('fault 8: mutual TLS instead of passwords', () => {
  it('a client with a certificate of the CA writes, reads and watches', async () => {
    const store = connect({ tls: certificates.client });
    const revision = await write(store, put('/k', 'secret'));
    const recorder = new WatchRecorder();
    store.watch({ start: '/k', end: '/l', fromRevision: revision }, recorder);
    await recorder.until(({ events }) => events.length === 1);
    expect((await store.get('/k')).kv?.value.toString()).toBe('secret');
    await store.close();
  });

  it('a client whose certificate another CA signed is refused', async () => {
    const others = await makeTestCertificates();
    const store = connect({ tls: { ...others.client, ca: certificates.client.ca }, deadlineMs: 2000 });
    await expect(store.get('/k')).rejects.toMatchObject({ code: 'store-unreachable' });
    expect(await store.txn({ compares: [], success: [put('/k', 'theirs')] })).toMatchObject({ outcome: 'unknown' });
    await store.close();
    await others.remove();
  });

  it('a server whose certificate another CA signed is not trusted', async () => {
    const others = await makeTestCertificates();
    const store = connect({ tls: { ...certificates.client, ca: others.client.ca }, deadlineMs: 2000 });
    await expect(store.get('/k')).rejects.toMatchObject({ code: 'store-unreachable' });
    await store.close();
    await others.remove();
  });

  it('endpoints and credentials must agree, and be there', () => {
    expect(() => connect({})).toThrow(/must begin with http:/);
    expect(() => connect({ tls: certificates.client, endpoints: ['http://127.0.0.1:1'] })).toThrow(/https:/);
    expect(() => connect({ endpoints: ['127.0.0.1:2379'] })).toThrow(/must begin with/);
    expect(() => connect({ endpoints: [] })).toThrow(/no etcd endpoint/);
  });
});
