import type { NodeId } from '@boi/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { nodeRecord, testNode } from '../testing/fixtures.ts';
import { type IdentityRig, identityRig, ROOT, testCertificate } from '../testing/identity-rig.ts';

let rig: IdentityRig;
let node: NodeId;

beforeEach(async () => {
  rig = await identityRig();
  node = await rig.join(1);
});

/** A live session of `id`, with another key bound to its lease. */
async function live(id: NodeId): Promise<void> {
  const { store, keys } = rig.f;
  const granted = await store.grantLease(15_000);
  if (granted.outcome === 'unknown') throw granted.cause;
  const { lease } = granted;
  const value = codecs.node.encode(nodeRecord());
  await store.txn({
    compares: [],
    success: [
      { op: 'put', key: keys.node(id), value, lease },
      { op: 'put', key: keys.load(id), value: '{}', lease },
      { op: 'put', key: `${keys.prefix}holds/${id}`, value: '{}', lease },
    ],
  });
}

const keysOf = async (id: string) => (await rig.keys()).filter((key) => key.includes(id));

describe('a live node that is expelled', () => {
  test('loses membership, key, session and all that hangs on it, and the audit says who did it', async () => {
    await live(node);
    const [before] = (await rig.keys()).filter((key) => key.startsWith('memberkeys/'));
    await rig.identity.expelMember(node, ROOT);
    expect(await keysOf(node)).toEqual([]);
    expect((await rig.keys()).filter((key) => key.startsWith('memberkeys/'))).not.toContain(before);
    expect((await rig.identity.listAudit()).items.at(-1)).toMatchObject({
      what: 'member.expel',
      actor: ROOT,
      subject: node,
    });
  });

  test('renews nothing afterwards, and cannot be expelled twice', async () => {
    const own = testCertificate(9);
    const other = (await rig.identity.admit(rig.joining(2, 9, { issue: async () => own }))).node;
    await rig.identity.expelMember(other, ROOT);
    const renewing = rig.identity.renewMember(other, own.fingerprint, testCertificate(9));
    await expect(renewing).rejects.toMatchObject({ code: 'unauthenticated' });
    const revision = rig.f.server.revision;
    await rig.identity.expelMember(other, ROOT);
    expect(rig.f.server.revision).toBe(revision);
  });

  test('that renews at that moment is expelled all the same', async () => {
    const own = testCertificate(9);
    const other = (await rig.identity.admit(rig.joining(2, 9, { issue: async () => own }))).node;
    const racing = rig.from(1, () => rig.identity.renewMember(other, own.fingerprint, testCertificate(9)));
    await racing.expelMember(other, ROOT);
    expect(await keysOf(other)).toEqual([]);
  });

  test('that registers a new session at that moment loses that one', async () => {
    await live(node);
    const racing = rig.from(1, () => live(node));
    await racing.expelMember(node, ROOT);
    expect(await keysOf(node)).toEqual([]);
  });
});

test('an admin node is not expelled, nor the node that is asked, nor one that becomes an admin at that moment', async () => {
  expect(await rig.refusal(() => rig.identity.expelMember(testNode(1), ROOT))).toBe('wrong-state');
  await live(node);
  const racing = rig.from(1, () => rig.identity.grantAdmin(node, ROOT));
  await expect(racing.expelMember(node, ROOT)).rejects.toMatchObject({ code: 'wrong-state', message: /admin/ });
  expect((await keysOf(node)).length).toBeGreaterThan(2);
});
