import { ClusterIdentity } from '@boi/cluster';
import { IdMinter, type NodeId } from '@boi/core';
import {
  CertificateAuthority,
  createAuthority,
  createKey,
  createSigningRequest,
  readSigningRequest,
} from '@boi/identity';
import { MemoryServer, prefixEnd } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RemovalWatch } from './removal-watch.ts';

const io = { clock: systemClock, random: systemRandom };
const CLUSTER = 'c0ffee00c0ffee00c0ffee00c0ffee00';
const actor = { kind: 'anyone' } as const;
const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log } as never;

let server: MemoryServer;
let store: FaultyStore;
let identity: ClusterIdentity;
let founder: ClusterIdentity;
let node: NodeId;
let watch: RemovalWatch;
let removed: number;

beforeEach(async () => {
  server = new MemoryServer({ clock: systemClock });
  const minter = new IdMinter(systemClock, systemRandom);
  const first = minter.mint('node');
  const over = { ...io, log, metrics: { count() {}, gauge() {}, observe() {} } };
  founder = new ClusterIdentity({ ...over, store: server.connect(), self: first });
  const { pem, keyPem } = await createAuthority(io, { cluster: CLUSTER });
  const authority = await CertificateAuthority.load(pem, keyPem);
  const request = await readSigningRequest(await createSigningRequest(await createKey()));
  const issue = (id: NodeId) => authority.issue(io, { request, cluster: CLUSTER, role: 'node', id });
  const { fingerprint, notAfter } = authority.certificate;
  await founder.found({
    cluster: CLUSTER,
    ca: { pem, fingerprint, notAfter },
    node: first,
    certificate: await issue(first),
  });
  const other = await readSigningRequest(await createSigningRequest(await createKey()));
  const admitted = await founder.admit({
    token: { id: minter.mint('token'), expiresAt: systemClock.now() + 60_000, bind: {} },
    keyFingerprint: other.keyFingerprint,
    issue: (id) => authority.issue(io, { request: other, cluster: CLUSTER, role: 'node', id }),
  });
  node = admitted.node;
  store = new FaultyStore({ store: server.connect(), clock: systemClock });
  identity = new ClusterIdentity({ ...over, store, self: node });
  await identity.start();
  removed = 0;
  watch = new RemovalWatch({ identity, node, clock: systemClock, log, onRemoved: () => void removed++ });
  watch.start();
});
afterEach(async () => {
  await watch.stop();
  await identity.stop();
});

const heard = () => expect.poll(() => identity.directory.member(node)).toBeUndefined();

test('a node that is removed or expelled is told, once', async () => {
  await founder.expelMember(node, actor);
  await expect.poll(() => removed).toBe(1);
  await founder.createUser({ name: 'eric', role: 'viewer', credential: { hash: () => 'h' } }, actor);
  await expect.poll(() => identity.directory.isAdmin(node)).toBe(false);
  expect(removed).toBe(1);
});

test('a store that is wiped says nothing of this node', async () => {
  const wiped = new Promise<void>((resolve) => {
    store.plan = {
      call: ({ method }) => {
        if (method === 'get') resolve();
        return undefined;
      },
    };
  });
  await server.connect().txn({ compares: [], success: [{ op: 'delete', key: '/boi/', end: prefixEnd('/boi/') }] });
  await heard();
  await wiped;
  await watch.stop();
  expect(removed).toBe(0);
});

test('while the store is away nothing is decided; when it is back, the node is told', async () => {
  let away = true;
  let asked = 0;
  store.plan = {
    call: ({ method }) => {
      if (method !== 'get' || !away) return undefined;
      asked++;
      return { refuse: true };
    },
  };
  await founder.expelMember(node, actor);
  await heard();
  await expect.poll(() => asked, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(removed).toBe(0);
  away = false;
  await expect.poll(() => removed).toBe(1);
}, 40_000);
