/** A node reaches an etcd that asks for certificates, by the three settings; what is wrong with them is told before it starts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EtcdServer, makeTestCertificates, startEtcd, type TestCertificates } from '@boi/store/testing';
import { createLogger } from '@boi/system';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveDaemonConfig } from './config.ts';
import { openEtcd } from './etcd-options.ts';
import { startNode } from './join.ts';

let dir: string;
let certificates: TestCertificates;
let etcd: EtcdServer;
let flags: Record<string, string>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-etcd-options-'));
  certificates = await makeTestCertificates();
  etcd = await startEtcd({ tls: certificates.server });
  const { ca, cert, key } = certificates.client;
  for (const [name, text] of Object.entries({ ca, cert, key })) await writeFile(join(dir, name), text);
  flags = {
    'data-dir': join(dir, 'data'),
    listen: '127.0.0.1:0',
    insecure: 'true',
    etcd: etcd.endpoint,
    'etcd-ca': join(dir, 'ca'),
    'etcd-cert': join(dir, 'cert'),
    'etcd-key': join(dir, 'key'),
  };
});
afterAll(async () => {
  await etcd.stop();
  await certificates.remove();
  await rm(dir, { recursive: true, force: true });
});

const config = (more: Record<string, string | undefined> = {}) =>
  resolveDaemonConfig({ flags: { ...flags, ...more } }).config;

test('with a certificate of its CA the node registers and answers from it', async () => {
  const daemon = await startNode(config(), createLogger({ name: 'test', level: 'silent' }));
  try {
    const response = await fetch(`${daemon.address}/v1/nodes`);
    expect(((await response.json()) as { items: { id: string }[] }).items.map(({ id }) => id)).toEqual([daemon.id]);
  } finally {
    await daemon.stop({ drainMs: 0 });
  }
});

test('an etcd that is not there is named, with the setting that names it', async () => {
  const away = { etcd: 'http://127.0.0.1:1', 'etcd-ca': undefined, 'etcd-cert': undefined, 'etcd-key': undefined };
  await expect(startNode(config(away), createLogger({ name: 'test', level: 'silent' }))).rejects.toMatchObject({
    code: 'store-unreachable',
    message: expect.stringMatching(/^etcd at http:\/\/127\.0\.0\.1:1 \(--etcd\): the store cannot be reached/),
  });
});

test.each([
  ['a setting of the three that is missing', { 'etcd-key': undefined }, /--etcd-key is missing/],
  ['a file that is not there', { 'etcd-ca': '/nowhere' }, /--etcd-ca \/nowhere: ENOENT/],
  ['a file that is no PEM', { 'etcd-cert': '/dev/null' }, /--etcd-cert \/dev\/null: is not a PEM file/],
  [
    'plain HTTP beside certificates',
    { etcd: 'http://127.0.0.1:1' },
    /must be an https:\/\/ URL when --etcd-ca is given/,
  ],
  [
    'https without certificates',
    { 'etcd-ca': undefined, 'etcd-cert': undefined, 'etcd-key': undefined },
    /https needs --etcd-ca/,
  ],
  ['what is no URL', { etcd: '127.0.0.1:2379' }, /must be a URL such as/],
])('%s is refused by name', async (_what, more, message) => {
  await expect(openEtcd(config(more))).rejects.toMatchObject({ code: 'config-invalid', message });
});
