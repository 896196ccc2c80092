import type { NodeId } from '@boi/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { settleIntent } from '../events/settle-intent.ts';
import { codecs } from '../records.ts';
import { nodeRecord, testNode } from '../testing/fixtures.ts';
import { type IdentityRig, identityRig, ROOT, testCa, testCertificate } from '../testing/identity-rig.ts';

let rig: IdentityRig;
let node: NodeId;

beforeEach(async () => {
  rig = await identityRig();
  node = await rig.join(1);
});

const DAY_MS = 24 * 3600_000;
const plan = (over: object = {}) => rig.identity.rotate('plan', { next: testCa(2), ...over }, ROOT);
const step = (name: 'execute' | 'finalize' | 'abort', force = false) => rig.identity.rotate(name, { force }, ROOT);
const ca = async () => (await rig.identity.rotation()).ca;
/** The node has a session. */
async function live(id: NodeId): Promise<void> {
  const value = codecs.node.encode(nodeRecord());
  await rig.f.store.txn({ compares: [], success: [{ op: 'put', key: rig.f.keys.node(id), value }] });
}
/** The node says that it trusts these. */
const acknowledge = (n: number, ...cas: number[]) =>
  rig.from(n).acknowledgeTrust(cas.map((number) => testCa(number).fingerprint));
async function renew(id: NodeId, n: number): Promise<void> {
  const key = rig.f.keys.member(id);
  const { kv } = await rig.f.store.get(key);
  const { certificate } = JSON.parse(String(kv?.value)) as { certificate: { fingerprint: string } };
  await rig.identity.renewMember(id, certificate.fingerprint, testCertificate(id === node ? 1 : 0xf001, n));
}

describe('a rotation', () => {
  test('publishes, switches, waits for everybody, and ends with one CA', async () => {
    await plan();
    expect(await ca()).toMatchObject({ phase: 'planned', current: testCa(1), next: testCa(2) });
    await step('execute');
    const rotating = { phase: 'rotating', current: testCa(2), previous: testCa(1) };
    expect(await ca()).toMatchObject({ ...rotating, trustUntil: rig.f.clock.now() + DAY_MS });
    expect((await ca()).next).toBeUndefined();
    await renew(testNode(1), 2);
    await renew(node, 2);
    await step('finalize');
    const { phase, current, previous, next } = await ca();
    expect({ phase, current, previous, next }).toEqual({ phase: 'stable', current: testCa(2) });
    expect(rig.f.events).toEqual(
      ['plan', 'execute', 'finalize'].map((name) => ({ kind: 'cluster.ca_rotated', step: name })),
    );
    expect(rig.f.port.problems).toEqual([]);
    for (const { intended } of rig.f.port.resolved)
      expect(await settleIntent(rig.f.ctx, intended)).toEqual({ outcome: 'happened' });
    const steps = (await rig.identity.listAudit()).items.filter(({ what }) => what.startsWith('ca.rotate'));
    expect(steps.map(({ what, subject }) => [what, subject])).toEqual(
      ['plan', 'execute', 'finalize'].map((name) => [`ca.rotate.${name}`, testCa(2).fingerprint]),
    );
  });

  test('is not executed while a live node does not trust the new CA; one that is away does not keep it', async () => {
    await live(testNode(1));
    await plan();
    expect(await rig.refusal(() => step('execute'))).toBe('wrong-state');
    await expect(step('execute')).rejects.toMatchObject({ details: { nodes: [testNode(1)] } });
    await acknowledge(1, 1, 2);
    const { members } = await rig.identity.rotation();
    expect(members.map(({ id, live: alive, trusts }) => [id, alive, trusts])).toEqual([
      [testNode(1), true, true],
      [node, false, false],
    ]);
    await step('execute');
  });

  test('is executed by force in spite of that', async () => {
    await live(testNode(1));
    await plan();
    await step('execute', true);
    expect((await ca()).phase).toBe('rotating');
  });

  test('is not finalized while a node, running or not, has a certificate of the old CA, unless forced', async () => {
    await plan();
    await step('execute');
    await renew(testNode(1), 2);
    expect(await rig.refusal(() => step('finalize'))).toBe('wrong-state');
    await expect(step('finalize')).rejects.toMatchObject({ details: { nodes: [node] } });
    await rig.f.clock.advance(2 * DAY_MS);
    expect(await rig.refusal(() => step('finalize'))).toBe('wrong-state');
    await step('finalize', true);
    expect((await ca()).phase).toBe('stable');
  });

  test('waits for users until the trust window ends', async () => {
    const credential = { issue: async () => testCertificate(7) };
    const { id } = await rig.identity.createUser({ name: 'ada', role: 'viewer', credential }, ROOT);
    const gone = await rig.identity.createUser({ name: 'bob', role: 'viewer', credential }, ROOT);
    await rig.identity.revokeUser(gone.id, ROOT);
    await rig.user('by secret');
    await plan({ trustWindowMs: 1_000 });
    await step('execute');
    await renew(testNode(1), 2);
    await renew(node, 2);
    expect((await rig.identity.rotation()).usersToRenew).toEqual([id]);
    await expect(step('finalize')).rejects.toMatchObject({ code: 'wrong-state', details: { users: [id] } });
    await rig.f.clock.advance(999);
    expect(await rig.refusal(() => step('finalize'))).toBe('wrong-state');
    await rig.identity.reissueUser(id, { issue: async () => testCertificate(7, 2) }, ROOT);
    expect((await rig.identity.rotation()).usersToRenew).toEqual([]);
    await step('finalize');
  });

  test('is finalized at the end of the trust window also when a user has not renewed', async () => {
    const credential = { issue: async () => testCertificate(7) };
    await rig.identity.createUser({ name: 'ada', role: 'viewer', credential }, ROOT);
    await plan({ trustWindowMs: 1_000 });
    await step('execute');
    await renew(testNode(1), 2);
    await renew(node, 2);
    await rig.f.clock.advance(1_000);
    await step('finalize');
  });

  test('that is called off before the switch leaves nothing', async () => {
    await plan();
    await step('abort');
    const { phase, current, next } = await ca();
    expect({ phase, current, next }).toEqual({ phase: 'stable', current: testCa(1) });
  });

  test('that is called off after the switch goes back in the same way; called off twice it does not turn round', async () => {
    await plan();
    await step('execute');
    await renew(node, 2);
    await step('abort');
    const back = { phase: 'rotating', current: testCa(1), previous: testCa(2), aborted: true };
    expect(await ca()).toMatchObject(back);
    const revision = rig.f.server.revision;
    await step('abort');
    expect(rig.f.server.revision).toBe(revision);
    await expect(step('finalize')).rejects.toMatchObject({ details: { nodes: [node] } });
    await renew(node, 1);
    await step('finalize');
    expect((await ca()).current).toEqual(testCa(1));
    expect((await ca()).aborted).toBeUndefined();
  });

  test('takes its steps in order, and each once', async () => {
    expect(await rig.refusal(() => step('execute'))).toBe('wrong-state');
    const idle = rig.f.server.revision;
    await step('finalize');
    await step('abort');
    expect(rig.f.server.revision).toBe(idle);
    expect(await rig.refusal(() => rig.identity.rotate('plan', {}, ROOT))).toBe('bad-request');
    expect(await rig.refusal(() => plan({ next: testCa(1) }))).toBe('bad-request');
    await plan();
    const planned = rig.f.server.revision;
    await plan();
    expect(rig.f.server.revision).toBe(planned);
    expect(await rig.refusal(() => plan({ next: testCa(3) }))).toBe('wrong-state');
    expect(await rig.refusal(() => step('finalize'))).toBe('wrong-state');
    await step('execute');
    expect(await rig.refusal(() => step('execute'))).toBe('wrong-state');
    expect(await rig.refusal(() => plan({ next: testCa(3) }))).toBe('wrong-state');
  });

  test('is done by admin nodes only', async () => {
    expect(await rig.refusal(() => rig.from(9).rotate('plan', { next: testCa(2) }, ROOT))).toBe('not-admin-node');
  });

  test('whose step is taken by two at once is one step', async () => {
    await plan();
    const late = rig.from(1, () => step('execute'));
    expect((await late.rotate('execute', {}, ROOT)).ca).toMatchObject({ phase: 'rotating', current: testCa(2) });
  });

  test('planned by two at once is that of the first', async () => {
    const late = rig.from(1, () => plan());
    await expect(late.rotate('plan', { next: testCa(3) }, ROOT)).rejects.toMatchObject({ code: 'wrong-state' });
    expect((await ca()).next).toEqual(testCa(2));
  });

  test('whose answer is lost is done once', async () => {
    await plan();
    await step('execute');
    let lost = 0;
    rig.store.plan = { call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined) };
    await rig.wait(step('abort'));
    expect(await ca()).toMatchObject({ phase: 'rotating', current: testCa(1), aborted: true });
  });

  test('admits nodes all along: with both CAs to trust, by the one that signs', async () => {
    await plan();
    expect((await rig.identity.admit(rig.joining(2, 2))).trust).toBe(testCa(1).pem + testCa(2).pem);
    await step('execute');
    const early = () => rig.identity.admit(rig.joining(3, 3));
    expect(await rig.refusal(early)).toBe('conflict');
    const issue = async () => testCertificate(3, 2);
    expect((await rig.identity.admit(rig.joining(3, 3, { issue }))).trust).toBe(testCa(2).pem + testCa(1).pem);
  });

  test('is told by a node that trusts once; one that was removed tells nothing', async () => {
    await acknowledge(1, 2, 1);
    const revision = rig.f.server.revision;
    await acknowledge(1, 1, 2, 2);
    await acknowledge(9, 1);
    expect(rig.f.server.revision).toBe(revision);
    await plan();
    await acknowledge(1, 1);
    expect((await rig.identity.rotation()).members[0]?.trusts).toBe(false);
    const late = rig.from(1, () => renew(testNode(1), 1));
    await late.acknowledgeTrust([testCa(1).fingerprint, testCa(2).fingerprint]);
    const { kv } = await rig.f.store.get(rig.f.keys.member(testNode(1)));
    // The renewal that came between is kept.
    expect(JSON.parse(String(kv?.value))).toMatchObject({ previous: expect.any(String) });
    expect((await rig.identity.rotation()).members[0]?.trusts).toBe(true);
  });
});
