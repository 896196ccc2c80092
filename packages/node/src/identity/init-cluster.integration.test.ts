import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EtcdServer, startEtcd } from '@boi/store/testing';
import { createLogger } from '@boi/system';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DaemonConfig, resolveDaemonConfig } from '../config.ts';
import { openEtcd } from '../etcd-options.ts';
import { initCluster } from './init-cluster.ts';

let etcd: EtcdServer;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.stop());

let dir: string;
let prefixes = 0;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-init-'));
  prefixes++;
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const log = createLogger({ name: 'test', level: 'silent' });

function config(name: string): DaemonConfig {
  const flags = {
    'data-dir': join(dir, name),
    etcd: etcd.endpoint,
    prefix: `/t${prefixes}/`,
    listen: '127.0.0.1:7440',
  };
  return resolveDaemonConfig({ flags }).config;
}

async function revision(): Promise<string> {
  const store = await openEtcd(config('any'));
  try {
    return String((await store.get('/nothing')).revision);
  } finally {
    await store.close();
  }
}

describe('cluster init', () => {
  it('keeps the key of the CA for its owner, and answers the same ids again without writing', async () => {
    const first = await initCluster(config('a'), log);
    expect(first).toMatchObject({ existing: false, address: 'https://127.0.0.1:7440' });
    expect((await stat(join(first.identityDir, 'ca.key'))).mode & 0o777).toBe(0o600);
    const before = await revision();
    expect(await initCluster(config('a'), log)).toEqual({ ...first, existing: true });
    expect(await revision()).toBe(before);
  });

  it('refuses a prefix in use, and writes nothing', async () => {
    await initCluster(config('a'), log);
    const before = await revision();
    await expect(initCluster(config('b'), log)).rejects.toMatchObject({ code: 'already-initialised', exitCode: 5 });
    expect(await revision()).toBe(before);
  });

  it.each(['ca.key', 'ca.pem', 'node.key', 'node.pem', 'cluster.json'])(
    'goes on when it was interrupted before %s was written',
    async (file) => {
      // What an interruption leaves is a prefix of what is written, so the files from this one on are taken away.
      const first = await initCluster(config('a'), log);
      const order = ['ca.key', 'ca.pem', 'node.key', 'node.pem', 'cluster.json'];
      prefixes++;
      for (const later of order.slice(order.indexOf(file))) await rm(join(first.identityDir, later));
      const again = await initCluster(config('a'), log);
      expect(again).toMatchObject({ cluster: first.cluster, node: first.node, existing: false });
      expect(await readFile(join(first.identityDir, 'cluster.json'), 'utf8')).toContain(first.cluster);
    },
  );
});
