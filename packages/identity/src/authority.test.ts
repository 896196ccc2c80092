import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority, createAuthority, HOSTS_MAX, hostsOfAddress } from './authority.ts';
import { alternativeNames, readCertificate, readTrustBundle } from './certificate.ts';
import { createKey } from './crypto.ts';
import { BACKDATE_MS, CA_TTL_MS, daysRemaining, NODE_TTL_MS, peerUri, renewalDueAt, USER_TTL_MS } from './profile.ts';
import { CLUSTER, codeOf, makeRig, type Rig, START_MS } from './testing/rig.ts';

const DAY_MS = 24 * 3600_000;
let rig: Rig;
let dir: string;

beforeAll(async () => {
  rig = await makeRig();
  dir = mkdtempSync(join(tmpdir(), 'boi-authority-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8' });
const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const inSeconds = (ms: number) => Math.floor(ms / 1000) * 1000;

describe.skipIf(spawnSync('openssl', ['version']).status !== 0)('what openssl says of a certificate', () => {
  test('its fingerprint and that of its key are those this package computes', async () => {
    const { issued } = await rig.issue();
    const path = file('leaf.pem', issued.pem);
    const line = openssl('x509', '-in', path, '-noout', '-fingerprint', '-sha256');
    expect(line.split('=')[1]?.trim().replaceAll(':', '').toLowerCase()).toBe(issued.fingerprint);
    const spki = execFileSync('sh', [
      '-c',
      `openssl x509 -in ${path} -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -r`,
    ]);
    expect(spki.toString().split(' ')[0]).toBe(issued.keyFingerprint);
    expect(openssl('x509', '-in', path, '-noout', '-serial').trim().toLowerCase()).toBe(`serial=${issued.serial}`);
  });

  test('it is valid under its CA, for what it is for, and under no other', async () => {
    const other = await makeRig(2);
    const ca = file('ca.pem', rig.authority.certificate.pem);
    const wrong = file('wrong.pem', other.authority.certificate.pem);
    const at = ['-attime', String(START_MS / 1000)];
    const node = file('node.pem', (await rig.issue({ hosts: ['a.example', '10.0.0.7'] })).issued.pem);
    const user = file('user.pem', (await rig.issue({ role: 'user', id: rig.user })).issued.pem);
    const verify = (trust: string, ...args: string[]) =>
      spawnSync('openssl', ['verify', ...at, '-CAfile', trust, ...args]);
    for (const purpose of ['sslserver', 'sslclient']) {
      expect(verify(ca, '-x509_strict', '-purpose', purpose, node).stderr.toString()).toBe('');
    }
    expect(verify(ca, '-verify_hostname', 'a.example', node).status).toBe(0);
    expect(verify(ca, '-verify_ip', '10.0.0.7', node).status).toBe(0);
    expect(verify(ca, '-verify_hostname', 'localhost', node).status).not.toBe(0);
    expect(verify(ca, '-purpose', 'sslclient', user).status).toBe(0);
    expect(verify(ca, '-purpose', 'sslserver', user).status).not.toBe(0);
    expect(verify(wrong, node).status).not.toBe(0);
  });
});

describe('a certificate', () => {
  test('names the cluster, role and id in one URI, and the id as its subject', async () => {
    const { certificate } = await rig.issue({ hosts: ['a.example', '10.0.0.7', '::1'] });
    expect(certificate.parsed.subject).toBe(`CN=${rig.node}`);
    expect(alternativeNames(certificate)).toEqual([
      { type: 'url', value: peerUri({ cluster: CLUSTER, role: 'node', id: rig.node }) },
      { type: 'dns', value: 'a.example' },
      { type: 'ip', value: '10.0.0.7' },
      { type: 'ip', value: '::1' },
    ]);
  });

  test('of a user has no host names, whatever is asked for', async () => {
    const { certificate } = await rig.issue({ role: 'user', id: rig.user, hosts: ['a.example'] });
    expect(alternativeNames(certificate)).toHaveLength(1);
  });

  test('lives for thirty days on a node, ninety with a user, and begins a little in the past', async () => {
    const now = rig.clock.now();
    const node = (await rig.issue()).issued;
    const user = (await rig.issue({ role: 'user', id: rig.user })).issued;
    expect(node.notBefore).toBe(inSeconds(now - BACKDATE_MS));
    expect(node.notAfter).toBe(inSeconds(now + NODE_TTL_MS));
    expect(user.notAfter).toBe(inSeconds(now + USER_TTL_MS));
  });

  test('is due for renewal at two thirds of its life, and counts whole days', async () => {
    const notBefore = 1_000_000;
    expect(renewalDueAt({ notBefore, notAfter: notBefore + 30 * DAY_MS })).toBe(notBefore + 20 * DAY_MS);
    expect(daysRemaining({ notAfter: 10 * DAY_MS }, 0)).toBe(10);
    expect(daysRemaining({ notAfter: 10 * DAY_MS }, 1)).toBe(9);
    expect(daysRemaining({ notAfter: 0 }, 1)).toBe(-1);
  });

  test('never outlives its CA; an expired CA signs nothing', async () => {
    const own = await makeRig(3);
    await own.clock.advance(CA_TTL_MS - DAY_MS);
    expect((await own.issue()).issued.notAfter).toBe(own.authority.certificate.notAfter);
    await own.clock.advance(DAY_MS);
    expect(await codeOf(() => own.issue())).toBe('wrong-state');
  });

  test('has a serial number of its own, of 126 random bits, positive', async () => {
    const serials = await Promise.all(Array.from({ length: 50 }, async () => (await rig.issue()).issued.serial));
    expect(new Set(serials).size).toBe(50);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  });

  test.each(['*.example', 'a_b', 'a b', '', 'http://a', 'a..b', '-a', 'localhost\n', '1.2.3.4/8', 'x'.repeat(64)])(
    'is not made for the host %j',
    async (host) => {
      expect(await codeOf(() => rig.issue({ hosts: [host] }))).toBe('bad-request');
    },
  );

  test(`is not made for more than ${HOSTS_MAX} hosts`, async () => {
    const hosts = Array.from({ length: HOSTS_MAX + 1 }, (_, i) => `h${i}`);
    expect(await codeOf(() => rig.issue({ hosts }))).toBe('bad-request');
  });
});

test.each([
  ['https://a.example:7420', ['a.example']],
  ['https://10.0.0.7:7420', ['10.0.0.7']],
  ['https://[fd00::7]:7420', ['fd00::7']],
  ['https://127.0.0.1:7420', ['127.0.0.1', 'localhost', '::1']],
  ['https://[::1]:7420', ['::1', 'localhost', '127.0.0.1']],
])('a node at %s has the hosts %j', (address, hosts) => {
  expect(hostsOfAddress(address)).toEqual(hosts);
});

describe('a CA', () => {
  test('is loaded only with its own key', async () => {
    const pem = rig.authority.certificate.pem;
    expect(await codeOf(async () => CertificateAuthority.load(pem, await createKey()))).toBe('config-invalid');
    expect(await codeOf(() => CertificateAuthority.load(pem, 'not a key'))).toBe('config-invalid');
    const { issued } = await rig.issue();
    expect(await codeOf(() => CertificateAuthority.load(issued.pem, rig.keyPem))).toBe('config-invalid');
  });

  test('made again from the same key has the same key and name: an interrupted init goes on', async () => {
    const again = await createAuthority(rig, { cluster: CLUSTER, keyPem: rig.caKeyPem });
    const { keyFingerprint, parsed } = readCertificate(again.pem);
    expect(keyFingerprint).toBe(rig.authority.certificate.keyFingerprint);
    expect(parsed.subject).toBe(rig.authority.certificate.parsed.subject);
  });

  test('the error of a bad key does not quote it', async () => {
    const broken = rig.keyPem.replace(/[A-Za-z]{4}\n/, 'AAAA\n');
    const error = await CertificateAuthority.load(rig.authority.certificate.pem, broken).catch((e: unknown) => e);
    expect(String((error as Error).stack)).not.toContain(rig.keyPem.split('\n')[1]);
    expect((error as Error).cause).toBeUndefined();
  });

  test('a trust bundle has one or two of them, and nothing but CAs', async () => {
    const other = await makeRig(4);
    const [a, b] = [rig.authority.certificate.pem, other.authority.certificate.pem];
    expect(readTrustBundle(a + b).map(({ fingerprint }) => fingerprint)).toEqual([
      rig.authority.fingerprint,
      other.authority.fingerprint,
    ]);
    expect(await codeOf(() => readTrustBundle(a + b + a))).toBe('bad-request');
    const { issued } = await rig.issue();
    expect(await codeOf(() => readTrustBundle(a + issued.pem))).toBe('bad-request');
    expect(await codeOf(() => readTrustBundle(''))).toBe('bad-request');
  });
});
