import type { UserId } from '@boi/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { type IdentityRig, identityRig, ROOT, testCertificate } from '../testing/identity-rig.ts';
import type { CertificateRecord } from './records.ts';
import { PREVIOUS_MAX } from './users.ts';

let rig: IdentityRig;
let id: UserId;
let first: CertificateRecord;

beforeEach(async () => {
  rig = await identityRig();
  first = testCertificate(1);
  const credential = { issue: async () => first };
  ({ id } = await rig.identity.createUser({ name: 'alice', role: 'operator', credential }, ROOT));
});

/** All that are good, the newest first. */
async function held(): Promise<readonly (string | undefined)[]> {
  const user = await rig.identity.resolveUser(id);
  return [user.certificate?.fingerprint, ...(user.previous ?? []).map(({ fingerprint }) => fingerprint)];
}

describe('a certificate that is renewed', () => {
  test('leaves the old one good, whichever machine asks, and the audit says who did it', async () => {
    const [laptop, desktop] = [testCertificate(1), testCertificate(1)];
    await rig.identity.renewUser(id, first.fingerprint, laptop);
    await rig.identity.renewUser(id, first.fingerprint, desktop);
    expect(await held()).toEqual([desktop, first, laptop].map(({ fingerprint }) => fingerprint));
    expect((await rig.identity.listAudit()).items.at(-1)).toMatchObject({
      what: 'user.renew',
      actor: { kind: 'user', id },
    });
    const { directory } = rig.identity;
    await directory.start();
    for (const { fingerprint } of [first, laptop, desktop])
      expect(directory.standing({ role: 'user', id, fingerprint })).toMatchObject({ ok: true });
    const other = testCertificate(1).fingerprint;
    expect(directory.standing({ role: 'user', id, fingerprint: other })).toEqual({ ok: false, reason: 'revoked' });
    await directory.stop();
  });

  test('and recorded already is not recorded again', async () => {
    const next = testCertificate(1);
    await rig.identity.renewUser(id, first.fingerprint, next);
    const revision = rig.f.server.revision;
    await rig.identity.renewUser(id, first.fingerprint, next);
    expect(rig.f.server.revision).toBe(revision);
  });

  test('keeps the last few only, and never drops the one that was shown', async () => {
    for (let n = 0; n < 20; n++) await rig.identity.renewUser(id, first.fingerprint, testCertificate(1));
    expect(await held()).toHaveLength(1 + PREVIOUS_MAX);
    expect(await held()).toContain(first.fingerprint);
  });

  test('forgets those that have expired', async () => {
    const short = { ...testCertificate(1), notAfter: rig.f.clock.now() + 1_000 };
    await rig.identity.renewUser(id, first.fingerprint, short);
    await rig.f.clock.advance(2_000);
    await rig.identity.renewUser(id, first.fingerprint, testCertificate(1));
    expect(await held()).not.toContain(short.fingerprint);
  });

  test('is one of a kind: a reissue ends all of them', async () => {
    await rig.identity.renewUser(id, first.fingerprint, testCertificate(1));
    const again = testCertificate(2);
    await rig.identity.reissueUser(id, { issue: async () => again }, ROOT);
    expect(await held()).toEqual([again.fingerprint]);
  });
});

describe('a renewal is refused, and nothing is written,', () => {
  const refused = (presented: string, next = testCertificate(1)) =>
    rig.refusal(() => rig.identity.renewUser(id, presented, next));

  test('to who shows a certificate that is not the user’s, or was reissued', async () => {
    expect(await refused('0'.repeat(64))).toBe('unauthenticated');
    await rig.identity.reissueUser(id, { issue: async () => testCertificate(2) }, ROOT);
    expect(await refused(first.fingerprint)).toBe('unauthenticated');
  });

  test('to a user who was revoked, also at that moment', async () => {
    const racing = rig.from(1, () => rig.identity.revokeUser(id, ROOT));
    await expect(racing.renewUser(id, first.fingerprint, testCertificate(1))).rejects.toMatchObject({
      code: 'unauthenticated',
    });
    expect(await refused(first.fingerprint)).toBe('unauthenticated');
  });

  test('to a user who has a secret now', async () => {
    await rig.identity.reissueUser(id, { hash: () => 'hash' }, ROOT);
    expect(await refused(first.fingerprint)).toBe('unauthenticated');
  });

  test('with a certificate of a CA that does not sign any more, or by a node that may not sign', async () => {
    expect(await refused(first.fingerprint, testCertificate(1, 2))).toBe('conflict');
    const plain = rig.from(2);
    expect(await rig.refusal(() => plain.renewUser(id, first.fingerprint, testCertificate(1)))).toBe('not-admin-node');
  });
});
