import { beforeEach, describe, expect, test } from 'vitest';
import { testNode } from '../testing/fixtures.ts';
import { type IdentityRig, identityRig, ROOT, testCertificate } from '../testing/identity-rig.ts';

let rig: IdentityRig;

beforeEach(async () => {
  rig = await identityRig();
});

const admins = async () => (await rig.identity.listAdmins()).map(({ id }) => id);

describe('admin nodes', () => {
  test('are granted and revoked, each once, with who did it', async () => {
    const node = await rig.join(1);
    expect(await rig.identity.grantAdmin(node, ROOT)).toMatchObject([{ id: testNode(1) }, { id: node, by: ROOT.id }]);
    const revision = rig.f.server.revision;
    await rig.identity.grantAdmin(node, ROOT);
    expect(rig.f.server.revision).toBe(revision);
    expect(await rig.identity.revokeAdmin(testNode(1), ROOT)).toMatchObject([{ id: node }]);
    await rig.identity.revokeAdmin(testNode(1), ROOT);
    expect((await rig.identity.listAudit()).items.map(({ what }) => what).slice(-2)).toEqual([
      'admin.grant',
      'admin.revoke',
    ]);
  });

  test('granted by two at once are granted by the first', async () => {
    const node = await rig.join(1);
    const late = rig.from(1, () => rig.identity.grantAdmin(node, ROOT));
    const [, granted] = await late.grantAdmin(node, { kind: 'user', id: 'usr_late' });
    expect(granted).toMatchObject({ id: node, by: ROOT.id });
    const lines = (await rig.identity.listAudit()).items.filter(({ what }) => what === 'admin.grant');
    expect(lines).toMatchObject([{ actor: ROOT }]);
  });

  test('the last one stays', async () => {
    expect(await rig.refusal(() => rig.identity.revokeAdmin(testNode(1), ROOT))).toBe('wrong-state');
    expect(await admins()).toEqual([testNode(1)]);
  });

  test('of the last two, revoked at once by two writers, one stays', async () => {
    const node = await rig.join(1);
    await rig.identity.grantAdmin(node, ROOT);
    const late = rig.from(1, () => rig.identity.revokeAdmin(node, ROOT));
    await expect(late.revokeAdmin(testNode(1), ROOT)).rejects.toMatchObject({ code: 'wrong-state' });
    expect(await admins()).toEqual([testNode(1)]);
  });

  test('revoked by two at once are revoked by the first', async () => {
    const [a, b] = [await rig.join(1), await rig.join(2)];
    for (const node of [a, b]) await rig.identity.grantAdmin(node, ROOT);
    const late = rig.from(1, () => rig.identity.revokeAdmin(a, ROOT));
    await late.revokeAdmin(a, { kind: 'user', id: 'usr_late' });
    const lines = (await rig.identity.listAudit()).items.filter(({ what }) => what === 'admin.revoke');
    expect(lines).toMatchObject([{ actor: ROOT }]);
  });

  test('a revocation goes on when its witness is revoked, as long as there is another', async () => {
    const [a, b] = [await rig.join(1), await rig.join(2)];
    await rig.identity.grantAdmin(a, ROOT);
    await rig.identity.grantAdmin(b, ROOT);
    const late = rig.from(1, () => rig.identity.revokeAdmin(a, ROOT));
    await late.revokeAdmin(testNode(1), ROOT);
    expect(await admins()).toEqual([b]);
  });

  test('are members: one that is removed meanwhile is not granted', async () => {
    expect(await rig.refusal(() => rig.identity.grantAdmin(testNode(9), ROOT))).toBe('not-found');
    const node = await rig.join(1);
    const late = rig.from(1, () => rig.identity.removeMember(node, ROOT));
    await expect(late.grantAdmin(node, ROOT)).rejects.toMatchObject({ code: 'not-found' });
  });

  test('are not removed while they are, also when granted meanwhile', async () => {
    expect(await rig.refusal(() => rig.identity.removeMember(testNode(1), ROOT))).toBe('wrong-state');
    const node = await rig.join(1);
    const late = rig.from(1, () => rig.identity.grantAdmin(node, ROOT));
    await expect(late.removeMember(node, ROOT)).rejects.toMatchObject({ code: 'wrong-state' });
    await rig.identity.revokeAdmin(node, ROOT);
    await rig.identity.removeMember(node, ROOT);
    const revision = rig.f.server.revision;
    await rig.identity.removeMember(node, ROOT);
    expect(rig.f.server.revision).toBe(revision);
  });

  test('a node that is removed while it renews with another key leaves neither key behind', async () => {
    const { node, certificate } = await rig.identity.admit(rig.joining(1, 5));
    const renewed = testCertificate(6);
    const late = rig.from(1, () => rig.identity.renewMember(node, certificate.fingerprint, renewed));
    await late.removeMember(node, ROOT);
    expect((await rig.keys()).filter((key) => key.startsWith('memberkeys/'))).toHaveLength(1);
  });

  test('are granted by an admin node only, also when it stops being one meanwhile', async () => {
    const [a, b] = [await rig.join(1), await rig.join(2)];
    expect(await rig.refusal(() => rig.from(9).grantAdmin(a, ROOT))).toBe('not-admin-node');
    await rig.identity.grantAdmin(a, ROOT);
    const late = rig.from(1, () => rig.identity.revokeAdmin(testNode(1), ROOT));
    await expect(late.grantAdmin(b, ROOT)).rejects.toMatchObject({ code: 'not-admin-node' });
    expect(await admins()).toEqual([a]);
  });
});
