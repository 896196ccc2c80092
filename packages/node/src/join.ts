/**
 * `boi-node join`: one node against etcd. With identities it has a certificate already, or a token to get one by (its first
 * start; or its next after the certificate has expired); a restart with what is on disk asks nobody for anything.
 */
import { readFile } from 'node:fs/promises';
import { BoiError, type NodeId } from '@boi/core';
import { IdentityFiles } from '@boi/identity';
import { type DataDirLock, type Logger, lockDataDir, systemClock, systemRandom } from '@boi/system';
import type { DaemonConfig } from './config.ts';
import { checkSettings, Daemon } from './daemon.ts';
import { beginOn, openEtcd } from './etcd-options.ts';
import { readClusterFile } from './identity/cluster-file.ts';
import { enroll } from './identity/enroll.ts';
import { loadIdentity } from './identity.ts';
import { readPluginFiles } from './plugins/plugin-file.ts';

/** Resolves when the node is a member; throws what is wrong. `onFatal`: it cannot go on and is to be stopped. */
export async function startNode(config: DaemonConfig, log: Logger, onFatal?: (error: Error) => void): Promise<Daemon> {
  const dataDir = config['data-dir'];
  const files = new IdentityFiles(dataDir);
  const token = await joinToken(config);
  checkSettings(config, !config.insecure);
  // Before a token is spent on a node that cannot start.
  await readPluginFiles(dataDir);
  if (config.insecure && (token !== undefined || (await files.read('certificate')) !== undefined)) {
    throw new BoiError(
      'config-invalid',
      `--insecure serves without identities, but ${token === undefined ? `${files.dir} holds one` : 'a join token is given'}; leave one of the two`,
    );
  }
  if (config.insecure) {
    const store = await openEtcd(config);
    return beginOn(config, () => Daemon.start({ config, store, log }));
  }
  const lock = await lockDataDir(dataDir);
  try {
    await requireIdentity(config, files, token, log);
    return await startSecure(config, log, lock, onFatal);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Enrols, and stops: `join --enroll-only`. Nothing is done when there is a good certificate. Answers the node's id. */
export async function enrollNode(config: DaemonConfig, log: Logger): Promise<NodeId> {
  checkSettings(config, true);
  const lock = await lockDataDir(config['data-dir']);
  try {
    await requireIdentity(config, new IdentityFiles(config['data-dir']), await joinToken(config), log);
    return await loadIdentity(config['data-dir'], systemClock, systemRandom);
  } finally {
    await lock.release();
  }
}

async function startSecure(
  config: DaemonConfig,
  log: Logger,
  lock: DataDirLock,
  onFatal: ((error: Error) => void) | undefined,
): Promise<Daemon> {
  const saved = await readClusterFile(config['data-dir']);
  const etcd = config.etcd ?? saved?.etcd;
  const prefix = config.prefix ?? saved?.prefix;
  const settled: DaemonConfig = {
    ...config,
    ...(etcd === undefined ? {} : { etcd }),
    ...(prefix === undefined ? {} : { prefix }),
  };
  const store = await openEtcd(settled);
  return beginOn(settled, () =>
    Daemon.start({
      config: settled,
      store,
      log,
      lock,
      secure: true,
      ...(onFatal === undefined ? {} : { onFatal }),
    }),
  );
}

/** A certificate that is good, or the means to get one. */
async function requireIdentity(
  config: DaemonConfig,
  files: IdentityFiles,
  token: string | undefined,
  log: Logger,
): Promise<void> {
  const credentials = await files.credentials();
  const good = credentials !== undefined && systemClock.now() < credentials.facts.notAfter;
  // A token that was used up by an earlier start stays in configurations; it is not asked for again.
  if (good) return;
  if (token !== undefined) {
    await enroll({ config, files, token, clock: systemClock, random: systemRandom, log });
    return;
  }
  throw new BoiError(
    'wrong-state',
    credentials === undefined
      ? `${config['data-dir']} holds no certificate: found a cluster here (\`boi-node cluster init\`), or join one with --token, which an admin makes (\`boi-node token create\`)`
      : 'the certificate of this node has expired; ask an admin for a token (`boi-node token create`) and start once with --token: the node keeps its id',
  );
}

async function joinToken(config: DaemonConfig): Promise<string | undefined> {
  const path = config['token-file'];
  if (config.token !== undefined) return config.token.trim();
  if (path === undefined) return undefined;
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    // Often removed after the first start.
    if (cause.code === 'ENOENT') return '';
    throw new BoiError('config-invalid', `--token-file ${path}: ${cause.message}`, { cause });
  });
  return text.trim() === '' ? undefined : text.trim();
}
