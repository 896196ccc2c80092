/** Fault 8: passwords are not used; clients are known by their certificates. */
import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdAdmin } from '../testing/etcd-admin.ts';
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

// Last in this file: from here on the server asks everybody for a role.
describe('a role that allows one prefix', () => {
  it('refuses all else definitely: reads and writes throw, watches are lost with the reason', async () => {
    const admin = etcdAdmin(etcd.endpoint, certificates.client);
    await admin.call('Auth', 'RoleAdd', { name: 'boi' });
    const perm = { permType: 2, key: Buffer.from('/boi/'), range_end: Buffer.from('/boi0') };
    await admin.call('Auth', 'RoleGrantPermission', { name: 'boi', perm });
    for (const [user, role] of [
      ['root', 'root'],
      ['client', 'boi'],
    ] as const) {
      await admin.call('Auth', 'UserAdd', { name: user, password: 'unused' });
      await admin.call('Auth', 'UserGrantRole', { user, role });
    }
    await admin.call('Auth', 'AuthEnable', {});
    admin.close();

    const store = connect({ tls: certificates.client });
    const revision = await write(store, put('/boi/k'));
    expect((await store.get('/boi/k')).kv?.modRevision).toBe(revision);
    const refusal = { code: 'unavailable', message: /permission denied.*certificate/s };
    await expect(write(store, put('/other'))).rejects.toMatchObject(refusal);
    // An outer write: releases before 3.4.42 do not check the nested ones, see decision 011.
    const batch = { compares: [], success: [put('/other')], items: [{ compares: [], success: [put('/boi/a')] }] };
    await expect(store.batch(batch)).rejects.toMatchObject(refusal);
    expect((await store.get('/boi/a')).kv).toBeUndefined();
    await expect(store.range({ start: '/', end: '0' })).rejects.toMatchObject(refusal);
    const recorder = new WatchRecorder();
    store.watch({ start: '/other', end: '/othes', fromRevision: revision }, recorder);
    await recorder.until(({ lost }) => lost !== undefined);
    expect(recorder.lost).toMatchObject({ reason: 'refused', message: /permission denied/ });
    const lease = await store.grantLease(5000);
    expect(lease).toMatchObject({ outcome: 'applied' });
    await store.close();
  });
});
