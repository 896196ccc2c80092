import { beforeEach, describe, expect, test } from 'vitest';
import { initCluster, requireCluster } from '../init.ts';
import { codecs } from '../records.ts';
import { read, testNode } from '../testing/fixtures.ts';
import { CLUSTER_ID, founding, type IdentityRig, identityRig } from '../testing/identity-rig.ts';
import { identityCodecs } from './records.ts';

let rig: IdentityRig;

beforeEach(async () => {
  rig = await identityRig(false);
});

describe('cluster init', () => {
  test('writes the cluster, its CA, its first member and admin, and the audit of it, in one revision', async () => {
    const before = Number(rig.f.server.revision);
    const answer = await rig.identity.found(founding());
    expect(Number(rig.f.server.revision)).toBe(before + 1);
    const { keys } = rig.f;
    const cluster = await read(rig.f, keys.cluster(), codecs.cluster);
    expect(answer).toEqual({ cluster: CLUSTER_ID, defaultProject: cluster?.defaultProject, existing: false });
    expect(cluster?.id).toBe(CLUSTER_ID);
    expect(await read(rig.f, keys.ca(), identityCodecs.ca)).toMatchObject({ phase: 'stable', current: founding().ca });
    expect(await read(rig.f, keys.admin(testNode(1)), identityCodecs.admin)).toBeDefined();
    expect(await read(rig.f, keys.member(testNode(1)), identityCodecs.member)).toMatchObject({
      address: 'https://n1:7420',
    });
    expect((await rig.identity.listAudit()).items).toMatchObject([{ what: 'cluster.init', subject: CLUSTER_ID }]);
    expect((await rig.f.server.get(keys.incarnation())).kv).toBeDefined();
  });

  test('run twice answers the same and writes nothing', async () => {
    const first = await rig.identity.found(founding());
    const revision = rig.f.server.revision;
    expect(await rig.identity.found(founding())).toEqual({ ...first, existing: true });
    expect(rig.f.server.revision).toBe(revision);
  });

  test('whose answer is lost finds that it was done', async () => {
    let lost = 0;
    rig.store.plan = { call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined) };
    const answer = await rig.wait(rig.identity.found(founding()));
    expect(answer).toMatchObject({ cluster: CLUSTER_ID, existing: true });
    expect((await rig.identity.listAudit()).items).toHaveLength(1);
  });

  test('refuses a prefix with another cluster, also one without identities', async () => {
    await rig.identity.found(founding());
    expect(await rig.refusal(() => rig.identity.found(founding(2, 'f'.repeat(32))))).toBe('already-initialised');
    expect(await rig.refusal(() => rig.identity.found(founding(2)))).toBe('already-initialised');
    const plain = await identityRig(false);
    await initCluster(plain.f.ctx, new AbortController().signal);
    expect(await plain.refusal(() => plain.identity.found(founding()))).toBe('already-initialised');
  });

  test('refuses a prefix with any key', async () => {
    await rig.f.store.txn({ compares: [], success: [{ op: 'put', key: '/boi/zzz', value: '' }] });
    expect(await rig.refusal(() => rig.identity.found(founding()))).toBe('already-initialised');
  });

  test.each(['found', 'plain'] as const)('that races with another (%s) loses whole', async (kind) => {
    const other = rig.from(2);
    const racing = rig.from(1, () =>
      kind === 'found'
        ? other.found(founding(2, 'f'.repeat(32)))
        : initCluster(rig.f.ctx, new AbortController().signal),
    );
    await expect(racing.found(founding())).rejects.toMatchObject({ code: 'already-initialised' });
    expect((await rig.keys()).filter((key) => key.includes(testNode(1)))).toEqual([]);
  });
});

describe('a node with a certificate', () => {
  test('takes the cluster it is of, and no other, and makes none', async () => {
    const revision = rig.f.server.revision;
    await expect(requireCluster(rig.f.ctx, CLUSTER_ID)).rejects.toMatchObject({ code: 'wrong-state' });
    expect(rig.f.server.revision).toBe(revision);
    await rig.identity.found(founding());
    expect((await requireCluster(rig.f.ctx, CLUSTER_ID)).id).toBe(CLUSTER_ID);
    await expect(requireCluster(rig.f.ctx, 'f'.repeat(32))).rejects.toMatchObject({ code: 'wrong-state' });
  });
});
