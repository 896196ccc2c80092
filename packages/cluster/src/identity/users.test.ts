import type { UserId } from '@boi/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { testNode, testProject } from '../testing/fixtures.ts';
import { type IdentityRig, identityRig, ROOT, testCa, testCertificate, testToken } from '../testing/identity-rig.ts';
import { identityCodecs } from './records.ts';
import { USERS_MAX } from './users.ts';

let rig: IdentityRig;

beforeEach(async () => {
  rig = await identityRig();
});

const bySecret = (hash = 'h1') => ({ hash: () => hash });
const byCertificate = (key: number, ca = 1) => ({ issue: async () => testCertificate(key, ca) });

describe('a user', () => {
  test('is made with a secret of which the hash is kept, or with a certificate', async () => {
    let asked = '';
    const hash = (id: UserId) => {
      asked = id;
      return 'h1';
    };
    const ada = await rig.identity.createUser(
      { name: 'ada', role: 'viewer', project: testProject, credential: { hash } },
      ROOT,
    );
    expect(ada).toMatchObject({
      name: 'ada',
      role: 'viewer',
      project: testProject,
      secretHash: 'h1',
      createdBy: ROOT.id,
    });
    expect(asked).toBe(ada.id);
    const bob = await rig.identity.createUser({ name: 'bob', role: 'admin', credential: byCertificate(5) }, ROOT);
    expect(bob.secretHash).toBeUndefined();
    expect(bob.certificate?.keyFingerprint).toBe(testCertificate(5).keyFingerprint);
    expect((await rig.identity.listUsers()).map(({ id }) => id)).toEqual([ada.id, bob.id]);
    expect((await rig.identity.listAudit()).items.at(-1)).toMatchObject({
      what: 'user.create',
      subject: bob.id,
      actor: ROOT,
    });
  });

  test('is found by id, and by a name that one has', async () => {
    const id = await rig.user('ada');
    expect((await rig.identity.resolveUser(id)).name).toBe('ada');
    expect((await rig.identity.resolveUser('ada')).id).toBe(id);
    await expect(rig.identity.resolveUser('Ada')).rejects.toMatchObject({ code: 'not-found' });
    await expect(rig.identity.resolveUser(`${id.slice(0, -1)}z`)).rejects.toMatchObject({ code: 'not-found' });
    const other = await rig.user('ada');
    const details = { candidates: [id, other] };
    await expect(rig.identity.resolveUser('ada')).rejects.toMatchObject({ code: 'ambiguous-name', details });
    expect(await rig.identity.listUsers({ name: 'ada' })).toHaveLength(2);
  });

  test('is refused with a reserved or ill-formed name, and nothing is written', async () => {
    const make = (name: string) => rig.identity.createUser({ name, role: 'viewer', credential: bySecret() }, ROOT);
    expect(await rig.refusal(() => make('system'))).toBe('reserved-identifier');
    expect(await rig.refusal(() => make('a '))).toBe('invalid-name');
  });

  test('with a certificate is made by an admin node only, with a CA that signs', async () => {
    const input = { name: 'ada', role: 'admin', credential: byCertificate(5) } as const;
    expect(await rig.refusal(() => rig.from(2).createUser(input, ROOT))).toBe('not-admin-node');
    const other = { ...input, credential: byCertificate(5, 2) };
    expect(await rig.refusal(() => rig.identity.createUser(other, ROOT))).toBe('conflict');
    await rig.from(2).createUser({ ...input, credential: bySecret() }, ROOT);
  });

  test('is not made in a cluster without a CA', async () => {
    const plain = await identityRig(false);
    const make = () => plain.identity.createUser({ name: 'a', role: 'viewer', credential: bySecret() }, ROOT);
    expect(await plain.refusal(make)).toBe('wrong-state');
  });

  test('is made once when the answer is lost', async () => {
    let lost = 0;
    rig.store.plan = { call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined) };
    await rig.wait(rig.identity.createUser({ name: 'ada', role: 'viewer', credential: bySecret() }, ROOT));
    expect(await rig.identity.listUsers()).toHaveLength(1);
  });

  test('that is revoked before the lost answer is asked for again stays revoked', async () => {
    let lost = 0;
    rig.store.plan = { call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined) };
    const making = rig.identity.createUser({ name: 'ada', role: 'viewer', credential: bySecret() }, ROOT);
    const other = rig.from(1);
    await rig.f.clock.until(async () => (await other.listUsers()).length === 1, 1_000, 'it is stored');
    const [made] = await other.listUsers();
    await other.revokeUser(made?.id as UserId, ROOT);
    expect((await rig.wait(making)).revokedAt).toBeDefined();
    expect((await rig.identity.resolveUser('ada')).secretHash).toBeUndefined();
  });

  test('whose certificate is overtaken by the switch to another CA, or the end of its signer’s rights, is not made', async () => {
    const node = await rig.join(1);
    const input = { name: 'ada', role: 'admin', credential: byCertificate(5) } as const;
    const make = (first: () => Promise<unknown>) => rig.from(1, first).createUser(input, ROOT);
    await rig.identity.rotate('plan', { next: testCa(2) }, ROOT);
    const switched = make(() => rig.identity.rotate('execute', { force: true }, ROOT));
    await expect(switched).rejects.toMatchObject({ code: 'conflict' });
    await rig.identity.rotate('abort', {}, ROOT);
    await rig.identity.grantAdmin(node, ROOT);
    const revoked = make(() => rig.identity.revokeAdmin(testNode(1), ROOT));
    await expect(revoked).rejects.toMatchObject({ code: 'not-admin-node' });
    expect(await rig.identity.listUsers()).toEqual([]);
  });

  test(`number ${USERS_MAX + 1} is refused`, async () => {
    const user = await rig.identity.resolveUser(await rig.user());
    const value = identityCodecs.user.encode(user);
    for (let n = 1; n < USERS_MAX; n += 100) {
      const ops = Array.from({ length: Math.min(100, USERS_MAX - n) }, (_, i) => {
        const id = `usr_01h0000000000000000${String(n + i).padStart(7, '0')}` as UserId;
        return { op: 'put', key: rig.f.keys.user(id), value } as const;
      });
      await rig.f.store.txn({ compares: [], success: ops });
    }
    expect(await rig.refusal(() => rig.user('late'))).toBe('too-large');
  });
});

describe('a user that is revoked', () => {
  test('has no secret any more, keeps its record, and is not reissued', async () => {
    const id = await rig.user();
    await rig.f.clock.advance(5);
    const revoked = await rig.identity.revokeUser(id, ROOT);
    expect(revoked.revokedAt).toBe(rig.f.clock.now());
    expect(revoked.secretHash).toBeUndefined();
    const revision = rig.f.server.revision;
    expect(await rig.identity.revokeUser(id, ROOT)).toEqual(revoked);
    expect(rig.f.server.revision).toBe(revision);
    expect(await rig.refusal(() => rig.identity.reissueUser(id, bySecret(), ROOT))).toBe('wrong-state');
    expect(await rig.refusal(() => rig.identity.revokeUser(testToken(1) as never, ROOT))).toBe('not-found');
  });

  test('while its new credential is made gets none', async () => {
    const id = await rig.user();
    const late = rig.from(1, () => rig.identity.revokeUser(id, ROOT));
    await expect(late.reissueUser(id, bySecret('h2'), ROOT)).rejects.toMatchObject({ code: 'wrong-state' });
    expect((await rig.identity.resolveUser(id)).secretHash).toBeUndefined();
  });
});

describe('a new credential', () => {
  test('replaces the old one at once, whatever kind it was', async () => {
    const id = await rig.user();
    const certified = await rig.identity.reissueUser(id, byCertificate(5), ROOT);
    expect(certified.secretHash).toBeUndefined();
    const secret = await rig.identity.reissueUser(id, bySecret('h2'), ROOT);
    expect(secret).toMatchObject({ secretHash: 'h2' });
    expect(secret.certificate).toBeUndefined();
  });

  test('signed by a CA that is replaced meanwhile is not stored: the old one stays', async () => {
    const id = await rig.user();
    await rig.identity.rotate('plan', { next: testCa(2) }, ROOT);
    const late = rig.from(1, () => rig.identity.rotate('execute', { force: true }, ROOT));
    await expect(late.reissueUser(id, byCertificate(5), ROOT)).rejects.toMatchObject({ code: 'conflict' });
    expect((await rig.identity.resolveUser(id)).secretHash).toBe('hash');
  });

  test('made twice at once ends with one: that of the last writer, whole', async () => {
    const id = await rig.user();
    const late = rig.from(1, () => rig.identity.reissueUser(id, bySecret('h2'), ROOT));
    await late.reissueUser(id, byCertificate(5), ROOT);
    const user = await rig.identity.resolveUser(id);
    expect([user.secretHash, user.certificate?.keyFingerprint]).toEqual([undefined, testCertificate(5).keyFingerprint]);
  });

  test('is stored once when the answer is lost', async () => {
    const id = await rig.user();
    let lost = 0;
    rig.store.plan = { call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined) };
    await rig.wait(rig.identity.reissueUser(id, bySecret('h2'), ROOT));
    const lines = (await rig.identity.listAudit()).items.filter(({ what }) => what === 'user.reissue');
    expect(lines).toHaveLength(1);
  });
});

describe('join tokens', () => {
  const create = (n: number, over: object = {}) =>
    rig.identity.createToken(
      { id: testToken(n), expiresAt: 3e12, caFingerprint: testCa(1).fingerprint, ...over },
      ROOT,
    );

  test('are listed newest first, with what they are bound to and what became of them', async () => {
    await create(1, { bind: { name: 'n1', key: 'k' } });
    await create(2);
    await create(3);
    const node = await rig.join(2);
    await rig.identity.revokeToken(testToken(3), ROOT);
    const [three, two, one, ...rest] = await rig.identity.listTokens();
    expect(rest).toEqual([]);
    expect(one).toMatchObject({ id: testToken(1), bindName: 'n1', bindKey: 'k', createdBy: ROOT.id, expiresAt: 3e12 });
    expect(two?.spent?.node).toBe(node);
    expect(three?.revokedAt).toBe(rig.f.clock.now());
  });

  test('are made by admin nodes only, with a CA that signs', async () => {
    const input = { id: testToken(1), expiresAt: 3e12, caFingerprint: testCa(1).fingerprint };
    expect(await rig.refusal(() => rig.from(2).createToken(input, ROOT))).toBe('not-admin-node');
    expect(await rig.refusal(() => create(1, { caFingerprint: testCa(2).fingerprint }))).toBe('conflict');
  });

  test('that are overtaken by the switch to another CA are not made', async () => {
    await rig.identity.rotate('plan', { next: testCa(2) }, ROOT);
    const late = rig.from(1, () => rig.identity.rotate('execute', { force: true }, ROOT));
    const input = { id: testToken(1), expiresAt: 3e12, caFingerprint: testCa(1).fingerprint };
    await expect(late.createToken(input, ROOT)).rejects.toMatchObject({ code: 'conflict' });
    expect(await rig.identity.listTokens()).toEqual([]);
  });

  test('that are revoked before they are recorded stay revoked', async () => {
    const late = rig.from(1, () => rig.identity.revokeToken(testToken(1), ROOT));
    const input = { id: testToken(1), expiresAt: 3e12, caFingerprint: testCa(1).fingerprint };
    expect((await late.createToken(input, ROOT)).revokedAt).toBeDefined();
    expect((await rig.identity.listTokens())[0]?.revokedAt).toBeDefined();
  });

  test('are made once, also when the answer is lost', async () => {
    const made = await create(1);
    const revision = rig.f.server.revision;
    expect(await create(1)).toEqual(made);
    expect(rig.f.server.revision).toBe(revision);
  });

  test('are not revoked once they were used, also when that happens meanwhile', async () => {
    await rig.join(1);
    expect(await rig.refusal(() => rig.identity.revokeToken(testToken(1), ROOT))).toBe('token-spent');
    const late = rig.from(1, () => rig.join(2));
    await expect(late.revokeToken(testToken(2), ROOT)).rejects.toMatchObject({ code: 'token-spent' });
  });

  test('that were never seen are revoked too, and stay so longer than any token lives', async () => {
    const revoked = await rig.identity.revokeToken(testToken(9), ROOT);
    expect(revoked.expiresAt - rig.f.clock.now()).toBe(7 * 24 * 3600_000);
    const revision = rig.f.server.revision;
    await rig.identity.revokeToken(testToken(9), ROOT);
    expect(rig.f.server.revision).toBe(revision);
  });
});

test('no record of identity has a key, a secret or a token', async () => {
  await rig.user();
  await rig.join(1);
  const { kvs } = await rig.f.store.range(rig.f.keys.all());
  for (const { value } of kvs) expect(String(value)).not.toMatch(/PRIVATE KEY|boi_usr|eyJ/);
});
