/**
 * The etcd3 client itself as the oracle: what our adapter does through etcd3's protocol must look to etcd3's own client as
 * if it had done it, and the other way round. Why that client does not serve in production: docs/decisions/010, 011.
 */
import { Etcd3, type IOptions } from 'etcd3';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { absent, type KeyValue, prefixEnd, unchanged } from '../port.ts';
import { type EtcdRig, etcdRig } from '../testing/etcd-rig.ts';

let rig: EtcdRig;
let oracle: Etcd3;

beforeAll(async () => {
  rig = await etcdRig();
  oracle = new Etcd3({ hosts: rig.etcd.endpoint } satisfies IOptions);
});
afterAll(async () => {
  oracle.close();
  await rig.stop();
});

const leases: { revoke(): Promise<void> }[] = [];
afterEach(async () => {
  for (const lease of leases.splice(0)) await lease.revoke();
});

async function ours(key: string): Promise<KeyValue | undefined> {
  return (await rig.direct.get(key)).kv;
}

test('what we put, alone, in a transaction and in a batch, the client reads with the same revisions', async () => {
  const at = rig.prefix();
  const batch = await rig.direct.batch({
    compares: [],
    items: [1, 2, 3].map((n) => ({
      compares: [absent(`${at}${n}`)],
      success: [{ op: 'put' as const, key: `${at}${n}`, value: Buffer.from([0, n, 255]) }],
    })),
  });
  expect(batch.outcome).toBe('applied');
  const { kvs } = await oracle.getAll().prefix(at).exec();
  expect(kvs.map((kv) => [kv.key.toString(), [...kv.value], kv.mod_revision])).toEqual(
    [1, 2, 3].map((n) => [`${at}${n}`, [0, n, 255], batch.outcome === 'applied' && batch.revision]),
  );
});

test('what the client puts we read with the same revisions, value and lease', async () => {
  const at = rig.prefix();
  const lease = oracle.lease(60, { autoKeepAlive: false });
  leases.push(lease);
  await lease.put(`${at}leased`).value('héllo');
  const { kvs } = await oracle.getAll().prefix(at).exec();
  const [theirs] = kvs;
  const kv = await ours(`${at}leased`);
  expect(kv?.value.toString()).toBe('héllo');
  expect([kv?.createRevision, kv?.modRevision, kv?.lease]).toEqual([
    theirs?.create_revision,
    theirs?.mod_revision,
    await lease.grant(),
  ]);
});

test('a compare-and-swap of either is refused after one of the other', async () => {
  const key = `${rig.prefix()}swap`;
  const first = await rig.direct.txn({ compares: [absent(key)], success: [{ op: 'put', key, value: 'ours' }] });
  const refused = await oracle.if(key, 'Create', '==', 0).then(oracle.put(key).value('theirs')).commit();
  expect([first.outcome, refused.succeeded]).toEqual(['applied', false]);

  const read = await ours(key);
  await oracle.put(key).value('theirs').exec();
  const late = await rig.direct.txn({
    compares: [unchanged(key, read?.modRevision ?? ('0' as never))],
    success: [{ op: 'put', key, value: 'late' }],
  });
  expect(late.outcome).toBe('refused');
  expect((await ours(key))?.value.toString()).toBe('theirs');
});

test('a lease we grant is one to the client, and revoked by either it takes its keys along', async () => {
  const key = `${rig.prefix()}leased`;
  const grant = await rig.direct.grantLease(60_000);
  if (grant.outcome !== 'applied') throw grant.cause;
  await rig.direct.txn({ compares: [], success: [{ op: 'put', key, value: 'x', lease: grant.lease }] });
  const known = await oracle.leaseClient.leaseTimeToLive({ ID: grant.lease, keys: true });
  expect(known.keys.map(String)).toEqual([key]);
  await oracle.leaseClient.leaseRevoke({ ID: grant.lease });
  expect(await ours(key)).toBeUndefined();
  expect((await rig.direct.keepAlive(grant.lease)).outcome).toBe('expired');
});

test('a range of ours and one of the client have the same keys in the same order', async () => {
  const at = rig.prefix();
  for (const key of ['b', 'a/2', 'a/10', 'a0', 'a']) await oracle.put(`${at}${key}`).value('');
  const theirs = await oracle.getAll().prefix(at).keys();
  const { kvs } = await rig.direct.range({ start: at, end: prefixEnd(at) });
  expect(kvs.map((kv) => kv.key)).toEqual([...theirs].sort());
  expect(kvs).toHaveLength(5);
});
