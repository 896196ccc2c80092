/**
 * The whole story of identity on real processes and a real etcd: a cluster is founded, nodes join with tokens, users get
 * credentials and work with them; what must be refused is, with its code and without a write; the CA is replaced under
 * load; and at the end every secret that was made is searched for wherever it must not be.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { BoiClient, followSpec } from '@boi/client';
import { TestCa } from '@boi/client/testing';
import type { AuditView, CaView, FsckReport, NodeView, TaskView, UserView } from '@boi/core';
import { systemClock, systemRandom } from '@boi/system';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { figure, seconds } from './support/figures.ts';
import { SecureCluster, type SecureDaemon } from './support/secure-cluster.ts';
import { Shell } from './support/shell.ts';
import { until } from './support/until.ts';

const HOOKS_JSONL = join(import.meta.dirname, '../../../plugins/hooks-jsonl/dist/main.js');
/** A build of what changed, and a machine that is busy otherwise. */
const WITHIN_MS = 600_000;

interface Bundle {
  readonly ca: string;
  readonly endpoints: readonly string[];
  readonly user: { readonly id: string; readonly name: string };
  readonly certificate?: string;
  readonly key?: string;
  readonly secret?: string;
}

let cluster: SecureCluster;
let second: SecureDaemon;
/** Every secret that was made, by what it is. */
const secrets = new Map<string, string>();
const bundles = new Set<string>();

const readBundle = (path: string): Bundle => JSON.parse(readFileSync(path, 'utf8')) as Bundle;

/** A user with a shell of its own, whose only context is its bundle. */
async function person(
  name: string,
  ...flags: readonly string[]
): Promise<{ shell: Shell; bundle: Bundle; file: string }> {
  const file = join(cluster.dir, `${name}.boi.json`);
  await cluster.ok(cluster.admin, ['user', 'create', name, ...flags, '--out', file]);
  const shell = await Shell.bare(join(cluster.dir, `home-${name}`));
  await cluster.ok(shell, ['context', 'add', 'here', '--bundle', file]);
  const bundle = readBundle(file);
  keep(name, bundle);
  bundles.add(file);
  return { shell, bundle, file };
}

function keep(name: string, { key, secret }: Bundle): void {
  if (key !== undefined) secrets.set(`key of ${name}`, heart(key));
  if (secret !== undefined) secrets.set(`secret of ${name}`, secret);
}

/** The part of a PEM key that no other has: its middle, without line ends. */
function heart(pem: string): string {
  const body = pem.replace(/-----[^-]+-----/g, '').replace(/\s/g, '');
  return body.slice(60, 110);
}

async function token(...flags: readonly string[]): Promise<readonly [string, string]> {
  const made = await cluster.token(...flags);
  secrets.set(`token ${secrets.size}`, made[0].split('.')[2] as string);
  return made;
}

type Changed = { readonly [K in keyof Bundle]?: Bundle[K] | undefined };

const client = (bundle: Bundle, more: Changed = {}): BoiClient => {
  const { ca, certificate, key, secret, endpoints } = { ...bundle, ...more };
  return new BoiClient({
    endpoints: endpoints ?? [],
    credentials: { ca, certificate, key, bearer: secret },
    timeoutMs: 20_000,
  });
};

beforeAll(async () => {
  cluster = await SecureCluster.make();
  const file = join(cluster.dir, 'first-secrets.json');
  await cluster.found(
    async () => {
      secrets.set(
        'key of the CA that was replaced',
        heart(readFileSync(join(cluster.dir, 'first/identity/ca.key'), 'utf8')),
      );
      secrets.set('secret of tasks', randomBytes(24).toString('hex'));
      writeFileSync(file, JSON.stringify({ DEPLOY_KEY: secrets.get('secret of tasks') }), { mode: 0o600 });
      // Everything that happens is in its file, which is searched like any other.
      secrets.set('setting of a plugin', randomBytes(24).toString('hex'));
      const install = ['plugin', 'install', 'events', '--kind', 'hooks', '--data-dir', join(cluster.dir, 'first')];
      const set = ['--set', `ALERT_TOKEN=${secrets.get('setting of a plugin')}`];
      const run = ['--', process.execPath, HOOKS_JSONL, '--file', join(cluster.dir, 'events.jsonl')];
      await cluster.ok(cluster.admin, [...install, ...set, ...run]);
    },
    '--secrets-file',
    file,
  );
}, WITHIN_MS);
afterAll(() => cluster?.stop(), WITHIN_MS);

describe('a cluster with identities', { timeout: WITHIN_MS }, () => {
  let alice: Awaited<ReturnType<typeof person>>;

  test('is founded once, and keeps the key of its CA for its owner', async () => {
    for (const file of ['ca.key', 'node.key', 'ca.pem', 'node.pem'])
      expect(statSync(join(cluster.dir, 'first/identity', file)).mode & 0o777, file).toBe(0o600);
    const words = ['cluster', 'init', ...cluster.foundingWords.map((word) => word.replace('/first', '/other'))];
    const before = await cluster.written();
    const refused = await cluster.run(cluster.admin, words);
    expect(refused).toMatchObject({ code: 5, stdout: '' });
    expect(refused.stderr).toContain('already');
    expect(await cluster.written()).toBe(before);
    const me = JSON.parse(await cluster.ok(cluster.admin, ['whoami', '-o', 'json'])) as { actor: object };
    expect(me.actor).toMatchObject({ kind: 'node', role: 'admin', id: cluster.daemons[0]?.id });
  });

  test(
    'takes a second node with a token, which needs none when it starts again',
    async () => {
      const [, file] = await token();
      second = await cluster.join('second', file);
      const { id } = second;
      const before = await members();
      await second.stop();
      await second.start();
      expect(second.id).toBe(id);
      expect(await members()).toEqual(before);
      const nodes = JSON.parse(await cluster.ok(cluster.admin, ['node', 'list', '-o', 'json'])) as NodeView[];
      expect(nodes.map(({ name, state }) => `${name} ${state}`).sort()).toEqual(['first ready', 'second ready']);
    },
    WITHIN_MS,
  );

  test('lets a user work from a third place: dispatch, and the output of a task of another node', async () => {
    alice = await person('alice', '--role', 'operator');
    const spec = JSON.stringify({
      tasks: ['first', 'second'].map((at) => ({ ref: at, run: `echo output of ${at}`, requires: { at } })),
    });
    const done = await cluster.run(alice.shell, ['spec', 'dispatch', '-', '--tail'], spec);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    const id = done.stdout.slice(0, 30);
    for (const at of ['first', 'second'])
      expect(await cluster.ok(alice.shell, ['task', 'tail', `${id}/${at}`])).toBe(`output of ${at}\n`);
    const me = JSON.parse(await cluster.ok(alice.shell, ['whoami', '-o', 'json'])) as { actor: object };
    expect(me.actor).toMatchObject({ kind: 'user', name: 'alice', role: 'operator', id: alice.bundle.user.id });
  });

  test('gives tasks their secrets, and shows none of them in their output', async () => {
    const spec = JSON.stringify({
      tasks: [
        {
          ref: 'a',
          run: 'echo "key: $DEPLOY_KEY" $(printf %s "$DEPLOY_KEY" | wc -c); exit 3',
          secrets: ['DEPLOY_KEY'],
          requires: { at: 'first' },
        },
      ],
    });
    const done = await cluster.run(alice.shell, ['spec', 'dispatch', '-', '--tail'], spec);
    expect(done.code).toBe(1);
    const shown = await cluster.ok(alice.shell, ['task', 'tail', `${done.stdout.slice(0, 30)}/a`]);
    expect(shown).toMatch(/^key: \S+ 48\n$/);
    expect(shown).not.toContain(secrets.get('secret of tasks'));
  });

  test('takes a bearer secret over TLS', async () => {
    const ci = await person('ci', '--role', 'viewer', '--secret');
    expect(ci.bundle.secret).toMatch(/^boi_usr_/);
    expect(await cluster.run(ci.shell, ['node', 'list'])).toMatchObject({ code: 0 });
    const wrong = client(ci.bundle, { secret: `${ci.bundle.secret?.slice(0, -3)}AAA` });
    const nobody = client(ci.bundle, { secret: `boi_usr_01kapz0vge5n3m8q2r7t4wabcd_${'A'.repeat(43)}` });
    const [a, b] = await Promise.all([wrong, nobody].map((c) => c.call('node.list', {}).catch((e: Error) => e)));
    expect(a).toMatchObject({ code: 'unauthenticated' });
    expect((a as Error).message).toBe((b as Error).message);
    for (const c of [wrong, nobody]) c.close();
  });

  describe('refuses, and writes nothing:', () => {
    const enroll = async (file: string, ...flags: readonly string[]) => {
      const words = ['join', '--enroll-only', '--token-file', file, '--listen', '127.0.0.1:0', ...flags];
      const dataDir = join(cluster.dir, `refused-${refusals++}`);
      return cluster.run(cluster.admin, [...words, '--data-dir', dataDir]);
    };
    let refusals = 0;

    async function unchanged(
      act: () => Promise<{ code: number | null; stderr: string }>,
      words: string,
    ): Promise<void> {
      const before = await cluster.written();
      const { code, stderr } = await act();
      expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringContaining(words) });
      expect(await cluster.written()).toBe(before);
    }

    test('a token that was used', async () => {
      const [, file] = await token();
      expect(await enroll(file)).toMatchObject({ code: 0 });
      await unchanged(() => enroll(file), 'used');
    });

    test('a token that was revoked', async () => {
      const [, file] = await token();
      const tokens = JSON.parse(await cluster.ok(cluster.admin, ['token', 'list', '-o', 'json'])) as { id: string }[];
      await cluster.ok(cluster.admin, ['token', 'revoke', String(tokens[0]?.id)]);
      await unchanged(() => enroll(file), 'revoked');
    });

    test('a token that has expired', async () => {
      const [, file] = await token('--ttl', '10s');
      const { exp } = JSON.parse(
        Buffer.from(readFileSync(file, 'utf8').split('.')[1] as string, 'base64url').toString(),
      ) as { exp: number };
      await until('it has expired', () => Date.now() > exp * 1000, 20_000);
      await unchanged(() => enroll(file), 'expired');
    });

    test('a token that was made offline, once it was used or revoked; once it admits', async () => {
      const offline = async () => {
        const key = join(cluster.dir, 'first/identity/ca.key');
        const { code, stdout } = await cluster.admin.run(['token', 'create', '--ca-key', key]);
        expect(code).toBe(0);
        const file = join(cluster.dir, `token-offline-${secrets.size}`);
        writeFileSync(file, stdout, { mode: 0o600 });
        secrets.set(`offline token ${secrets.size}`, stdout.trim().split('.')[2] as string);
        const { jti } = JSON.parse(Buffer.from(stdout.split('.')[1] as string, 'base64url').toString()) as {
          jti: string;
        };
        return [jti, file] as const;
      };
      const before = await cluster.written();
      const [, file] = await offline();
      expect(await cluster.written()).toBe(before);
      expect(await enroll(file)).toMatchObject({ code: 0 });
      await unchanged(() => enroll(file), 'used');
      const [id, other] = await offline();
      await cluster.ok(cluster.admin, ['token', 'revoke', id]);
      await unchanged(() => enroll(other), 'revoked');
    });

    test('a token with a changed letter', async () => {
      const [text, file] = await token();
      const at = text.length - 20;
      writeFileSync(file, text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1));
      await unchanged(() => enroll(file), 'token');
    });

    test('a token that is bound to another name, or to another key', async () => {
      const [, byName] = await token('--bind-name', 'somebody');
      await unchanged(() => enroll(byName, '--name', 'impostor'), 'another name');
      const [, byKey] = await token('--bind-key', 'a'.repeat(64));
      await unchanged(() => enroll(byKey), 'another key');
    });

    test('a token signed by another CA, already at the host that would join', async () => {
      const { createAuthority, CertificateAuthority, mintJoinToken } = await import('@boi/identity');
      const io = { clock: systemClock, random: systemRandom };
      const { pem, keyPem } = await createAuthority(io, { cluster: 'f'.repeat(32) });
      const authority = await CertificateAuthority.load(pem, keyPem);
      const minted = await mintJoinToken(io, { authority, cluster: 'f'.repeat(32), boot: [cluster.url] });
      const file = join(cluster.dir, 'foreign-token');
      writeFileSync(file, minted.token, { mode: 0o600 });
      await unchanged(() => enroll(file), 'fingerprint');
      // And at the node that is asked, if a host should not look.
      const { createKey, createSigningRequest } = await import('@boi/identity');
      const asked = client(alice.bundle, { certificate: undefined, key: undefined, endpoints: [cluster.url] });
      const before = await cluster.written();
      const csr = await createSigningRequest(await createKey());
      const body = { token: minted.token, csr, address: 'https://127.0.0.1:1' };
      await expect(asked.call('join', { body })).rejects.toMatchObject({ code: 'token-wrong-cluster', exitCode: 5 });
      const bold = { ...body, role: 'admin' };
      await expect(asked.call('join', { body: bold })).rejects.toMatchObject({ code: 'bad-request' });
      asked.close();
      expect(await cluster.written()).toBe(before);
    });

    test('a token as a credential for anything but joining', async () => {
      const [text] = await token();
      const asked = client(alice.bundle, { certificate: undefined, key: undefined, secret: text });
      await expect(asked.call('node.list', {})).rejects.toMatchObject({ code: 'unauthenticated' });
      asked.close();
    });

    test('who shows nothing, a certificate of another CA, or a certificate without its key', async () => {
      const stranger = await (await TestCa.create()).issue(alice.bundle.user.id);
      for (const [more, reason] of [
        [{ certificate: undefined, key: undefined }, 'missing'],
        [stranger, 'untrusted'],
      ] as const) {
        const asked = client(alice.bundle, more);
        await expect(asked.call('node.list', {})).rejects.toMatchObject({
          code: 'unauthenticated',
          details: { reason },
        });
        asked.close();
      }
      // Stolen without its key: TLS itself does not take it.
      const asked = client(alice.bundle, { key: stranger.key });
      await expect(asked.call('node.list', {})).rejects.toThrow(/key/);
      asked.close();
    });

    test('an operator that would be an admin', async () => {
      await unchanged(() => cluster.run(alice.shell, ['token', 'create']), 'admin');
      const out = join(cluster.dir, 'x.json');
      await unchanged(
        () => cluster.run(alice.shell, ['user', 'create', 'mallory', '--role', 'admin', '--out', out]),
        'admin',
      );
      await unchanged(() => cluster.run(alice.shell, ['cluster', 'ca', 'rotate', '--plan']), 'admin');
    });

    test('a user that was revoked, at once and although the certificate is good', async () => {
      const bob = await person('bob', '--role', 'viewer');
      expect(await cluster.run(bob.shell, ['node', 'list'])).toMatchObject({ code: 0 });
      await cluster.ok(cluster.admin, ['user', 'revoke', 'bob']);
      await until('the node knows', async () => (await bob.shell.run(['node', 'list'])).code === 5, 10_000);
      await unchanged(() => cluster.run(bob.shell, ['node', 'list']), 'revoked');
    });

    test('the end of the last admin', async () => {
      await unchanged(() => cluster.run(cluster.admin, ['cluster', 'admin', 'revoke', 'first']), 'last');
    });
  });

  test('two processes that renew one credential end with one valid credential in one whole file', async () => {
    const root = await person('root', '--role', 'admin');
    const words = ['user', 'reissue', 'root', '--save'];
    const both = await Promise.all([cluster.run(root.shell, words), cluster.run(root.shell, words)]);
    expect(
      both.map(({ code }) => code),
      both.map(({ stderr }) => stderr).join(),
    ).toEqual([0, 0]);
    const files = readdirSync(join(cluster.dir, 'home-root/config/credentials'));
    expect(files).toHaveLength(1);
    const kept = readBundle(join(cluster.dir, 'home-root/config/credentials', String(files[0])));
    keep('root again', kept);
    expect(await cluster.run(root.shell, ['whoami'])).toMatchObject({ code: 0 });
    // What was in the first bundle is worth nothing any more.
    const old = client(root.bundle);
    await expect(old.call('node.list', {})).rejects.toMatchObject({ details: { reason: 'revoked' } });
    old.close();
    const users = JSON.parse(
      await cluster.ok(cluster.admin, ['user', 'list', '--name', 'root', '-o', 'json']),
    ) as UserView[];
    expect(users.map(({ id }) => id)).toEqual([root.bundle.user.id]);
  });

  test(
    'replaces its CA under load: no task fails, no request fails',
    async () => {
      const load = new Load(alice.bundle);
      const status = async () =>
        JSON.parse(await cluster.ok(cluster.admin, ['cluster', 'ca', 'status', '-o', 'json'])) as CaView;
      const rotate = (...flags: string[]) => cluster.run(cluster.admin, ['cluster', 'ca', 'rotate', ...flags]);
      const kept = (): Bundle => {
        const directory = join(cluster.dir, 'home-alice/config/credentials');
        const files = readdirSync(directory);
        expect(files).toHaveLength(1);
        return readBundle(join(directory, String(files[0])));
      };
      try {
        await load.progress(3);
        const { fingerprint: old } = await status();
        expect(await rotate('--plan', '--trust-window', '0s')).toMatchObject({ code: 0 });
        expect((await status()).phase).toBe('planned');
        await until(
          'all live nodes trust both',
          async () => (await status()).members.every((m) => m.trusts || !m.live),
          60_000,
        );
        // Who uses the cluster learns of the new CA before it signs.
        await cluster.ok(alice.shell, ['context', 'refresh']);
        load.use(kept());
        await load.progress(3);
        const executed = await rotate('--execute');
        expect(executed, executed.stderr).toMatchObject({ code: 0 });
        await load.progress(3);
        await until(
          'all live nodes have renewed',
          async () => (await status()).members.every((m) => m.renewed || !m.live),
          90_000,
        );
        expect(await cluster.run(alice.shell, ['node', 'list'])).toMatchObject({ code: 0 });
        // Certificates of the old CA end with it: she renews hers, for the key she has; who does not is not waited for.
        expect((await status()).usersToRenew).toContain(alice.bundle.user.id);
        await cluster.ok(alice.shell, ['context', 'refresh']);
        load.use(kept());
        expect(kept()).toMatchObject({
          key: alice.bundle.key,
          certificate: expect.not.stringContaining(alice.bundle.certificate ?? ''),
        });
        expect((await status()).usersToRenew).not.toContain(alice.bundle.user.id);
        for (const user of (await status()).usersToRenew) await cluster.ok(cluster.admin, ['user', 'revoke', user]);
        await load.progress(3);
        // Nodes that were admitted and never ran have not renewed: they go first, or are left behind by force.
        const refused = await rotate('--finalize');
        expect(refused).toMatchObject({ code: 5, stderr: expect.stringContaining('renewed') });
        const never = (await status()).members.filter(({ renewed }) => !renewed);
        expect(never.length).toBeGreaterThan(0);
        for (const { id } of never) await cluster.ok(cluster.admin, ['node', 'remove', id]);
        const finalized = await rotate('--finalize');
        expect(finalized, finalized.stderr).toMatchObject({ code: 0 });
        const now = await status();
        expect(now).toMatchObject({ phase: 'stable' });
        expect(now.fingerprint).not.toBe(old);
        await load.progress(3);
        expect(await cluster.run(alice.shell, ['node', 'list'])).toMatchObject({ code: 0 });
      } finally {
        await load.stop();
      }
      figure('load while the CA was replaced', load.figures);
      expect(load.failures).toEqual([]);
      const fsck = JSON.parse(await cluster.ok(cluster.admin, ['cluster', 'fsck', '-o', 'json'])) as FsckReport;
      expect(fsck.findings).toEqual([]);
      // Who still has the old trust is told.
      const left = client(alice.bundle);
      await expect(left.call('node.list', {})).rejects.toMatchObject({ code: 'untrusted-server' });
      left.close();
    },
    WITHIN_MS,
  );

  test('knows who did what', async () => {
    const read = async (...flags: string[]) =>
      JSON.parse(await cluster.ok(cluster.admin, ['cluster', 'audit', '-o', 'json', ...flags])) as AuditView[];
    const all = await read();
    const what = new Set(all.map((line) => line.what));
    for (const operation of ['user.create', 'token.create', 'join', 'ca.rotate.execute', 'spec.dispatch'])
      expect([...what], operation).toContain(operation);
    const hers = await read('--actor', alice.bundle.user.id);
    expect(new Set(hers.map((line) => line.actor.id))).toEqual(new Set([alice.bundle.user.id]));
    expect(hers.map((line) => line.what)).toContain('spec.dispatch');
    expect(hers.map((line) => line.what)).not.toContain('user.create');
  });

  test('has let no secret out: not into the store, logs, answers, audit or files', async () => {
    for (const name of ['first', 'second']) {
      const keys = readdirSync(join(cluster.dir, name, 'identity')).filter((file) => file.endsWith('.key'));
      for (const file of keys)
        secrets.set(`${file} of ${name}`, heart(readFileSync(join(cluster.dir, name, 'identity', file), 'utf8')));
    }
    expect(secrets.size).toBeGreaterThan(12);
    const places = new Map<string, string>();
    for (const { key, value } of await cluster.dump()) places.set(`store ${key}`, String(value));
    for (const daemon of cluster.daemons) places.set(`log of ${daemon.name}`, daemon.output);
    places.set('what commands wrote', cluster.output);
    for (const words of [
      ['token', 'list'],
      ['user', 'list'],
      ['cluster', 'audit'],
      ['cluster', 'ca', 'status'],
      ['cluster', 'admin', 'list'],
      ['node', 'list'],
      ['whoami'],
      ['context', 'show'],
      ['spec', 'list'],
      ['plugin', 'list'],
      ['plugin', 'show', 'events'],
    ]) {
      places.set(`boi-node ${words.join(' ')}`, await cluster.ok(cluster.admin, [...words, '-o', 'json']));
    }
    for (const path of files(cluster.dir)) places.set(path, readFileSync(path, 'latin1'));
    expect(places.size).toBeGreaterThan(50);
    // Archives of finished specs, as they are and unpacked.
    for (const { key, value } of await cluster.dump()) {
      if (key.includes('/archive/')) places.set(`unpacked ${key}`, inflateRawSync(value).toString());
    }
    expect(readFileSync(join(cluster.dir, 'events.jsonl'), 'utf8')).toContain('task.completed');
    figure('secrets searched for', `${secrets.size} in ${places.size} places`);
    const found: string[] = [];
    for (const [what, secret] of secrets) {
      for (const [place, text] of places) {
        if (text.replaceAll(/\\n|\s/g, '').includes(secret) && !mayHold(place)) found.push(`${what} is in ${place}`);
      }
    }
    expect(found).toEqual([]);
  });
});

/**
 * Where a secret belongs: key files of nodes, bundles, credentials of contexts, the files tokens were handed over in, the secrets
 * file and the settings of plugins. None of them may be read by others.
 */
function mayHold(place: string): boolean {
  if (place.endsWith('/first-secrets.json') || place.endsWith('/first/plugins/events.json'))
    return statSync(place).mode % 0o100 === 0;
  if (bundles.has(place) || place.includes('/config/credentials/')) return statSync(place).mode % 0o100 === 0;
  return /\/identity\/[a-z-]+\.key$/.test(place) || /\/token-[^/]+$/.test(place);
}

function* files(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) yield join(entry.parentPath, entry.name);
}

async function members(): Promise<readonly string[]> {
  const kvs = await cluster.dump();
  return kvs.map(({ key }) => key).filter((key) => key.includes('/members/'));
}

/** Dispatches, follows and reads output without a pause; counts what was done and keeps every failure. */
class Load {
  readonly failures: string[] = [];
  readonly #since = performance.now();
  #requests = 0;
  #done = 0;
  #client: BoiClient;
  #stopped = false;
  readonly #loops: Promise<void>;

  constructor(bundle: Bundle) {
    this.#client = client(bundle);
    this.#loops = Promise.all([this.#work(), this.#work(), this.#look()]).then(() => undefined);
  }

  /** From the next request on. */
  use(bundle: Bundle): void {
    const before = this.#client;
    this.#client = client(bundle);
    before.close();
  }

  /** So many further specs have ended well. */
  async progress(specs: number): Promise<void> {
    const target = this.#done + specs;
    await until(`${specs} more specs have ended`, () => this.#done >= target || this.failures.length > 0, 60_000);
  }

  get figures(): string {
    const { failures } = this;
    const tasks = `${this.#done} specs, ${2 * this.#done} tasks, ${this.#requests} requests`;
    return `${tasks} in ${seconds(performance.now() - this.#since)}, ${failures.length} failures`;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loops;
    this.#client.close();
  }

  async #work(): Promise<void> {
    for (let n = 0; !this.#stopped; n++) await this.#attempt('work', () => this.#one(n));
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      await this.#attempt('node.list', () => this.#client.call('node.list', {}));
      await this.#attempt('cluster.show', () => this.#client.call('cluster.show', {}));
      this.#requests += 2;
    }
  }

  async #one(n: number): Promise<void> {
    const asked = this.#client;
    const source = JSON.stringify({
      tasks: ['first', 'second'].map((at) => ({ ref: at, run: 'sleep 0.2; echo done', requires: { at } })),
    });
    const { id } = await asked.call('spec.dispatch', {
      params: { prj: 'default' },
      body: { source, format: 'json', idempotencyKey: `load-${n}-${Math.random()}` },
    });
    for await (const event of followSpec(asked, { project: 'default', spec: id, tasks: false })) {
      if (event.type === 'end' && event.spec.state !== 'succeeded') throw new Error(`${id} ${event.spec.state}`);
    }
    const tasks: TaskView[] = [];
    for (const ref of ['first', 'second'])
      tasks.push(await asked.call('task.show', { params: { prj: 'default', tsk: `${id}/${ref}` } }));
    if (!tasks.every(({ state, attempt }) => state === 'succeeded' && attempt === 1))
      throw new Error(JSON.stringify(tasks));
    this.#done += 1;
    // Dispatch, events, and two tasks shown.
    this.#requests += 4;
  }

  async #attempt(what: string, act: () => Promise<unknown>): Promise<void> {
    const asked = this.#client;
    try {
      await act();
    } catch (error) {
      // Cut by this test itself, when it took the new credential.
      if (asked === this.#client) this.failures.push(`${what}: ${String(error)}`);
    }
  }
}
