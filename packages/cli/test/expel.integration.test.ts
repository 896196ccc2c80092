/**
 * A host is stolen while its node runs: real processes, a real etcd. The node is expelled by an operator who cannot reach the
 * host; its work runs elsewhere, and neither its process, nor its data directory, nor its certificate is of use any more.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BoiClient } from '@boi/client';
import type { AuditView, FsckReport, NodeView, TaskView } from '@boi/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SecureCluster, type SecureDaemon } from './support/secure-cluster.ts';
import { until } from './support/until.ts';

/** A build of what changed, and a machine that is busy otherwise. */
const WITHIN_MS = 600_000;
let cluster: SecureCluster;
let stolen: SecureDaemon;

const admin = (...words: string[]) => cluster.ok(cluster.admin, words);
const json = async <T>(...words: string[]) => JSON.parse(await admin(...words, '-o', 'json')) as T;
const ofStolen = (file: string) => readFileSync(join(stolen.dataDir, 'identity', file), 'utf8');

/** What the stolen host could still ask with what is on its disk. */
async function asked(): Promise<unknown> {
  const client = new BoiClient({
    endpoints: [cluster.url],
    credentials: { ca: ofStolen('ca.pem'), certificate: ofStolen('node.pem'), key: ofStolen('node.key') },
  });
  try {
    return await client.call('whoami', {});
  } catch (error) {
    return error;
  } finally {
    client.close();
  }
}

beforeAll(async () => {
  cluster = await SecureCluster.make();
  await cluster.found();
  const [, file] = await cluster.token();
  stolen = await cluster.join('stolen', file);
}, WITHIN_MS);
afterAll(() => cluster?.stop(), WITHIN_MS);

test(
  'a live node is expelled: its work runs elsewhere, and it does not come back',
  async () => {
    // The first run is on the stolen node and would last for ever; whoever runs it again is done at once.
    const begun = join(cluster.dir, 'begun');
    await admin('node', 'cordon', 'first');
    const run = `if [ -e ${begun} ]; then echo elsewhere; else touch ${begun}; sleep 1000; fi`;
    const source = JSON.stringify({ tasks: [{ ref: 'a', run }] });
    const spec = (await cluster.ok(cluster.admin, ['spec', 'dispatch', '-'], source)).trim();
    await until('the task runs on the stolen node', () => existsSync(begun), 60_000);
    await admin('node', 'uncordon', 'first');
    expect(await asked()).toMatchObject({ actor: { kind: 'node', id: stolen.id } });

    const plain = await cluster.run(cluster.admin, ['node', 'remove', 'stolen']);
    expect(plain).toMatchObject({ code: 5, stderr: expect.stringContaining('--force') });
    const self = await cluster.run(cluster.admin, ['node', 'remove', 'first', '--force']);
    expect(self).toMatchObject({ code: 5, stderr: expect.stringContaining('admin') });
    expect(await admin('node', 'remove', 'stolen', '--force')).toBe(`${stolen.id}\n`);

    expect(await asked()).toMatchObject({ code: 'unauthenticated', details: { reason: 'unknown' } });
    expect(await cluster.run(cluster.admin, ['spec', 'wait', spec])).toMatchObject({ code: 0 });
    const task = await json<TaskView>('task', 'show', `${spec}/a`);
    expect(task).toMatchObject({ state: 'succeeded', node: { id: cluster.daemons[0]?.id }, attempt: 1 });
    expect(await admin('task', 'tail', `${spec}/a`)).toBe('elsewhere\n');

    // Its process ends by itself, says why, and what it ran has ended with it.
    expect(await stolen.ended()).toBe(3);
    expect(stolen.output).toContain(`${stolen.id} was removed from the cluster`);
    await expect(stolen.start()).rejects.toThrow(/was removed from the cluster/);
    const nodes = await json<NodeView[]>('node', 'list');
    expect(nodes.map(({ name }) => name)).toEqual(['first']);
    expect((await cluster.dump()).filter(({ key }) => key.includes(stolen.id) && !key.includes('/audit/'))).toEqual([]);

    const lines = await json<AuditView[]>('cluster', 'audit');
    expect(lines.filter(({ subject }) => subject === stolen.id).map(({ what }) => what)).toContain('member.expel');
    expect((await json<FsckReport>('cluster', 'fsck')).findings).toEqual([]);
  },
  WITHIN_MS,
);

test(
  'the host comes back as another node, with a token',
  async () => {
    const [, file] = await cluster.token();
    const again = await cluster.join('found-again', file);
    expect(again.id).not.toBe(stolen.id);
    expect((await json<NodeView[]>('node', 'list')).map(({ name }) => name).sort()).toEqual(['first', 'found-again']);
  },
  WITHIN_MS,
);
