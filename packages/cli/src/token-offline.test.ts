import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestCa } from '@boi/client/testing';
import { createAuthority, readTrustBundle, verifyJoinToken } from '@boi/identity';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Home } from './testing/harness.ts';

const CLUSTER_ID = '0123456789abcdef0123456789abcdef';
/** Where nobody answers: the cluster is not asked. */
const URL_OF_NOBODY = 'https://127.0.0.1:9';
const io = { clock: systemClock, random: systemRandom };

let home: Home;
let place: string;
let pem: string;

beforeEach(async () => {
  home = await Home.make();
  place = await mkdtemp(join(tmpdir(), 'boi-cli-offline-'));
  const ca = await createAuthority(io, { cluster: CLUSTER_ID });
  pem = ca.pem;
  await writeFile(join(place, 'ca.key'), ca.keyPem, { mode: 0o600 });
  await writeFile(join(place, 'ca.pem'), pem);
});
afterEach(async () => {
  await home.remove();
  await rm(place, { recursive: true, force: true });
});

const create = (...words: string[]) =>
  home.run(['token', 'create', '--ca-key', join(place, 'ca.key'), '--endpoints', URL_OF_NOBODY, ...words]);

it('a token is made with the key of the CA alone, with all that one of the cluster has', async () => {
  const { code, stdout, stderr } = await create('--ttl', '1h', '--bind-name', 'build-2', '--bind-key', 'a'.repeat(64));
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^tok_.*good for one node/)]);
  const now = Date.now();
  const claims = await verifyJoinToken(stdout.trim(), { cluster: CLUSTER_ID, trusted: readTrustBundle(pem), now });
  expect(claims).toMatchObject({
    cluster: CLUSTER_ID,
    boot: [URL_OF_NOBODY],
    bind: { name: 'build-2', key: 'a'.repeat(64) },
  });
  expect(Math.abs(claims.expiresAt - now - 3_600_000)).toBeLessThan(60_000);
});

it('while the CA is replaced, the certificate that fits the key is taken', async () => {
  const other = await createAuthority(io, { cluster: CLUSTER_ID });
  await writeFile(join(place, 'ca.pem'), other.pem + pem);
  const { stdout } = await create();
  const trusted = readTrustBundle(pem);
  await expect(
    verifyJoinToken(stdout.trim(), { cluster: CLUSTER_ID, trusted, now: Date.now() }),
  ).resolves.toBeDefined();
});

it('what cannot make a token is told, and the key is never shown', async () => {
  const foreign = join(place, 'foreign.pem');
  await writeFile(foreign, (await TestCa.create()).pem);
  expect(await create('--ca', foreign)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not the key of'),
  });
  expect(await create('--ca', join(place, 'none.pem'))).toMatchObject({ code: 2 });
  expect(await create('--ttl', '1s')).toMatchObject({ code: 2 });
  expect(await create('--bind-name', ' build-2')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('bind-name: must not start or end with white space'),
  });
  const plain = await home.run([
    'token',
    'create',
    '--ca-key',
    join(place, 'ca.key'),
    '--endpoints',
    'http://127.0.0.1:9',
  ]);
  expect(plain).toMatchObject({ code: 2, stderr: expect.stringContaining('https://') });
  expect(await home.run(['token', 'create', '--ca', foreign])).toMatchObject({ code: 2 });
  await writeFile(join(place, 'open.key'), 'x', { mode: 0o644 });
  const open = await home.run(['token', 'create', '--ca-key', join(place, 'open.key'), '--endpoints', URL_OF_NOBODY]);
  expect(open).toMatchObject({ code: 2, stderr: expect.stringContaining('can be read by others') });
});
