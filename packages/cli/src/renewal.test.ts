/** A user's certificate that renews itself, against a server that signs; what the cluster decides is tested there. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterView, NODE_ID, StubApi, TestCa } from '@boi/client/testing';
import { BoiError, type CaView } from '@boi/core';
import { readSigningRequest } from '@boi/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './testing/harness.ts';

const USER_ID = 'usr_01kapz0vge5n3m8q2r7t4wabcd';
const HOUR_MS = 3_600_000;

let ca: TestCa;
let home: Home;
let place: string;
let api: StubApi;
let key: string;
/** Begins three hours before now. */
let notBefore: Date;
let asked: number;
let signs: TestCa;

beforeEach(async () => {
  ca = await TestCa.create();
  signs = ca;
  home = await Home.make();
  place = await mkdtemp(join(tmpdir(), 'boi-cli-renewal-'));
  const node = await ca.issue(NODE_ID);
  api = await StubApi.start({
    cert: node.certificate + ca.pem,
    key: node.key,
    ca: ca.pem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  notBefore = new Date(Date.now() - 3 * HOUR_MS);
  asked = 0;
  api.on('cluster.show', () => clusterView());
  api.on('user.renew', async ({ body }) => {
    asked++;
    const { csr } = body as { csr: string };
    const { spki } = await readSigningRequest(csr);
    const certificate = await signs.certify(USER_ID, spki, { notAfter: new Date(Date.now() + 20 * HOUR_MS) });
    return { certificate, ca: ca.pem };
  });
});
afterEach(async () => {
  await api.stop();
  await home.remove();
  await rm(place, { recursive: true, force: true });
  expect(api.violations).toEqual([]);
});

const run = (...words: string[]) => home.run(words);
const directory = () => join(home.directory, 'credentials');

/** A context whose certificate lives for another `hours`, of which three are over. */
async function context(hours: number): Promise<void> {
  const issued = await ca.issue(USER_ID, {
    notBefore,
    notAfter: new Date(notBefore.getTime() + (hours + 3) * HOUR_MS),
  });
  key = issued.key;
  const path = join(place, 'alice.json');
  const user = { id: USER_ID, name: 'alice' };
  await writeFile(path, JSON.stringify({ v: 1, user, endpoints: [api.url], ca: ca.pem, ...issued }));
  expect(await run('context', 'add', 'lab', '--bundle', path)).toMatchObject({ code: 0 });
}

async function kept(): Promise<{ file: string; bundle: Record<string, unknown> }> {
  const files = await readdir(directory());
  expect(files).toHaveLength(1);
  const file = join(directory(), String(files[0]));
  return { file, bundle: JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown> };
}

describe('a certificate with', () => {
  it('less than two thirds of its life over is left alone', async () => {
    await context(2);
    const before = await kept();
    expect(await run('cluster', 'status')).toMatchObject({ code: 0, stderr: '' });
    expect([asked, await kept()]).toEqual([0, before]);
  });

  it('two thirds of its life over is renewed by the next command, for the same key, in one whole file', async () => {
    await context(1);
    const before = await kept();
    expect(await run('cluster', 'status')).toMatchObject({ code: 0, stderr: '' });
    const after = await kept();
    expect(after.bundle).toEqual({
      ...before.bundle,
      certificate: expect.not.stringContaining(before.bundle.certificate as string),
    });
    expect(after.bundle.key).toBe(key);
    expect((await stat(after.file)).mode & 0o777).toBe(0o600);
    expect(await run('cluster', 'status')).toMatchObject({ code: 0, stderr: '' });
    expect(asked).toBe(1);
  });

  it('two thirds of its life over is renewed once by two commands at once', async () => {
    await context(1);
    const both = await Promise.all([run('cluster', 'status'), run('cluster', 'status')]);
    expect(both.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(['0 ', '0 ']);
    expect(asked).toBe(1);
    expect(await run('cluster', 'status')).toMatchObject({ code: 0, stderr: '' });
  });
});

it('doctor says what it finds of certificates, one’s own and the cluster’s', async () => {
  await context(2);
  api.on('whoami', () => ({
    node: { id: NODE_ID },
    cluster: 'c',
    version: '0.2.0',
    defaultProject: { id: 'prj_1' },
    actor: { kind: 'user' as const, id: USER_ID, role: 'viewer' as const },
  }));
  api.on('node.list', () => ({ items: [] }));
  api.on('spec.list', () => ({ items: [] }));
  api.on('ca.show', () => ({ ...view(ca), phase: 'planned' }));
  const { stdout } = await run('doctor', '-o', 'json');
  const findings = JSON.parse(stdout) as { check: string; level: string; finding: string }[];
  const found = findings.filter(({ check }) => check === 'certificates').map((f) => `${f.level}: ${f.finding}`);
  expect(found).toEqual([
    expect.stringMatching(/^ok: yours expires/),
    expect.stringMatching(/^warning: the CA is being replaced/),
    expect.stringMatching(/: the CA expires/),
  ]);
});

describe('when it cannot be renewed', () => {
  it('the command answers as ever, with a warning that says what to do, and it is not tried each time', async () => {
    await context(1);
    const before = await kept();
    let refused = 0;
    api.on('user.renew', () => {
      refused++;
      throw new BoiError('not-admin-node', 'no admin node can be reached');
    });
    for (let n = 0; n < 3; n++) {
      const { code, stdout, stderr } = await run('cluster', 'status');
      expect([code, stdout.length > 0]).toEqual([0, true]);
      expect(stderr).toMatch(/WARN.*expires in .* could not be renewed.*boi-node context refresh.*user reissue/);
    }
    expect(refused).toBe(1);
    expect(await kept()).toEqual(before);
  });

  it('it is tried at once by hand, and says what is wrong', async () => {
    await context(1);
    api.on('ca.show', () => view(ca));
    api.on('user.renew', () => {
      throw new BoiError('unauthenticated', 'the certificate was revoked or replaced');
    });
    await run('cluster', 'status');
    const { code, stderr } = await run('context', 'refresh');
    expect([code, stderr]).toEqual([5, expect.stringContaining('revoked or replaced')]);
    api.on('user.renew', async ({ body }) => {
      const { spki } = await readSigningRequest((body as { csr: string }).csr);
      return { certificate: await ca.certify(USER_ID, spki), ca: ca.pem };
    });
    expect((await run('context', 'refresh')).stderr).toContain('has a new certificate');
    expect(await run('cluster', 'status')).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a refresh', () => {
  it('renews a young certificate when another CA signs, and not when the same one does', async () => {
    await context(20);
    api.on('ca.show', () => view(ca));
    expect((await run('context', 'refresh')).stderr).not.toContain('new certificate');
    const next = await TestCa.create('next CA');
    signs = next;
    api.on('ca.show', () => ({ ...view(next), ca: next.pem + ca.pem }));
    expect((await run('context', 'refresh')).stderr).toContain('new certificate');
    expect(asked).toBe(1);
  });

  it('of a context that uses the identity of a node is that node’s business', async () => {
    const issued = await ca.issue(NODE_ID, { notBefore });
    for (const [file, text] of [
      ['ca.pem', ca.pem],
      ['node.pem', issued.certificate],
      ['node.key', issued.key],
    ] as const)
      await writeFile(join(place, file), text, { mode: 0o600 });
    await run('context', 'add', 'node', '--identity', place, api.url);
    api.on('ca.show', () => view(ca));
    expect(await run('context', 'refresh')).toMatchObject({ code: 5, stderr: expect.stringContaining('no bundle') });
    expect(asked).toBe(0);
  });
});

function view(current: TestCa): CaView {
  const { fingerprint, pem } = current;
  return {
    cluster: '0123456789abcdef0123456789abcdef',
    fingerprint,
    notAfter: Date.now() + 1000 * HOUR_MS,
    phase: 'stable',
    since: 0,
    members: [],
    usersToRenew: [],
    ca: pem,
  };
}
