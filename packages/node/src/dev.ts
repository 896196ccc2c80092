/**
 * `boi-node dev`: a whole cluster in one process, for trying things out, tests of specs and the demo. Several nodes, each
 * with its own data directory and API, share one in-process store, or a local etcd that is started and supervised.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoiError } from '@boi/core';
import { EtcdStore, MemoryServer, type Store } from '@boi/store';
import { type Logger, systemClock, systemRandom } from '@boi/system';
import { type DaemonConfig, resolveDaemonConfig } from './config.ts';
import { Daemon } from './daemon.ts';
import { EtcdProcess } from './etcd-process.ts';
import { makeDevIdentities } from './identity/dev-identities.ts';

export interface DevOptions {
  /** 1–64. */
  readonly nodes: number;
  /** Of each node. Default: the number of CPUs. */
  readonly slots?: number;
  /** Port of the first node's API, the others follow; 0 takes free ones. */
  readonly port: number;
  readonly store: 'memory' | 'etcd';
  /** Kept when given; else a temporary directory that is removed at the end. */
  readonly dataDir?: string;
  /** Labels of all nodes, `key=value`. */
  readonly labels?: readonly string[];
  /** Plain HTTP without identities. Default false. */
  readonly insecure?: boolean;
  readonly log: Logger;
  /** Something that cannot be mended while running: the caller stops everything. */
  readonly onFatal: (error: Error) => void;
}

export interface DevCluster {
  readonly nodes: readonly Daemon[];
  readonly dataDir: string;
  /** Credentials of the first node, an admin; absent without identities. */
  readonly identityDir?: string;
  stop(options?: { readonly drainMs?: number }): Promise<void>;
}

const NODES_MAX = 64;

export async function startDev(options: DevOptions): Promise<DevCluster> {
  if (!Number.isInteger(options.nodes) || options.nodes < 1 || options.nodes > NODES_MAX) {
    throw new BoiError('bad-request', `--nodes ${options.nodes}: must be a whole number from 1 to ${NODES_MAX}`);
  }
  const temporary = options.dataDir === undefined;
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'boi-dev-')));
  const undo: (() => Promise<unknown>)[] = [];
  if (temporary) undo.push(() => rm(dataDir, { recursive: true, force: true }));
  try {
    const { connect, endpoint } = await openStore(options, dataDir, undo);
    const insecure = options.insecure ?? false;
    const configs = Array.from({ length: options.nodes }, (_, i) => nodeConfig(options, dataDir, i, insecure));
    const identityDir = insecure ? undefined : await makeIdentities(options, configs, connect, endpoint);
    const nodes: Daemon[] = [];
    for (const config of configs) {
      const daemon = await Daemon.start({ config, store: connect(), log: options.log, secure: !insecure });
      nodes.push(daemon);
      undo.push(() => daemon.stop({ drainMs: 0 }));
    }
    return {
      nodes,
      dataDir,
      ...(identityDir === undefined ? {} : { identityDir }),
      async stop({ drainMs = 0 } = {}) {
        // Together: one after the other, each would hand its tasks to the next that is about to stop.
        await Promise.all(nodes.map((node) => node.stop({ drainMs })));
        for (const step of undo.reverse()) await step();
      },
    };
  } catch (error) {
    for (const step of undo.reverse())
      await step().catch((cause) => options.log.warn({ err: cause }, 'while giving up'));
    throw error;
  }
}

interface DevStore {
  readonly connect: () => Store;
  /** Of the etcd; absent for the in-process store. */
  readonly endpoint?: string;
}

async function openStore(options: DevOptions, dataDir: string, undo: (() => Promise<unknown>)[]): Promise<DevStore> {
  if (options.store === 'memory') {
    const server = new MemoryServer({ clock: systemClock });
    undo.push(async () => server.stop());
    return { connect: () => server.connect() };
  }
  const etcd = await EtcdProcess.start(join(dataDir, 'etcd'), options.log, options.onFatal);
  undo.push(() => etcd.stop());
  const { endpoint } = etcd;
  return {
    connect: () => new EtcdStore({ endpoints: [endpoint], clock: systemClock, random: systemRandom }),
    endpoint,
  };
}

async function makeIdentities(
  options: DevOptions,
  configs: readonly DaemonConfig[],
  connect: () => Store,
  endpoint: string | undefined,
): Promise<string> {
  const store = connect();
  try {
    return await makeDevIdentities({
      configs,
      store,
      etcd: [endpoint ?? 'memory'],
      forgetful: endpoint === undefined,
      clock: systemClock,
      random: systemRandom,
      log: options.log,
    });
  } finally {
    await store.close();
  }
}

function nodeConfig(options: DevOptions, dataDir: string, index: number, insecure: boolean): DaemonConfig {
  const name = `dev-${index + 1}`;
  const { config } = resolveDaemonConfig({
    flags: {
      name,
      'data-dir': join(dataDir, name),
      insecure: String(insecure),
      listen: `127.0.0.1:${options.port === 0 ? 0 : options.port + index}`,
      ...(options.slots === undefined ? {} : { slots: options.slots }),
      ...(options.labels === undefined || options.labels.length === 0 ? {} : { label: options.labels }),
    },
  });
  return config;
}
