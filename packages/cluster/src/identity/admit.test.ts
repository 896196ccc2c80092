/** Admission: every refusal leaves the store as it was, and every race has one winner. */
import { absent } from '@boi/store';
import { beforeEach, describe, expect, test } from 'vitest';
import { read, testNode } from '../testing/fixtures.ts';
import {
  type IdentityRig,
  identityRig,
  keyOf,
  ROOT,
  testCa,
  testCertificate,
  testToken,
} from '../testing/identity-rig.ts';
import { identityCodecs, type TokenRecord } from './records.ts';

let rig: IdentityRig;

beforeEach(async () => {
  rig = await identityRig();
});

const tokenRecord = (n: number): Promise<TokenRecord | undefined> =>
  read(rig.f, rig.f.keys.token(testToken(n)), identityCodecs.token);
const memberKeys = async () => (await rig.keys()).filter((key) => key.startsWith('members/'));

describe('a join', () => {
  test('makes a member with a new id, spends the token and says so in the audit, in one revision', async () => {
    await rig.identity.createToken({ id: testToken(1), expiresAt: 3e12, caFingerprint: testCa(1).fingerprint }, ROOT);
    const before = Number(rig.f.server.revision);
    const answer = await rig.identity.admit(rig.joining(1, 7, { name: 'seven', address: 'https://n7:1' }));
    expect(Number(rig.f.server.revision)).toBe(before + 1);
    expect(answer).toMatchObject({ existing: false, trust: testCa(1).pem });
    const member = await read(rig.f, rig.f.keys.member(answer.node), identityCodecs.member);
    expect(member).toMatchObject({
      name: 'seven',
      address: 'https://n7:1',
      certificate: answer.certificate,
      token: testToken(1),
    });
    expect(await tokenRecord(1)).toMatchObject({
      createdBy: ROOT.id,
      spent: { node: answer.node, keyFingerprint: keyOf(7) },
    });
    const line = { what: 'join', subject: answer.node, actor: { kind: 'token', id: testToken(1) } };
    expect((await rig.identity.listAudit()).items.at(-1)).toMatchObject(line);
  });

  test('with a token that was made offline is one like any other', async () => {
    await rig.join(1);
    expect((await tokenRecord(1))?.spent).toBeDefined();
    expect(await rig.refusal(() => rig.identity.admit(rig.joining(1, 2)))).toBe('token-spent');
  });

  test('again with the same key is answered the same; with another key the token is spent', async () => {
    const first = await rig.identity.admit(rig.joining(1, 1));
    const revision = rig.f.server.revision;
    expect(await rig.identity.admit(rig.joining(1, 1))).toEqual({ ...first, existing: true });
    expect(rig.f.server.revision).toBe(revision);
    expect(await rig.refusal(() => rig.identity.admit(rig.joining(1, 2)))).toBe('token-spent');
  });

  test('again after the node was removed finds the token spent', async () => {
    const node = await rig.join(1);
    await rig.identity.removeMember(node, ROOT);
    expect(await rig.refusal(() => rig.identity.admit(rig.joining(1, 1)))).toBe('token-spent');
  });

  test('with another token and the same key keeps its id and gets a new certificate', async () => {
    const first = await rig.identity.admit(rig.joining(1, 7));
    await rig.f.clock.advance(1_000);
    const second = await rig.identity.admit(rig.joining(2, 7));
    expect(second.node).toBe(first.node);
    expect(second.certificate.fingerprint).not.toBe(first.certificate.fingerprint);
    expect(await memberKeys()).toHaveLength(2);
  });

  test('whose answer is lost is done once', async () => {
    let lost = 0;
    rig.store.plan = { call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined) };
    const answer = await rig.wait(rig.identity.admit(rig.joining(1, 1)));
    expect(answer.existing).toBe(true);
    expect(await memberKeys()).toHaveLength(2);
    expect((await rig.identity.listAudit()).items.filter(({ what }) => what === 'join')).toHaveLength(1);
  });

  test('that gets no answer at all is said to be of unknown outcome', async () => {
    rig.store.plan = { call: ({ method }) => (method === 'txn' ? { dropRequest: true } : undefined) };
    expect(await rig.refusal(() => rig.identity.admit(rig.joining(1, 1)))).toBe('outcome-unknown');
  });
});

describe('a join is refused, and nothing is written,', () => {
  test('with a token that was revoked, also one that was made offline', async () => {
    await rig.identity.createToken({ id: testToken(1), expiresAt: 3e12, caFingerprint: testCa(1).fingerprint }, ROOT);
    for (const n of [1, 2]) {
      await rig.identity.revokeToken(testToken(n), ROOT);
      expect(await rig.refusal(() => rig.identity.admit(rig.joining(n, 1)))).toBe('token-revoked');
    }
  });

  test('from the moment its token expires', async () => {
    const joining = rig.joining(1, 1);
    await rig.f.clock.advance(300_000);
    expect(await rig.refusal(() => rig.identity.admit(joining))).toBe('token-expired');
  });

  test.each([
    [{ name: 'a' }, { name: 'b' }],
    [{ name: 'a' }, {}],
    [{ key: keyOf(2) }, {}],
    [{ name: 'a', key: keyOf(2) }, { name: 'a' }],
  ])('when its token is bound to %j', async (bind, over) => {
    const token = { ...rig.joining(1, 1).token, bind };
    expect(await rig.refusal(() => rig.identity.admit(rig.joining(1, 1, { ...over, token })))).toBe('token-binding');
  });

  test('but one that meets its binding is admitted', async () => {
    const token = { ...rig.joining(1, 1).token, bind: { name: 'a', key: keyOf(1) } };
    expect(await rig.identity.admit(rig.joining(1, 1, { name: 'a', token }))).toMatchObject({ existing: false });
  });

  test('by a node that is no admin, which says where those are', async () => {
    const other = rig.from(2);
    expect(await rig.refusal(() => other.admit(rig.joining(1, 1)))).toBe('not-admin-node');
    const details = { admins: ['https://n1:7420'] };
    await expect(other.admit(rig.joining(1, 1))).rejects.toMatchObject({ details });
  });

  test('with a reserved or ill-formed name', async () => {
    expect(await rig.refusal(async () => rig.identity.admit(rig.joining(1, 1, { name: 'admin' })))).toBe(
      'reserved-identifier',
    );
    expect(await rig.refusal(async () => rig.identity.admit(rig.joining(1, 1, { name: ' a' })))).toBe('invalid-name');
  });

  test('with a certificate of a CA that does not sign, or for another key', async () => {
    const byOther = { issue: async () => testCertificate(1, 2) };
    expect(await rig.refusal(() => rig.identity.admit(rig.joining(1, 1, byOther)))).toBe('conflict');
    const otherKey = { issue: async () => testCertificate(2) };
    expect(await rig.refusal(() => rig.identity.admit(rig.joining(1, 1, otherKey)))).toContain('another key');
  });

  test('in a cluster without a CA', async () => {
    const plain = await identityRig(false);
    expect(await plain.refusal(() => plain.identity.admit(plain.joining(1, 1)))).toBe('wrong-state');
  });
});

describe('a join that is overtaken', () => {
  test('by another with the same token is refused: one node, not two', async () => {
    const late = rig.from(1, () => rig.join(1, 5));
    await expect(late.admit(rig.joining(1, 6))).rejects.toMatchObject({ code: 'token-spent' });
    expect(await memberKeys()).toHaveLength(2);
  });

  test('by itself, sent twice, is one node', async () => {
    let first = '';
    const late = rig.from(1, async () => {
      first = await rig.join(1, 5);
    });
    expect(await late.admit(rig.joining(1, 5))).toMatchObject({ node: first, existing: true });
    expect(await memberKeys()).toHaveLength(2);
  });

  test('by one of the same key with another token gets the same id', async () => {
    let first = '';
    const late = rig.from(1, async () => {
      first = await rig.join(1, 5);
    });
    expect(await late.admit(rig.joining(2, 5))).toMatchObject({ node: first });
    expect(await memberKeys()).toHaveLength(2);
  });

  test('by a renewal of the node that it is says in the audit what it replaced', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 5));
    const late = rig.from(1, () => rig.identity.renewMember(node, certificate.fingerprint, testCertificate(5)));
    await late.admit(rig.joining(2, 5));
    const [renewal, join] = (await rig.identity.listAudit()).items.slice(-2);
    expect([renewal?.what, join?.what]).toEqual(['cert.renew', 'join']);
    expect(join?.before).toBe(renewal?.after);
  });

  test('by the revocation of its token is refused', async () => {
    const late = rig.from(1, () => rig.identity.revokeToken(testToken(1), ROOT));
    await expect(late.admit(rig.joining(1, 1))).rejects.toMatchObject({ code: 'token-revoked' });
    expect(await memberKeys()).toHaveLength(1);
  });

  test('by the end of its signer’s rights is refused', async () => {
    const node = await rig.join(1);
    await rig.identity.grantAdmin(node, ROOT);
    const late = rig.from(1, () => rig.identity.revokeAdmin(testNode(1), ROOT));
    await expect(late.admit(rig.joining(2, 2))).rejects.toMatchObject({ code: 'not-admin-node' });
    expect(await tokenRecord(2)).toBeUndefined();
  });

  test('by the switch to another CA is refused: the certificate would be worth nothing', async () => {
    await rig.identity.rotate('plan', { next: testCa(2) }, ROOT);
    const late = rig.from(1, () => rig.identity.rotate('execute', { force: true }, ROOT));
    await expect(late.admit(rig.joining(1, 1))).rejects.toMatchObject({ code: 'conflict' });
    expect(await memberKeys()).toHaveLength(1);
  });

  test('by the removal of the member that its key was becomes a member again, whole', async () => {
    const node = await rig.join(1, 5);
    const late = rig.from(1, () => rig.identity.removeMember(node, ROOT));
    const answer = await late.admit(rig.joining(2, 5));
    expect(answer.node).not.toBe(node);
    expect(await read(rig.f, rig.f.keys.memberKey(keyOf(5)), identityCodecs.memberKey)).toMatchObject({
      node: answer.node,
    });
  });
});

describe('a member', () => {
  test('renews with the certificate it has; that one stays good, the one before does not', async () => {
    const { node, certificate: first } = await rig.identity.admit(rig.joining(1, 5));
    const second = testCertificate(5);
    await rig.identity.renewMember(node, first.fingerprint, second, 'https://new:1');
    const third = testCertificate(5);
    const renewed = await rig.identity.renewMember(node, second.fingerprint, third);
    expect(renewed).toMatchObject({ certificate: third, previous: second.fingerprint, address: 'https://new:1' });
    const late = () => rig.identity.renewMember(node, first.fingerprint, testCertificate(5));
    expect(await rig.refusal(late)).toBe('unauthenticated');
  });

  test('whose renewal is answered into the void renews again with the old one', async () => {
    const { node, certificate: first } = await rig.identity.admit(rig.joining(1, 5));
    await rig.identity.renewMember(node, first.fingerprint, testCertificate(5));
    const again = testCertificate(5);
    const renewed = await rig.identity.renewMember(node, first.fingerprint, again);
    expect(renewed).toMatchObject({ certificate: again, previous: first.fingerprint });
  });

  test('may renew with a new key, but not with that of another', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 5));
    await rig.join(2, 6);
    const taken = () => rig.identity.renewMember(node, certificate.fingerprint, testCertificate(6));
    expect(await rig.refusal(taken)).toBe('identity-in-use');
    await rig.identity.renewMember(node, certificate.fingerprint, testCertificate(9));
    expect(await read(rig.f, rig.f.keys.memberKey(keyOf(5)), identityCodecs.memberKey)).toBeUndefined();
    expect(await read(rig.f, rig.f.keys.memberKey(keyOf(9)), identityCodecs.memberKey)).toMatchObject({ node });
  });

  test('that renews with a new key while another node joins with it does not take it', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 5));
    const late = rig.from(1, () => rig.join(2, 9));
    const renewal = late.renewMember(node, certificate.fingerprint, testCertificate(9));
    await expect(renewal).rejects.toMatchObject({ code: 'identity-in-use' });
  });

  test('that was removed while it renewed stays removed', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 5));
    const late = rig.from(1, () => rig.identity.removeMember(node, ROOT));
    const renewal = late.renewMember(node, certificate.fingerprint, testCertificate(5));
    await expect(renewal).rejects.toMatchObject({ code: 'unauthenticated' });
    const gone = await rig.f.store.txn({ compares: [absent(rig.f.keys.member(node))], success: [] });
    expect(gone.outcome).toBe('applied');
  });

  test('whose renewal is overtaken by the switch to another CA, or the end of its signer’s rights, is refused', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 5));
    const renew = (first: () => Promise<unknown>) =>
      rig.from(1, first).renewMember(node, certificate.fingerprint, testCertificate(5));
    await rig.identity.rotate('plan', { next: testCa(2) }, ROOT);
    const switched = renew(() => rig.identity.rotate('execute', { force: true }, ROOT));
    await expect(switched).rejects.toMatchObject({ code: 'conflict' });
    await rig.identity.rotate('abort', {}, ROOT);
    await rig.identity.grantAdmin(node, ROOT);
    const revoked = renew(() => rig.identity.revokeAdmin(testNode(1), ROOT));
    await expect(revoked).rejects.toMatchObject({ code: 'not-admin-node' });
    expect((await read(rig.f, rig.f.keys.member(node), identityCodecs.member))?.certificate).toEqual(certificate);
  });

  test('that is no admin cannot sign its own renewal', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 5));
    const other = rig.from(9);
    const renewal = () => other.renewMember(node, certificate.fingerprint, testCertificate(5));
    expect(await rig.refusal(renewal)).toBe('not-admin-node');
  });
});
