import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { ALGORITHM, createKey, readKey, x509 } from './crypto.ts';
import { writePem } from './pem.ts';
import { createSigningRequest, fingerprintOfKey, readSigningRequest } from './signing-request.ts';
import { codeOf } from './testing/rig.ts';

let keyPem: string;
let pem: string;

beforeAll(async () => {
  keyPem = await createKey();
  pem = await createSigningRequest(keyPem);
});

const der = () => Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64');
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });

/** A request that asks for more than nothing. */
async function asking(over: { name?: string; extensions?: InstanceType<typeof x509.Extension>[] }) {
  const keys = await readKey(keyPem);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: over.name ?? 'CN=boi',
    keys,
    signingAlgorithm: ALGORITHM,
    ...(over.extensions === undefined ? {} : { extensions: over.extensions }),
  });
  return writePem('CERTIFICATE REQUEST', new Uint8Array(request.rawData));
}

describe('a certificate request', () => {
  test('proves that its maker has the key', async () => {
    expect((await readSigningRequest(pem)).keyFingerprint).toBe(await fingerprintOfKey(keyPem));
  });

  test.skipIf(spawnSync('openssl', ['version']).status !== 0)(
    'is one to openssl, and one of openssl is one here',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'boi-csr-'));
      try {
        const path = (name: string) => join(dir, name);
        writeFileSync(path('a.csr'), pem);
        expect(openssl('req', '-in', path('a.csr'), '-verify', '-noout')).toBeDefined();
        openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path('b.ec'));
        openssl('pkcs8', '-topk8', '-nocrypt', '-in', path('b.ec'), '-out', path('b.key'));
        openssl('req', '-new', '-key', path('b.key'), '-subj', '/CN=boi', '-out', path('b.csr'));
        const request = await readSigningRequest(readFileSync(path('b.csr'), 'utf8'));
        expect(request.keyFingerprint).toBe(await fingerprintOfKey(readFileSync(path('b.key'), 'utf8')));
        for (const [key, ...args] of [
          ['rsa.key', 'genrsa', '-out', path('rsa.key'), '2048'],
          ['p384.key', 'ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', path('p384.key')],
        ] as const) {
          openssl(...args);
          openssl('req', '-new', '-key', path(key), '-subj', '/CN=boi', '-out', path('c.csr'));
          expect(await codeOf(async () => readSigningRequest(readFileSync(path('c.csr'), 'utf8')))).toBe('bad-request');
        }
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  );

  test('that asks for a name, a role or a capability is refused, not overlooked', async () => {
    const uri = { type: 'url' as const, value: 'boi://c0ffee00c0ffee00c0ffee00c0ffee00/user/usr_x' };
    for (const over of [
      { name: 'CN=admin' },
      { name: 'CN=boi, O=admins' },
      { extensions: [new x509.SubjectAlternativeNameExtension([uri])] },
      { extensions: [new x509.BasicConstraintsExtension(true)] },
    ]) {
      expect(await codeOf(async () => readSigningRequest(await asking(over)))).toBe('forbidden');
    }
  });

  test('signed with another key than it names is refused', async () => {
    const other = Buffer.from(
      (await createSigningRequest(await createKey())).replace(/-----.*-----|\s/g, ''),
      'base64',
    );
    // The signature is the last 70 to 72 bytes; the body of this one with the signature of that.
    const mixed = new Uint8Array(
      Buffer.concat([der().subarray(0, der().length - 64), other.subarray(other.length - 64)]),
    );
    expect(await codeOf(() => readSigningRequest(writePem('CERTIFICATE REQUEST', mixed)))).toBe('bad-request');
  });

  test('with one bit changed is refused; outside of what is signed it may also read as the same', async () => {
    const { keyFingerprint } = await readSigningRequest(pem);
    // After the frame around all; before the algorithm of the signature.
    const signedStart = 3 * 8;
    const signedEnd = der().indexOf(Buffer.from('300a06082a8648ce3d040302', 'hex')) * 8;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: der().length * 8 - 1 }), async (bit) => {
        const changed = new Uint8Array(der());
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        let read = '';
        const code = await codeOf(async () => {
          read = (await readSigningRequest(writePem('CERTIFICATE REQUEST', changed))).keyFingerprint;
        });
        const refused = code === 'bad-request' || code === 'forbidden';
        expect([bit, code, refused || ((bit < signedStart || bit >= signedEnd) && read === keyFingerprint)]).toEqual([
          bit,
          code,
          true,
        ]);
      }),
      { numRuns: 400 },
    );
  });

  test('any text is read or refused as malformed', async () => {
    const text = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => writePem('CERTIFICATE REQUEST', bytes)),
      fc.nat({ max: pem.length }).map((at) => pem.slice(0, at)),
    );
    await fc.assert(
      fc.asyncProperty(text, async (any) => {
        fc.pre(any !== pem);
        expect(['bad-request', ...(any.trim() === pem.trim() ? ['no error'] : [])]).toContain(
          await codeOf(() => readSigningRequest(any)),
        );
      }),
      { numRuns: 300 },
    );
    expect(await codeOf(() => readSigningRequest('x'.repeat(17_000)))).toBe('bad-request');
    expect(await codeOf(() => readSigningRequest(writePem('CERTIFICATE REQUEST', new Uint8Array(5_000))))).toBe(
      'bad-request',
    );
    expect(await codeOf(() => readSigningRequest(pem + pem))).toBe('bad-request');
  });
});

test('a key of another kind is refused when it is read', async () => {
  for (const { privateKey } of [
    generateKeyPairSync('ed25519'),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ]) {
    const text = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    expect(await codeOf(() => readKey(text))).toBe('config-invalid');
  }
});
