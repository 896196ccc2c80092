/** The races of identity on a real etcd, many at once: what the memory store shows one at a time must hold there, too. */
import type { NodeId } from '@boi/core';
import { EtcdStore } from '@boi/store';
import { type EtcdServer, startEtcd } from '@boi/store/testing';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NO_METRICS } from '../metrics.ts';
import { silentLogger, testNode } from '../testing/fixtures.ts';
import { founding, keyOf, ROOT, testCa, testCertificate, testToken } from '../testing/identity-rig.ts';
import { ClusterIdentity } from './cluster-identity.ts';

let etcd: EtcdServer;
const stores: EtcdStore[] = [];

beforeEach(async () => {
  etcd = await startEtcd();
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await etcd.stop();
});

/** Over a connection of its own, as on another host. */
function from(node: NodeId): ClusterIdentity {
  const store = new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom });
  stores.push(store);
  const over = { clock: systemClock, random: systemRandom, log: silentLogger, metrics: NO_METRICS };
  return new ClusterIdentity({ ...over, store, self: node });
}

async function founded(): Promise<ClusterIdentity> {
  const identity = from(testNode(1));
  await identity.found(founding());
  return identity;
}

const joining = (token: number, key: number, ca = 1) => ({
  token: { id: testToken(token), expiresAt: systemClock.now() + 300_000, bind: {} },
  keyFingerprint: keyOf(key),
  issue: async () => testCertificate(key, ca),
});

/** The results of all, and the codes of the refused. */
async function outcomes<T>(work: readonly Promise<T>[]): Promise<{ values: T[]; codes: string[] }> {
  const settled = await Promise.allSettled(work);
  return {
    values: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    codes: settled.flatMap((one) =>
      one.status === 'rejected' ? [String((one.reason as { code?: string }).code)] : [],
    ),
  };
}

test('of eight founders at once one founds the cluster', async () => {
  const work = Array.from({ length: 8 }, (_, n) => from(testNode(n + 1)).found(founding(n + 1, String(n).repeat(32))));
  const { values, codes } = await outcomes(work);
  expect(values).toHaveLength(1);
  expect(codes).toEqual(Array.from({ length: 7 }, () => 'already-initialised'));
});

test('of twelve hosts with one token one is admitted; each that asks again is told the same as before', async () => {
  await founded();
  const signers = [from(testNode(1)), from(testNode(1)), from(testNode(1))];
  const join = (n: number) => (signers[n % 3] as ClusterIdentity).admit(joining(1, n));
  const numbers = Array.from({ length: 12 }, (_, n) => n + 1);
  const first = await outcomes(numbers.map(join));
  expect(first.values).toHaveLength(1);
  expect(first.codes).toEqual(Array.from({ length: 11 }, () => 'token-spent'));
  const second = await outcomes(numbers.map(join));
  expect(second.values).toEqual(first.values.map((answer) => ({ ...answer, existing: true })));
  expect(second.codes).toEqual(first.codes);
});

test('one host that asks twelve times at once is one node', async () => {
  const identity = await founded();
  const { values, codes } = await outcomes(Array.from({ length: 12 }, () => identity.admit(joining(1, 1))));
  expect(codes).toEqual([]);
  expect(new Set(values.map(({ node }) => node)).size).toBe(1);
  expect(new Set(values.map(({ certificate }) => certificate.fingerprint)).size).toBe(1);
  expect((await identity.rotation()).members).toHaveLength(2);
});

test('of four admins revoked by everybody at once one stays, every time', async () => {
  const identity = await founded();
  const nodes = [testNode(1)];
  for (const n of [1, 2, 3]) nodes.push((await identity.admit(joining(n, n))).node);
  for (let round = 0; round < 5; round++) {
    const [last] = await identity.listAdmins();
    const signer = from(last?.id as NodeId);
    for (const node of nodes) await signer.grantAdmin(node, ROOT);
    const { codes } = await outcomes(nodes.map((node) => from(node).revokeAdmin(node, ROOT)));
    expect(codes).toEqual(['wrong-state']);
    expect(await identity.listAdmins()).toHaveLength(1);
  }
});

test('a rotation amid joins and renewals leaves nobody with a certificate of the old CA unnoticed', async () => {
  const identity = await founded();
  const answers = await Promise.all([1, 2, 3, 4].map((n) => identity.admit(joining(n, n))));
  await identity.rotate('plan', { next: testCa(2) }, ROOT);
  const others = Array.from({ length: 16 }, (_, n) => from(testNode(1)).admit(joining(10 + n, 10 + n)));
  const switched = identity.rotate('execute', {}, ROOT);
  const { values, codes } = await outcomes(others);
  await switched;
  // Signed by the old CA: before the switch, or not at all.
  expect(codes.every((code) => code === 'conflict')).toBe(true);
  const { members, ca } = await identity.rotation();
  expect(members).toHaveLength(1 + 4 + values.length);
  expect(ca).toMatchObject({ phase: 'rotating', current: testCa(2) });
  expect(members.every(({ renewed }) => !renewed)).toBe(true);
  const renewals = [...answers, ...values].map(({ node, certificate }, n) =>
    identity.renewMember(node, certificate.fingerprint, testCertificate(100 + n, 2)),
  );
  await Promise.all(renewals);
  await expect(identity.rotate('finalize', {}, ROOT)).rejects.toMatchObject({ details: { nodes: [testNode(1)] } });
  await identity.renewMember(testNode(1), founding().certificate.fingerprint, testCertificate(0xf001, 2));
  expect((await identity.rotate('finalize', {}, ROOT)).ca).toMatchObject({ phase: 'stable', current: testCa(2) });
});

test('a thousand lines of audit from three nodes are each there once, and heard once', async () => {
  const reader = await founded();
  const heard: string[] = [];
  const end = new AbortController();
  const [first] = (await reader.listAudit()).items;
  let all = () => {};
  const done = new Promise<void>((resolve) => {
    all = resolve;
  });
  const following = reader.followAudit(
    first === undefined ? {} : { after: first.id },
    ({ what }) => {
      heard.push(what);
      if (heard.length === 999) all();
    },
    end.signal,
  );
  const writers = [1, 2, 3].map((n) => from(testNode(n)));
  await Promise.all(
    writers.flatMap((writer, w) =>
      Array.from({ length: 333 }, (_, n) => writer.audit({ actor: ROOT, what: `op.${w}.${n}` })),
    ),
  );
  await done;
  end.abort(new Error('enough'));
  await following;
  expect(new Set(heard).size).toBe(999);
  const listed: string[] = [];
  for (let after = first?.id; after !== undefined; ) {
    const page = await reader.listAudit({ after, limit: 400 });
    listed.push(...page.items.map(({ what }) => what));
    after = page.next;
  }
  expect(listed.sort()).toEqual(heard.sort());
  for (const writer of writers) await writer.stop();
});
