/**
 * `boi-node cluster init`: this data directory becomes the first node of a new cluster and holds the key of its CA. Files
 * first (`prepareFounding`), then one transaction that creates the cluster, its CA, this node as a member and as an admin and
 * refuses a prefix in use, then what the node's next start needs to find the store. Run again it answers the same ids;
 * interrupted anywhere, it goes on.
 */
import { ClusterIdentity } from '@boi/cluster';
import type { NodeId } from '@boi/core';
import { hostsOfAddress, IdentityFiles, prepareFounding } from '@boi/identity';
import { type Logger, lockDataDir, systemClock, systemRandom } from '@boi/system';
import type { DaemonConfig } from '../config.ts';
import { beginOn, ETCD_DEFAULT, openEtcd } from '../etcd-options.ts';
import { loadIdentity } from '../identity.ts';
import { MetricsRegistry } from '../metrics-registry.ts';
import { PREFIX_DEFAULT, writeClusterFile } from './cluster-file.ts';
import { plannedAddress } from './planned-address.ts';

export interface InitAnswer {
  /** Cluster id. */
  readonly cluster: string;
  readonly node: NodeId;
  /** SHA-256 of the CA's certificate, hexadecimal. */
  readonly caFingerprint: string;
  /** URL at which the node will serve; port 0 if it takes a free one. */
  readonly address: string;
  /** Where its credentials are. */
  readonly identityDir: string;
  /** It had been founded from here before: nothing was written. */
  readonly existing: boolean;
}

/** Throws `already-initialised` for a prefix in use, `identity-in-use` while a daemon runs here, `store-unreachable`. */
export async function initCluster(config: DaemonConfig, log: Logger): Promise<InitAnswer> {
  const clock = systemClock;
  const random = systemRandom;
  const dataDir = config['data-dir'];
  const lock = await lockDataDir(dataDir);
  try {
    const node = await loadIdentity(dataDir, clock, random);
    const files = new IdentityFiles(dataDir);
    const address = plannedAddress(config);
    const founding = await prepareFounding({ files, node, hosts: hostsOfAddress(address), clock, random });
    const { authority, certificate, cluster } = founding;
    const prefix = config.prefix ?? PREFIX_DEFAULT;
    const store = await openEtcd(config);
    try {
      const identity = new ClusterIdentity({
        store,
        prefix,
        clock,
        random,
        log,
        metrics: new MetricsRegistry({}),
        self: node,
      });
      const { pem, fingerprint, notAfter } = authority.certificate;
      const ca = { pem, fingerprint, notAfter };
      const { existing } = await beginOn(config, () =>
        identity.found({
          cluster,
          ca,
          node,
          certificate,
          ...(config.name === undefined ? {} : { name: config.name }),
          address,
        }),
      );
      await writeClusterFile(dataDir, { v: 1, cluster, etcd: [...(config.etcd ?? [ETCD_DEFAULT])], prefix });
      return { cluster, node, caFingerprint: fingerprint, address, identityDir: files.dir, existing };
    } finally {
      await store.close();
    }
  } finally {
    await lock.release();
  }
}
