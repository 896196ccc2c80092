/**
 * Identities for `boi-node dev`: a CA and a certificate for each node, made before the nodes start. The first node founds the
 * cluster; the others are admitted as by a join token, but over the store that all share, since nobody listens yet. What a
 * kept data directory has from before is used again, except on an in-process store, which forgets who was a member.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterIdentity } from '@boi/cluster';
import { IdMinter } from '@boi/core';
import {
  createSigningRequest,
  hostsOfAddress,
  IdentityFiles,
  type IssueContext,
  prepareFounding,
  readSigningRequest,
} from '@boi/identity';
import type { Store } from '@boi/store';
import { type Logger, lockDataDir } from '@boi/system';
import type { DaemonConfig } from '../config.ts';
import { loadIdentity, saveNodeId } from '../identity.ts';
import { MetricsRegistry } from '../metrics-registry.ts';
import { PREFIX_DEFAULT, writeClusterFile } from './cluster-file.ts';
import { plannedAddress } from './planned-address.ts';

export interface DevIdentitiesOptions extends IssueContext {
  /** Of the nodes, the first of which founds. */
  readonly configs: readonly DaemonConfig[];
  /** Used and left open. */
  readonly store: Store;
  /** Endpoints of the store, as its nodes would be told. */
  readonly etcd: readonly string[];
  /** The store is empty at each start. */
  readonly forgetful: boolean;
  readonly log: Logger;
}

/** Never asked for: the token is used at once. */
const TOKEN_TTL_MS = 60_000;

/** Answers where the credentials of the first node, an admin, are. */
export async function makeDevIdentities(options: DevIdentitiesOptions): Promise<string> {
  const { configs, store, clock, random, log, forgetful } = options;
  const [first, ...others] = configs;
  if (first === undefined) throw new Error('a cluster has at least one node');
  const io = { clock, random };
  const prefix = first.prefix ?? PREFIX_DEFAULT;
  const files = new IdentityFiles(first['data-dir']);
  return locked(first, async () => {
    const node = await loadIdentity(first['data-dir'], clock, random);
    const hosts = hostsOfAddress(plannedAddress(first));
    const { authority, certificate, cluster } = await prepareFounding({ files, node, hosts, ...io });
    const identity = new ClusterIdentity({ store, prefix, ...io, log, metrics: new MetricsRegistry({}), self: node });
    const { pem, fingerprint, notAfter } = authority.certificate;
    const name = first.name === undefined ? {} : { name: first.name };
    const ca = { pem, fingerprint, notAfter };
    await identity.found({ cluster, ca, node, certificate, ...name, address: plannedAddress(first) });
    const clusterFile = { v: 1 as const, cluster, etcd: [...options.etcd], prefix };
    await writeClusterFile(first['data-dir'], clusterFile);
    for (const config of others) {
      await locked(config, async () => {
        const dataDir = config['data-dir'];
        if (forgetful) await forget(dataDir);
        const own = new IdentityFiles(dataDir);
        if ((await own.credentials()) !== undefined) return;
        const address = plannedAddress(config);
        const request = await readSigningRequest(await createSigningRequest(await own.ensureKey('key')));
        const token = {
          id: new IdMinter(clock, random).mint('token'),
          expiresAt: clock.now() + TOKEN_TTL_MS,
          bind: {},
        };
        const admitted = await identity.admit({
          token,
          keyFingerprint: request.keyFingerprint,
          ...(config.name === undefined ? {} : { name: config.name }),
          address,
          issue: (id) => authority.issue(io, { request, cluster, role: 'node', id, hosts: hostsOfAddress(address) }),
        });
        await own.write('trust', admitted.trust);
        await writeClusterFile(dataDir, clusterFile);
        await saveNodeId(dataDir, admitted.node);
        await own.write('certificate', admitted.certificate.pem);
      });
    }
    return files.dir;
  });
}

async function locked<T>(config: DaemonConfig, work: () => Promise<T>): Promise<T> {
  const lock = await lockDataDir(config['data-dir']);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

async function forget(dataDir: string): Promise<void> {
  await rm(join(dataDir, 'identity'), { recursive: true, force: true });
  await rm(join(dataDir, 'node.json'), { force: true });
}
