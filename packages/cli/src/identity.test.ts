import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { clusterView, type IssuedPair, NODE_ID, StubApi, T0, TestCa } from '@boi/client/testing';
import { BoiError, type UserCredential } from '@boi/core';
import { createSigningRequest, readSigningRequest } from '@boi/identity';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './testing/harness.ts';

const USER_ID = 'usr_01kapz0vge5n3m8q2r7t4wabcd';
const TOKEN_ID = 'tok_01kapz0vge5n3m8q2r7t4wabcd';
const CLUSTER_ID = '0123456789abcdef0123456789abcdef';

let ca: TestCa;
let node: IssuedPair;
let alice: IssuedPair;
beforeAll(async () => {
  ca = await TestCa.create();
  node = await ca.issue(NODE_ID);
  alice = await ca.issue(USER_ID);
});

let home: Home;
let place: string;
let api: StubApi;
beforeEach(async () => {
  home = await Home.make();
  place = await mkdtemp(join(tmpdir(), 'boi-cli-identity-'));
  api = await StubApi.start({
    cert: node.certificate + ca.pem,
    key: node.key,
    ca: ca.pem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  api.on('cluster.show', () => clusterView());
});
afterEach(async () => {
  await api.stop();
  await home.remove();
  await rm(place, { recursive: true, force: true });
  expect(api.violations).toEqual([]);
});

const run = (...words: string[]) => home.run(words, { now: T0 });

async function bundleFile(more: object = {}): Promise<string> {
  const path = join(place, 'alice.json');
  const { certificate, key } = alice;
  const user = { id: USER_ID, name: 'alice' };
  const bundle = { v: 1, cluster: CLUSTER_ID, user, endpoints: [api.url], ca: ca.pem, certificate, key, ...more };
  await writeFile(path, JSON.stringify(bundle));
  return path;
}

const credentialFiles = () => readdir(join(home.directory, 'credentials')).catch(() => []);

describe('a context with a bundle', () => {
  it('is the user in it: the certificate is shown to the nodes of its CA', async () => {
    let seen: string | string[] | undefined;
    api.on('cluster.show', ({ request }) => {
      seen = (request.socket as TLSSocket).getPeerCertificate().subject.CN;
      return clusterView();
    });
    const added = await run('context', 'add', 'lab', '--bundle', await bundleFile());
    expect(added).toMatchObject({ code: 0, stdout: '' });
    expect(added.stderr).toContain(`as alice (${USER_ID})`);
    expect(await run('cluster', 'status')).toMatchObject({ code: 0 });
    expect(seen).toBe(USER_ID);
  });

  it('is kept in one file for its owner only, and shown without its secrets', async () => {
    await run('context', 'add', 'my lab', '--bundle', await bundleFile());
    const [file, ...others] = await credentialFiles();
    expect(others).toEqual([]);
    const path = join(home.directory, 'credentials', String(file));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700);
    for (const format of ['table', 'wide', 'json', 'yaml', 'name']) {
      for (const verb of [
        ['context', 'show'],
        ['context', 'list'],
        ['config', 'show'],
      ]) {
        const { stdout, stderr } = await run(...verb, '-o', format);
        expect(stdout + stderr).not.toContain('PRIVATE KEY');
      }
    }
    expect((await run('context', 'show')).stdout).toMatch(
      /User +alice \(usr_.*\n.*Credentials.*\n.*Certificate +expires/,
    );
  });

  it('is replaced with its context and gone with it', async () => {
    await run('context', 'add', 'lab', '--bundle', await bundleFile());
    const before = await credentialFiles();
    await run('context', 'add', 'lab', '--bundle', await bundleFile({ cluster: undefined }));
    const after = await credentialFiles();
    expect([before.length, after.length, before[0] === after[0]]).toEqual([1, 1, false]);
    await run('context', 'remove', 'lab');
    expect(await credentialFiles()).toEqual([]);
  });

  it('is one whole file with one of the two when two commands race for it', async () => {
    const first = await bundleFile();
    const second = join(place, 'second.json');
    const bundle = JSON.parse(await readFile(first, 'utf8')) as object;
    await writeFile(second, JSON.stringify({ ...bundle, user: { id: USER_ID, name: 'second' } }));
    for (let i = 0; i < 5; i++) {
      await Promise.all([
        run('context', 'add', 'lab', '--bundle', first),
        run('context', 'add', 'lab', '--bundle', second),
      ]);
      expect(await credentialFiles()).toHaveLength(1);
      expect(await run('cluster', 'status')).toMatchObject({ code: 0 });
    }
  });

  it('that others can read is not used', async () => {
    await run('context', 'add', 'lab', '--bundle', await bundleFile());
    const [file] = await credentialFiles();
    const path = join(home.directory, 'credentials', String(file));
    await chmod(path, 0o640);
    expect(await run('cluster', 'status')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`chmod 600 ${path}`),
    });
  });

  it.each([
    ['is not JSON', () => 'nonsense'],
    ['"v" must be 1', () => '{"v":2}'],
    ['there is no key "extra"', () => ({ extra: 1 })],
    ['"ca" must be the PEM', () => ({ ca: 'x' })],
    ['"certificate" and "key" come together', () => ({ key: undefined })],
    ['"key" is not the key of the certificate', () => ({ key: node.key })],
    ['neither a certificate with its key nor a secret', () => ({ key: undefined, certificate: undefined })],
  ])('is refused when it %s, and nothing is kept', async (message, change) => {
    const changed = change();
    const path = await bundleFile(typeof changed === 'object' ? changed : {});
    if (typeof changed === 'string') await writeFile(path, changed);
    const done = await run('context', 'add', 'lab', '--bundle', path);
    expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    expect(done.stderr).not.toContain('PRIVATE KEY');
    expect(await credentialFiles()).toEqual([]);
  });

  it('says whom not to trust, and what to do when the cluster does not take the certificate', async () => {
    const stranger = await TestCa.create('another');
    await run('context', 'add', 'lab', '--bundle', await bundleFile({ ca: stranger.pem }));
    const untrusted = await run('cluster', 'status');
    expect(untrusted).toMatchObject({ code: 5, stderr: expect.stringContaining("not of this context's CA") });
    await run('context', 'add', 'lab', '--bundle', await bundleFile());
    api.on('cluster.show', () => {
      throw new BoiError('unauthenticated', 'the certificate was revoked', { details: { reason: 'revoked' } });
    });
    const refused = await run('cluster', 'status');
    expect(refused).toMatchObject({ code: 5 });
    expect(refused.stderr).toContain('boi-node user reissue');
  });
});

describe('a context with a secret', () => {
  it('sends it, and takes it from standard input', async () => {
    let seen: string | undefined;
    api.on('cluster.show', ({ request }) => {
      seen = request.headers.authorization;
      return clusterView();
    });
    const caFile = join(place, 'ca.pem');
    await writeFile(caFile, ca.pem);
    const words = ['context', 'add', 'ci', api.url, '--ca', caFile, '--token', '-'];
    expect(await home.run(words, { stdin: 'boi_secret\n' })).toMatchObject({ code: 0 });
    await run('cluster', 'status');
    expect(seen).toBe('Bearer boi_secret');
  });

  it('needs the CA, and an https address needs one of them', async () => {
    expect(await run('context', 'add', 'ci', api.url, '--token', 'x')).toMatchObject({ code: 2 });
    expect(await run('context', 'add', 'ci', api.url)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--bundle'),
    });
  });
});

describe("a context with a node's identity directory", () => {
  it('reads it anew each time, since the node renews its certificate', async () => {
    const directory = join(place, 'identity');
    await mkdir(directory);
    const put = async (pair: IssuedPair) => {
      await writeFile(join(directory, 'ca.pem'), ca.pem, { mode: 0o600 });
      await writeFile(join(directory, 'node.pem'), pair.certificate, { mode: 0o600 });
      await writeFile(join(directory, 'node.key'), pair.key, { mode: 0o600 });
    };
    const seen: string[] = [];
    api.on('cluster.show', ({ request }) => {
      seen.push((request.socket as TLSSocket).getPeerCertificate().serialNumber);
      return clusterView();
    });
    await put(node);
    expect(await run('context', 'add', 'local', api.url, '--identity', directory)).toMatchObject({ code: 0 });
    await run('cluster', 'status');
    await put(await ca.issue(NODE_ID));
    await run('cluster', 'status');
    expect(new Set(seen).size).toBe(2);
    expect(await credentialFiles()).toEqual([]);
  });
});

describe('token create', () => {
  it('prints the token alone, and the rest for people', async () => {
    await run('context', 'add', 'lab', '--bundle', await bundleFile());
    api.on('token.create', () => ({ id: TOKEN_ID, token: 'a.b.c', expiresAt: T0 + 300_000 }));
    const done = await run('token', 'create', '--ttl', '5m', '--bind-name', 'build-2');
    expect(done).toMatchObject({ code: 0, stdout: 'a.b.c\n' });
    expect(done.stderr).toContain(TOKEN_ID);
    expect(done.stderr).not.toContain('a.b.c');
    expect(api.calls.at(-1)?.body).toEqual({ ttlMs: 300_000, bindName: 'build-2' });
  });
});

describe('user create', () => {
  const credential = (name: string, more: Partial<UserCredential>): UserCredential => ({
    user: { id: USER_ID, name, role: 'operator', createdAt: T0, credential: 'certificate' },
    cluster: CLUSTER_ID,
    endpoints: [api.url],
    ca: ca.pem,
    ...more,
  });

  beforeEach(async () => {
    await run('context', 'add', 'lab', '--bundle', await bundleFile());
  });

  it('makes the key here, sends a request for it, and writes a bundle that context add takes', async () => {
    let csr = '';
    api.on('user.create', async ({ body }) => {
      ({ csr } = body as { csr: string });
      const { spki } = await readSigningRequest(csr);
      return credential('bob', { certificate: await ca.certify(USER_ID, spki) });
    });
    const out = join(place, 'bob.json');
    const done = await run('user', 'create', 'bob', '--role', 'operator', '--out', out);
    expect(done, done.stderr).toMatchObject({ code: 0, stdout: `${USER_ID}\n` });
    const { key } = JSON.parse(await readFile(out, 'utf8')) as { key: string };
    expect(JSON.stringify(api.calls)).not.toContain('PRIVATE KEY');
    expect((await readSigningRequest(csr)).keyFingerprint).toBe(
      (await readSigningRequest(await createSigningRequest(key))).keyFingerprint,
    );
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    expect(await run('context', 'add', 'bob', '--bundle', out)).toMatchObject({ code: 0 });
    expect(await run('cluster', 'status')).toMatchObject({ code: 0 });
  });

  it('asks for nothing when the file exists, and leaves no file when it is refused', async () => {
    const out = join(place, 'there.json');
    await writeFile(out, 'mine');
    expect(await run('user', 'create', 'bob', '--out', out)).toMatchObject({ code: 2 });
    expect(await readFile(out, 'utf8')).toBe('mine');
    expect(api.of('user.create')).toEqual([]);
    api.on('user.create', () => {
      throw new BoiError('forbidden', 'only admins make users');
    });
    const other = join(place, 'other.json');
    expect(await run('user', 'create', 'bob', '--out', other)).toMatchObject({ code: 5 });
    await expect(stat(other)).rejects.toThrow('ENOENT');
  });

  it('limits a user to the project of the flag, not to that of the environment', async () => {
    api.on('user.create', () => credential('ci', { secret: 'boi_x' }));
    await home.run(['user', 'create', 'ci', '--secret', '--out', join(place, 'a')], { env: { BOI_PROJECT: 'web' } });
    await run('user', 'create', 'ci', '--secret', '--project', 'web', '--out', join(place, 'b'));
    expect(api.of('user.create').map((c) => c.body)).toEqual([
      { name: 'ci', role: 'viewer' },
      { name: 'ci', role: 'viewer', project: 'web' },
    ]);
    const bundle = JSON.parse(await readFile(join(place, 'b'), 'utf8')) as object;
    expect(bundle).toMatchObject({ secret: 'boi_x' });
    expect(bundle).not.toHaveProperty('key');
  });

  it('reissued into the context by two commands at once ends with the credential that was made last', async () => {
    let made = 0;
    const shown: (string | undefined)[] = [];
    let valid: string | undefined;
    api.on('user.reissue', ({ request }) => {
      shown.push(request.headers.authorization);
      // The old secret dies with the new one: who asks with it is refused.
      if (valid !== undefined && request.headers.authorization !== `Bearer ${valid}`)
        throw new BoiError('unauthenticated', 'the secret was replaced', { details: { reason: 'revoked' } });
      made++;
      valid = `boi_${made}`;
      return credential('alice', { secret: valid });
    });
    const both = await Promise.all([
      run('user', 'reissue', 'alice', '--secret', '--save'),
      run('user', 'reissue', 'alice', '--secret', '--save'),
    ]);
    expect(both.map((b) => [b.code, b.stderr.includes('refused from now on')])).toEqual([
      [0, true],
      [0, true],
    ]);
    expect(shown).toEqual([undefined, 'Bearer boi_1']);
    const [file, ...others] = await credentialFiles();
    expect(others).toEqual([]);
    expect(JSON.parse(await readFile(join(home.directory, 'credentials', String(file)), 'utf8'))).toMatchObject({
      secret: 'boi_2',
    });
  });
});

describe('cluster ca rotate', () => {
  it('takes exactly one step, and flags only with their step', async () => {
    await run('context', 'add', 'lab', '--bundle', await bundleFile());
    for (const words of [[], ['--plan', '--execute'], ['--finalize', '--trust-window', '1h'], ['--plan', '--force']]) {
      expect(await run('cluster', 'ca', 'rotate', ...words), words.join(' ')).toMatchObject({ code: 2, stdout: '' });
    }
    expect(api.of('ca.rotate')).toEqual([]);
  });
});

describe('cluster audit', () => {
  it('follows, goes on after a cut, and shows nothing twice', async () => {
    await run('context', 'add', 'lab', '--bundle', await bundleFile());
    const line = (n: number) =>
      `${JSON.stringify({ id: `evt_01kapz0vge5n3m8q2r7t4wab0${n}`, at: T0, actor: { kind: 'user', id: USER_ID }, what: 'spec.cancel' })}\n`;
    let interrupt = () => {};
    api.on('audit.follow', ({ earlier, response, query }) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      if (earlier > 0) expect(Number(query.last)).toBeGreaterThan(2);
      // Asked a third time, so all of the second answer was read.
      if (earlier === 2) interrupt();
      else response.end(line(1) + line(2) + (earlier === 0 ? '' : line(3)));
      return undefined;
    });
    const done = await home.run(['cluster', 'audit', '--follow', '-o', 'name'], {
      onListen: (fn) => {
        interrupt = fn;
      },
    });
    expect(done.code).toBe(0);
    expect(
      done.stdout
        .trim()
        .split('\n')
        .map((id) => id.at(-1)),
    ).toEqual(['1', '2', '3']);
  });
});
