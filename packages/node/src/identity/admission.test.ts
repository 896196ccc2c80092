/** What an admin node signs, with real keys, on a store in memory. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterIdentity } from '@boi/cluster';
import { IdMinter, type NodeId, type UserId } from '@boi/core';
import {
  createKey,
  createSigningRequest,
  IdentityFiles,
  mintJoinToken,
  prepareFounding,
  readCertificate,
  readSigningRequest,
} from '@boi/identity';
import { MemoryServer } from '@boi/store';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Caller } from '../access/caller.ts';
import { type AdmissionOptions, admitNode, renewNode, renewUser } from './admission.ts';
import { Keychain } from './keychain.ts';
import { Signing } from './signing.ts';

const ADDRESS = 'https://127.0.0.1:7420';
const io = { clock: systemClock, random: systemRandom };
let dir: string;
let options: AdmissionOptions;
let identity: ClusterIdentity;
let token: () => Promise<string>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-admission-'));
  const self = new IdMinter(systemClock, systemRandom).mint('node');
  const files = new IdentityFiles(dir);
  const { cluster, authority, certificate } = await prepareFounding({ ...io, files, node: self, hosts: ['127.0.0.1'] });
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const metrics = { count() {}, gauge() {}, observe() {} };
  const store = new MemoryServer({ clock: systemClock }).connect();
  identity = new ClusterIdentity({ ...io, store, self, log: silent, metrics });
  const { pem, fingerprint, notAfter } = authority.certificate;
  await identity.found({ cluster, ca: { pem, fingerprint, notAfter }, node: self, certificate });
  await identity.start();
  const signing = new Signing({ files, directory: identity.directory, self, admins: () => [] });
  const keychain = await Keychain.open(files, self, systemClock);
  options = { ...io, keychain, signing, identity, etcd: [], prefix: '/boi/' };
  token = async () => (await mintJoinToken(io, { authority, cluster, boot: [ADDRESS] })).token;
});

afterEach(async () => {
  await identity.stop();
  await rm(dir, { recursive: true, force: true });
});

async function joined() {
  const key = await createKey();
  const csr = await createSigningRequest(key);
  const { node, certificate } = await admitNode(options, { token: await token(), csr, address: ADDRESS });
  const id = node as NodeId;
  await expect.poll(() => identity.directory.member(id)).toBeDefined();
  return { id, csr, certificate: readCertificate(certificate) };
}

const standing = (id: NodeId, fingerprint: string) => identity.directory.standing({ role: 'node', id, fingerprint }).ok;

test('a node whose renewals are answered into the void goes on with the certificate it has, and renews at last', async () => {
  const { id, csr, certificate } = await joined();
  let newest = certificate.fingerprint;
  for (let lost = 0; lost < 3; lost++) {
    const answer = await renewNode(options, id, certificate.fingerprint, { csr, address: ADDRESS });
    newest = readCertificate(answer.certificate).fingerprint;
    await expect.poll(() => identity.directory.member(id)?.certificate.fingerprint).toBe(newest);
    expect(standing(id, certificate.fingerprint)).toBe(true);
  }
  const answer = await renewNode(options, id, newest, { csr, address: ADDRESS });
  const last = readCertificate(answer.certificate).fingerprint;
  await expect.poll(() => standing(id, last)).toBe(true);
  expect(standing(id, certificate.fingerprint)).toBe(false);
});

test('a certificate that was replaced renews nothing, nor does another key', async () => {
  const { id, csr, certificate } = await joined();
  const renew = (presented: string, request = csr) =>
    renewNode(options, id, presented, { csr: request, address: ADDRESS });
  await expect(renew('0'.repeat(64))).rejects.toMatchObject({ code: 'unauthenticated' });
  const other = await createSigningRequest(await createKey());
  await expect(renew(certificate.fingerprint, other)).rejects.toMatchObject({ code: 'forbidden' });
});

describe('a user who renews', () => {
  const actor = { kind: 'node', id: 'nod_01h00000000000000000000000' } as const;

  async function user() {
    const key = await createKey();
    const csr = await createSigningRequest(key);
    const request = await readSigningRequest(csr);
    const { cluster } = options.keychain;
    const authority = await options.signing.authority();
    const made = await identity.createUser(
      {
        name: 'alice',
        role: 'operator',
        credential: { issue: (id) => authority.issue(io, { request, cluster, role: 'user', id }) },
      },
      actor,
    );
    await expect.poll(() => identity.directory.user(made.id)).toBeDefined();
    const fingerprint = made.certificate?.fingerprint as string;
    const caller: Caller = {
      kind: 'user',
      id: made.id,
      name: 'alice',
      role: 'operator',
      credential: 'certificate',
      fingerprint,
    };
    return { id: made.id, csr, caller, fingerprint };
  }
  const good = (id: UserId, fingerprint: string) => identity.directory.standing({ role: 'user', id, fingerprint }).ok;

  test('gets a certificate for the same key and the same id, trust beside it; the old one stays good', async () => {
    const { id, csr, caller, fingerprint } = await user();
    const { certificate, ca } = await renewUser(options, caller, { csr });
    const facts = readCertificate(certificate);
    expect(facts.parsed.subject).toBe(`CN=${id}`);
    expect(facts.keyFingerprint).toBe((await readSigningRequest(csr)).keyFingerprint);
    expect(ca).toBe(identity.directory.trustBundle());
    await expect.poll(() => good(id, facts.fingerprint)).toBe(true);
    expect(good(id, fingerprint)).toBe(true);
  });

  test('is refused with another key, with a secret, and as a node', async () => {
    const { csr, caller } = await user();
    const other = await createSigningRequest(await createKey());
    await expect(renewUser(options, caller, { csr: other })).rejects.toMatchObject({ code: 'forbidden' });
    const { fingerprint: _, ...bySecret } = caller as Extract<Caller, { kind: 'user' }>;
    await expect(renewUser(options, bySecret, { csr })).rejects.toMatchObject({ code: 'wrong-state' });
    await expect(renewUser(options, { kind: 'anyone' }, { csr })).rejects.toMatchObject({ code: 'wrong-state' });
  });

  test('is refused when it was revoked or reissued before this node heard of it', async () => {
    const { id, csr, caller } = await user();
    await identity.reissueUser(id, { hash: () => 'hash' }, actor);
    await expect(renewUser(options, caller, { csr })).rejects.toMatchObject({
      code: expect.stringMatching(/unauthenticated|forbidden/),
    });
    await identity.revokeUser(id, actor);
    await expect(renewUser(options, caller, { csr })).rejects.toMatchObject({
      code: expect.stringMatching(/unauthenticated|forbidden/),
    });
  });
});
