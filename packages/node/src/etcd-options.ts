/** How this node reaches etcd: endpoints, and the files of its certificate when etcd asks for one. */
import { readFile } from 'node:fs/promises';
import { BoiError } from '@boi/core';
import { EtcdStore, type EtcdStoreOptions } from '@boi/store';
import { systemClock, systemRandom } from '@boi/system';
import type { DaemonConfig } from './config.ts';

export const ETCD_DEFAULT = 'http://127.0.0.1:2379';

export type EtcdSettings = Pick<DaemonConfig, 'etcd' | 'etcd-ca' | 'etcd-cert' | 'etcd-key'>;

/** Throws `config-invalid` for endpoints that are none, files that cannot be read, and settings that do not go together. */
export async function openEtcd(config: EtcdSettings): Promise<EtcdStore> {
  const endpoints = config.etcd ?? [ETCD_DEFAULT];
  for (const endpoint of endpoints) {
    if (!/^https?:\/\/[^/]+$/.test(endpoint)) {
      throw new BoiError('config-invalid', `--etcd ${endpoint}: must be a URL such as ${ETCD_DEFAULT}`);
    }
  }
  const tls = await readTls(config);
  const http = endpoints.find((endpoint) => endpoint.startsWith('http:') === (tls !== undefined));
  if (http !== undefined) {
    throw new BoiError(
      'config-invalid',
      tls === undefined
        ? `--etcd ${http}: https needs --etcd-ca, --etcd-cert and --etcd-key`
        : `--etcd ${http}: must be an https:// URL when --etcd-ca is given, or the certificate would not be asked for`,
    );
  }
  return new EtcdStore({
    endpoints,
    clock: systemClock,
    random: systemRandom,
    ...(tls === undefined ? {} : { tls }),
  });
}

/** What is begun on that etcd: when it cannot be reached, the error says which it is, and where that is set. */
export async function beginOn<T>({ etcd }: EtcdSettings, begin: () => Promise<T>): Promise<T> {
  try {
    return await begin();
  } catch (cause) {
    if (!(cause instanceof BoiError && cause.code === 'store-unreachable')) throw cause;
    const where = (etcd ?? [ETCD_DEFAULT]).join(', ');
    throw new BoiError('store-unreachable', `etcd at ${where} (--etcd): ${cause.message}`, { cause });
  }
}

async function readTls(config: EtcdSettings): Promise<EtcdStoreOptions['tls']> {
  const names = ['etcd-ca', 'etcd-cert', 'etcd-key'] as const;
  const missing = names.filter((name) => config[name] === undefined);
  if (missing.length === names.length) return undefined;
  if (missing.length > 0) {
    throw new BoiError(
      'config-invalid',
      `${missing.map((m) => `--${m}`).join(' and ')} is missing: the three go together`,
    );
  }
  const [ca, cert, key] = await Promise.all(names.map((name) => readPemFile(name, config[name] as string)));
  return { ca: ca as Buffer, cert: cert as Buffer, key: key as Buffer };
}

async function readPemFile(name: string, path: string): Promise<Buffer> {
  const text = await readFile(path).catch((cause: Error) => {
    throw new BoiError('config-invalid', `--${name} ${path}: ${cause.message}`, { cause });
  });
  if (!text.includes('-----BEGIN ')) throw new BoiError('config-invalid', `--${name} ${path}: is not a PEM file`);
  return text;
}
