import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdMinter, type NodeId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CertificateAuthority, createAuthority } from './authority.ts';
import { prepareFounding } from './founding.ts';
import { IdentityFiles } from './identity-files.ts';
import { identityOfPeer } from './peer.ts';
import { codeOf, START_MS } from './testing/rig.ts';

/** In the order they are written. */
const FILES = ['founding.json', 'ca.key', 'ca.pem', 'node.key', 'node.pem'];

let dir: string;
let files: IdentityFiles;
let node: NodeId;
const io = { clock: new VirtualClock(START_MS), random: new SeededRandom(1) };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'boi-founding-'));
  files = new IdentityFiles(dir);
  node = new IdMinter(io.clock, io.random).mint('node');
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const prepare = () => prepareFounding({ ...io, files, node, hosts: ['a.example'] });
const text = (name: string) => readFileSync(join(files.dir, name), 'utf8');
const present = () => readdirSync(files.dir).filter((name) => !name.endsWith('.tmp'));

describe('the files of a first node', () => {
  test('are five, all 0600, and belong together', async () => {
    const { cluster, authority, certificate } = await prepare();
    expect(present().sort()).toEqual([...FILES].sort());
    for (const name of FILES) expect(statSync(join(files.dir, name)).mode & 0o777).toBe(0o600);
    expect(statSync(files.dir).mode & 0o777).toBe(0o700);
    const credentials = await files.credentials();
    const check = { cluster, trusted: credentials?.trusted ?? [], now: START_MS };
    expect(identityOfPeer(credentials?.facts.der as Uint8Array, check)).toMatchObject({ ok: true, peer: { id: node } });
    expect(certificate.caFingerprint).toBe(authority.fingerprint);
  });

  test('are answered the same, and written no more, when all are there', async () => {
    const first = await prepare();
    const before = FILES.map((name) => statSync(join(files.dir, name), { bigint: true }).mtimeNs);
    const second = await prepare();
    expect([second.cluster, second.authority.fingerprint, second.certificate]).toEqual([
      first.cluster,
      first.authority.fingerprint,
      first.certificate,
    ]);
    expect(FILES.map((name) => statSync(join(files.dir, name), { bigint: true }).mtimeNs)).toEqual(before);
  });

  test.each(FILES.map((_, n) => n))(
    'made up to the one numbered %i, then interrupted: the rest follows, the ids stay',
    async (n) => {
      const first = await prepare();
      const kept = new Map(FILES.slice(0, n).map((name) => [name, text(name)]));
      for (const name of FILES.slice(n)) unlinkSync(join(files.dir, name));
      const second = await prepare();
      for (const [name, before] of kept) expect(text(name)).toBe(before);
      expect(present().sort()).toEqual([...FILES].sort());
      if (n > 0) expect(second.cluster).toBe(first.cluster);
      if (n > 1) expect(second.authority.certificate.keyFingerprint).toBe(first.authority.certificate.keyFingerprint);
      if (n > 3) expect(second.certificate.keyFingerprint).toBe(first.certificate.keyFingerprint);
      const { trusted, facts } = (await files.credentials()) ?? {};
      expect(trusted?.[0]?.fingerprint).toBe(second.authority.fingerprint);
      expect(
        identityOfPeer(facts?.der as Uint8Array, { cluster: second.cluster, trusted: trusted ?? [], now: START_MS }).ok,
      ).toBe(true);
    },
  );

  test('are not made over those of a node that joined, nor for another node', async () => {
    await files.write('trust', 'x');
    expect(await codeOf(prepare)).toBe('wrong-state');
    await files.remove('trust');
    await prepare();
    node = new IdMinter(io.clock, io.random).mint('node');
    expect(await codeOf(prepare)).toBe('config-invalid');
  });

  test('are found also while the CA is being replaced', async () => {
    const first = await prepare();
    const next = await createAuthority(io, { cluster: first.cluster });
    await files.write('trust', next.pem + first.authority.certificate.pem);
    expect((await prepare()).authority.fingerprint).toBe(first.authority.fingerprint);
    await files.write('trust', next.pem);
    expect(await codeOf(prepare)).toBe('config-invalid');
  });
});

describe('the credentials of a node', () => {
  test('are none while one of the three files is missing', async () => {
    await prepare();
    for (const file of ['certificate', 'key', 'trust'] as const) {
      const kept = (await files.read(file)) as string;
      await files.remove(file);
      await files.remove(file);
      expect(await files.credentials()).toBeUndefined();
      await files.write(file, kept);
    }
    expect(await files.credentials()).toBeDefined();
  });

  test('are refused when others may read one, when one is damaged, or when they do not belong together', async () => {
    await prepare();
    chmodSync(files.path('key'), 0o640);
    expect(await codeOf(() => files.credentials())).toBe('config-invalid');
    chmodSync(files.path('key'), 0o600);
    const key = (await files.read('key')) as string;
    await files.write('key', (await files.read('caKey')) as string);
    expect(await codeOf(() => files.credentials())).toBe('config-invalid');
    await files.write('key', key);
    writeFileSync(files.path('certificate'), 'x');
    expect(await codeOf(() => files.credentials())).toBe('config-invalid');
  });

  test('of an admin load as a CA', async () => {
    const { authority } = await prepare();
    const loaded = await CertificateAuthority.load(
      (await files.read('trust')) as string,
      (await files.read('caKey')) as string,
    );
    expect(loaded.fingerprint).toBe(authority.fingerprint);
  });
});
