import type { NodeId, UserId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testNode } from '../testing/fixtures.ts';
import { type IdentityRig, identityRig, ROOT, testCa, testCertificate } from '../testing/identity-rig.ts';
import type { ClusterIdentity } from './cluster-identity.ts';

let rig: IdentityRig;
let other: ClusterIdentity;

beforeEach(async () => {
  rig = await identityRig();
  // That of a node that does not make the changes itself.
  other = rig.from(2);
  await other.start();
});

afterEach(() => other.stop());

const view = () => other.directory;
/** What happened reaches the other node. */
const heard = (what: () => boolean) => rig.f.clock.until(what, 1_000, 'the change is heard');
const standing = (role: 'node' | 'user', id: NodeId | UserId, fingerprint: string) => {
  const answer = view().standing({ role, id, fingerprint });
  return answer.ok ? 'ok' : answer.reason;
};

describe('the directory', () => {
  test('shows what was there when it started', () => {
    expect(view().ca()).toMatchObject({ current: testCa(1) });
    expect(view().trustBundle()).toBe(testCa(1).pem);
    expect(view().member(testNode(1))?.address).toBe('https://n1:7420');
    expect(view().admins()).toMatchObject([{ id: testNode(1) }]);
    expect(view().isAdmin(testNode(1))).toBe(true);
  });

  test('knows a member by its newest certificate and the one it renewed with, and no other', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 1));
    await heard(() => view().member(node) !== undefined);
    expect(standing('node', node, certificate.fingerprint)).toBe('ok');
    expect(standing('node', node, testCertificate(1).fingerprint)).toBe('revoked');
    expect(standing('user', node, certificate.fingerprint)).toBe('unknown');
    const second = testCertificate(1);
    await rig.identity.renewMember(node, certificate.fingerprint, second);
    await heard(() => view().member(node)?.previous !== undefined);
    expect(standing('node', node, certificate.fingerprint)).toBe('ok');
    expect(standing('node', node, second.fingerprint)).toBe('ok');
    await rig.identity.renewMember(node, second.fingerprint, testCertificate(1));
    await heard(() => standing('node', node, certificate.fingerprint) === 'revoked');
    await rig.identity.removeMember(node, ROOT);
    await heard(() => standing('node', node, second.fingerprint) === 'unknown');
  });

  test('knows of a revoked user, and of a replaced certificate, within a watch’s delay', async () => {
    const credential = { issue: async () => testCertificate(7) };
    const { id, certificate } = await rig.identity.createUser({ name: 'ada', role: 'viewer', credential }, ROOT);
    const first = certificate?.fingerprint ?? '';
    await heard(() => standing('user', id, first) === 'ok');
    const reissued = await rig.identity.reissueUser(id, credential, ROOT);
    await heard(() => standing('user', id, first) === 'revoked');
    expect(standing('user', id, reissued.certificate?.fingerprint ?? '')).toBe('ok');
    await rig.identity.revokeUser(id, ROOT);
    await heard(() => standing('user', id, reissued.certificate?.fingerprint ?? '') === 'revoked');
    expect(view().user(id)?.name).toBe('ada');
  });

  test('has no user without a certificate recognised by one', async () => {
    const id = await rig.user();
    await heard(() => view().user(id) !== undefined);
    expect(standing('user', id, '')).toBe('revoked');
    expect(standing('user', id, 'undefined')).toBe('revoked');
  });

  test('tells of every change, until it is asked no more', async () => {
    let told = 0;
    const end = view().onChange(() => {
      told++;
    });
    await rig.identity.rotate('plan', { next: testCa(2) }, ROOT);
    await heard(() => told === 1);
    expect(view().trustBundle()).toBe(testCa(1).pem + testCa(2).pem);
    const node = await rig.join(1);
    await heard(() => told === 2);
    await rig.identity.grantAdmin(node, ROOT);
    await heard(() => told === 3);
    expect(view().isAdmin(node)).toBe(true);
    end();
    const id = await rig.user();
    await heard(() => view().user(id) !== undefined);
    expect(told).toBe(3);
  });

  test('of a cluster without identities is empty', async () => {
    const plain = await identityRig(false);
    await plain.identity.start();
    expect(plain.identity.directory.ca()).toBeUndefined();
    expect(plain.identity.directory.trustBundle()).toBe('');
    await plain.identity.stop();
  });
});
