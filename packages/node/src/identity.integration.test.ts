/** Identity end to end on real sockets and a real etcd: joining, roles, revocation, renewal, rotation, what is refused and how. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestCa } from '@boi/client/testing';
import type { CaView, RouteAnswer } from '@boi/core';
import { CertificateAuthority, createKey, createSigningRequest, readSigningRequest } from '@boi/identity';
import { systemClock, systemRandom } from '@boi/system';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Daemon } from './daemon.ts';
import { deriveRoles, rolesDocument, type Who } from './testing/roles-table.ts';
import { type Credential, SecureRig } from './testing/secure-rig.ts';

const LIMIT_MS = 180_000;
let rig: SecureRig;
let first: Daemon;
let second: Daemon;

beforeAll(async () => {
  rig = await SecureRig.start();
  first = rig.daemons[0] as Daemon;
  second = await rig.join('second', await rig.token());
}, LIMIT_MS);
afterAll(() => rig?.stop(), LIMIT_MS);

const code = (answer: { body: { readonly [field: string]: unknown } }) => answer.body.code;
const reason = (answer: { body: { readonly [field: string]: unknown } }) =>
  (answer.body.details as { reason?: string } | undefined)?.reason;

describe('a node that joins', () => {
  test('has the id the cluster gave it, and both nodes see each other at https addresses', async () => {
    const { items } = await (await rig.admin()).call('node.list', {});
    expect(items.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
    expect(items.every(({ address }) => address?.startsWith('https://127.0.0.1:'))).toBe(true);
  });

  test('restarts with what it has saved, without a token, under the same id and certificate', async () => {
    const before = await rig.nodeCredential('second');
    await rig.leave(second);
    second = await rig.join('second');
    expect(await rig.nodeCredential('second')).toEqual(before);
    expect((await (await rig.admin()).call('whoami', {})).node.id).toBe(first.id);
    const seen = await rig.client(await rig.nodeCredential('second'), second).call('whoami', {});
    expect(seen.actor).toMatchObject({ kind: 'node', id: second.id, credential: 'certificate' });
  });

  test(
    'shows the output of a task of another node, asked by its certificate',
    async () => {
      const admin = await rig.admin();
      const { id } = await admin.call('spec.dispatch', {
        params: { prj: 'default' },
        body: { source: 'tasks: [{ ref: a, run: "echo out" }]', format: 'yaml' },
      });
      const path = encodeURIComponent(`${id}/a`);
      const done = async () => (await admin.call('task.show', { params: { prj: 'default', tsk: `${id}/a` } })).state;
      await expect.poll(done, { timeout: 60_000 }).toBe('succeeded');
      for (const daemon of [first, second]) {
        const url = `/v1/projects/default/tasks/${path}/log`;
        const answer = await rig.ask(await rig.nodeCredential('first'), 'GET', url, undefined, { daemon });
        expect([answer.status, answer.body.type]).toEqual([200, 'begin']);
      }
    },
    LIMIT_MS,
  );
});

describe('a token', () => {
  const ask = async (token: string, more: object = {}) => {
    const csr = await createSigningRequest(await createKey());
    return rig.ask({}, 'POST', '/v1/join', JSON.stringify({ token, csr, address: 'https://127.0.0.1:1', ...more }));
  };

  test('admits once: the same key is answered the same, another key is refused', async () => {
    const token = await rig.token();
    const csr = await createSigningRequest(await createKey());
    const body = JSON.stringify({ token, csr, address: 'https://127.0.0.1:1' });
    const one = await rig.ask({}, 'POST', '/v1/join', body);
    const again = await rig.ask({}, 'POST', '/v1/join', body);
    expect([one.status, again.body.node, again.body.certificate]).toEqual([200, one.body.node, one.body.certificate]);
    const other = await ask(token);
    expect([other.status, code(other)]).toEqual([409, 'token-spent']);
  });

  test('that is tampered with, unsigned, of another cluster, revoked or bound to others is refused by its own code, and nothing is written', async () => {
    const good = await rig.token();
    const [head, payload, signature] = good.split('.') as [string, string, string];
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const admin = await rig.admin();
    const made = await admin.call('token.create', { body: {} });
    await admin.call('token.revoke', { params: { tok: made.id } });
    const bound = await rig.token({ bindName: 'somebody' });
    const keyed = await rig.token({ bindKey: '0'.repeat(64) });
    const before = await rig.written();
    const tried: [string, string, number, string][] = [
      [
        'a changed claim',
        `${head}.${encode({ ...claims, exp: Number(claims.exp) + 60 })}.${signature}`,
        401,
        'token-invalid',
      ],
      ['alg none', `${encode({ alg: 'none', typ: 'boi-join+jwt' })}.${payload}.`, 401, 'token-invalid'],
      ['no token at all', 'x.y.z', 401, 'token-invalid'],
      ['another CA', `${head}.${encode({ ...claims, ca: 'f'.repeat(64) })}.${signature}`, 401, 'token-wrong-cluster'],
      ['a revoked one', made.token, 401, 'token-revoked'],
      ['one for another name', bound, 403, 'token-binding'],
      ['one for another key', keyed, 403, 'token-binding'],
    ];
    for (const [what, token, status, expected] of tried) {
      const answer = await ask(token);
      expect([what, answer.status, code(answer)]).toEqual([what, status, expected]);
    }
    expect(await rig.written()).toEqual(before);
    // The good one was not used up by what was made of it.
    expect((await ask(good)).status).toBe(200);
  });

  test('opens nothing else, and a certificate request that asks for more is refused', async () => {
    const token = await rig.token();
    for (const path of ['/v1/nodes', '/v1/whoami', '/v1/tokens']) {
      const answer = await rig.ask({ secret: token }, 'GET', path);
      expect([answer.status, reason(answer)]).toEqual([401, 'unknown']);
    }
    expect((await ask(token, { role: 'admin' })).status).toBe(400);
    expect((await ask(token, { name: 'admin' })).status).toBe(409);
  });

  test('asked of a node without the key, the answer names who has it', async () => {
    const csr = await createSigningRequest(await createKey());
    const body = JSON.stringify({ token: await rig.token(), csr, address: 'https://127.0.0.1:1' });
    const answer = await rig.ask({}, 'POST', '/v1/join', body, { daemon: second });
    expect([answer.status, code(answer)]).toEqual([421, 'not-admin-node']);
    expect(answer.body.details).toEqual({ admins: [first.address] });
  });
});

describe('who asks', () => {
  const users: Partial<Record<Who, Credential>> = {};
  beforeAll(async () => {
    for (const role of ['viewer', 'operator', 'admin'] as const) {
      users[role] = (await rig.user(`the ${role}`, role, { secret: role === 'operator' })).credential;
    }
    users.node = await rig.nodeCredential('second');
    users['admin node'] = await rig.nodeCredential('first');
    users.nobody = {};
  });

  test(
    'is answered as docs/roles.md says, by a real daemon to real certificates and secrets',
    async () => {
      const rows = await deriveRoles(
        async (who, method, path, body) =>
          (await rig.ask(users[who] ?? {}, method, path, body, { headOnly: true })).status,
      );
      const document = fileURLToPath(new URL('../../../docs/roles.md', import.meta.url));
      expect(rolesDocument(rows)).toBe(await readFile(document, 'utf8'));
    },
    LIMIT_MS,
  );

  test('an unknown user and a wrong secret are one answer', async () => {
    const { credential } = await rig.user('somebody', 'viewer', { secret: true });
    const secret = credential.secret as string;
    expect((await rig.ask(credential, 'GET', '/v1/nodes')).status).toBe(200);
    const wrong = `${secret.slice(0, -2)}${secret.endsWith('AA') ? 'BA' : 'AA'}`;
    const unknown = secret.replace(/usr_./, 'usr_7');
    const answers = await Promise.all(
      [wrong, unknown, 'nonsense'].map((s) => rig.ask({ secret: s }, 'GET', '/v1/nodes')),
    );
    for (const { status, body } of answers) {
      expect(status).toBe(401);
      expect({ ...body, requestId: '' }).toEqual({ ...answers[0]?.body, requestId: '' });
    }
  });

  test('a user who is revoked is out at once on every node, and so is a secret that was replaced', async () => {
    const stolen = await rig.user('stolen', 'admin');
    const replaced = await rig.user('replaced', 'viewer', { secret: true });
    const admin = await rig.admin();
    for (const daemon of [first, second]) {
      const asked = rig.ask(stolen.credential, 'GET', '/v1/users', undefined, { daemon });
      expect((await asked).status).toBe(200);
    }
    await admin.call('user.revoke', { params: { usr: stolen.id } });
    const again = await admin.call('user.reissue', { params: { usr: 'replaced' }, body: {} });
    for (const daemon of [first, second]) {
      const status = async () => (await rig.ask(stolen.credential, 'GET', '/v1/users', undefined, { daemon })).status;
      await expect.poll(status, { timeout: 30_000 }).toBe(401);
      const old = async () => (await rig.ask(replaced.credential, 'GET', '/v1/nodes', undefined, { daemon })).status;
      await expect.poll(old, { timeout: 30_000 }).toBe(401);
    }
    expect(again.user.id).toBe(replaced.id);
    expect((await rig.ask({ secret: again.secret as string }, 'GET', '/v1/nodes')).status).toBe(200);
    await expect(admin.call('user.reissue', { params: { usr: stolen.id }, body: {} })).rejects.toMatchObject({
      code: 'wrong-state',
    });
  });

  test('a certificate of another CA, expired, of another cluster, or of an id that was never admitted is refused with the reason', async () => {
    const other = await TestCa.create('boi of somebody else');
    const files = rig.files('first');
    const authority = await CertificateAuthority.load(
      (await files.read('trust')) as string,
      (await files.read('caKey')) as string,
    );
    const cluster = (await (await rig.admin()).call('whoami', {})).cluster;
    const key = await createKey();
    const request = await readSigningRequest(await createSigningRequest(key));
    const past = { now: () => Date.now() - 90 * 86_400_000, mono: () => 0, timer: systemClock.timer };
    const make = async (clock: typeof systemClock, named: string, id: string) =>
      (
        await authority.issue(
          { clock, random: systemRandom },
          { request, cluster: named, role: 'node', id: id as Daemon['id'], hosts: ['127.0.0.1'] },
        )
      ).pem;
    const foreign = await other.issue(first.id);
    const tried: [string, Credential][] = [
      ['untrusted', { certificate: foreign.certificate, key: foreign.key }],
      ['expired', { certificate: await make(past, cluster, first.id), key }],
      ['wrong-cluster', { certificate: await make(systemClock, '0'.repeat(32), first.id), key }],
      ['unknown', { certificate: await make(systemClock, cluster, first.id.replace(/_../, '_00')), key }],
      // Signed with the right key for a right id, but never recorded: a CA key that leaked is not enough by itself.
      ['revoked', { certificate: await make(systemClock, cluster, first.id), key }],
    ];
    for (const [expected, credential] of tried) {
      const answer = await rig.ask(credential, 'GET', '/v1/nodes');
      expect([expected, answer.status, reason(answer)]).toEqual([expected, 401, expected]);
      const beside = await rig.ask({ ...credential, secret: users.operator?.secret as string }, 'GET', '/v1/nodes');
      expect([expected, beside.status]).toEqual([expected, 401]);
    }
  });

  test("a node's certificate opens neither what is for people nor what is for admin nodes", async () => {
    const answer = await rig.ask(users.node as Credential, 'POST', '/v1/cluster/pause', '{}');
    expect([answer.status, code(answer)]).toEqual([403, 'forbidden']);
    expect((await rig.ask(users.node as Credential, 'POST', '/internal/ca-key', '{}')).status).toBe(400);
    const keys = {
      which: 'next',
      certificate: (await rig.files('first').read('trust')) as string,
      key: await createKey(),
    };
    const handed = await rig.ask(users.node as Credential, 'POST', '/internal/ca-key', JSON.stringify(keys));
    expect(handed.status).toBe(403);
  });
});

describe('the audit', () => {
  test('has each change with who made it, from the credential, and the revisions around it', async () => {
    const { id, credential } = await rig.user('auditor', 'operator');
    await rig.client(credential).call('node.cordon', { params: { nod: second.id }, body: {} });
    await rig.client(credential).call('node.uncordon', { params: { nod: second.id }, body: {} });
    const { items } = await (await rig.admin()).call('audit.list', { query: { actor: id, limit: 1000 } });
    expect(items.map(({ what, subject }) => [what, subject])).toEqual([
      ['node.cordon', second.id],
      ['node.uncordon', second.id],
    ]);
    for (const { before, after, actor } of items) {
      expect(actor).toEqual({ kind: 'user', id });
      expect(BigInt(after as string)).toBeGreaterThan(BigInt(before as string));
    }
    const all = await (await rig.admin()).call('audit.list', { query: { limit: 1000 } });
    expect(all.items.map(({ what }) => what)).toEqual(expect.arrayContaining(['user.create', 'token.create', 'join']));
    expect(JSON.stringify(all)).not.toContain('boi_usr_');
  });
});

describe('admins', () => {
  test(
    'a node is given the key over mutual TLS, signs then, and forgets it when it is no admin any more',
    async () => {
      const admin = await rig.admin();
      await expect(admin.call('admin.revoke', { params: { nod: first.id } })).rejects.toMatchObject({
        code: 'wrong-state',
      });
      const granted = await admin.call('admin.grant', { params: { nod: 'second' }, body: {} });
      expect(granted.items.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
      expect(await rig.files('second').read('caKey')).toBe(await rig.files('first').read('caKey'));
      const csr = await createSigningRequest(await createKey());
      const join = async () =>
        rig.ask(
          {},
          'POST',
          '/v1/join',
          JSON.stringify({ token: await rig.token(), csr, address: 'https://127.0.0.1:1' }),
          { daemon: second },
        );
      await expect.poll(async () => (await join()).status, { timeout: 30_000 }).toBe(200);
      await admin.call('admin.revoke', { params: { nod: second.id } });
      await expect.poll(() => rig.files('second').read('caKey'), { timeout: 30_000 }).toBeUndefined();
    },
    LIMIT_MS,
  );
});

describe('a rotation of the CA', () => {
  const rotate = async (step: 'plan' | 'execute' | 'finalize', more: object = {}): Promise<CaView> =>
    (await rig.admin()).call('ca.rotate', { body: { step, ...more } });
  const shown = async () => (await rig.admin()).call('ca.show', {});

  test(
    'fails no request and no task, and ends with certificates and trust of the new one alone',
    async () => {
      const before = await rig.nodeCredential('second');
      const { credential } = await rig.user('under load', 'operator', { secret: true });
      const { fingerprint: oldCa } = await shown();
      let failed: unknown;
      let asked = 0;
      let busy = true;
      // A client that trusts what it trusted before, and after the switch both: as a context whose bundle was renewed.
      const load = (async () => {
        while (busy && failed === undefined) {
          const ca = (await rig.nodeCredential('first')).ca as string;
          for (const daemon of [first, second]) {
            try {
              const answer = await rig.ask({ ...credential, ca }, 'GET', '/v1/whoami', undefined, { daemon });
              asked += 1;
              if (answer.status !== 200) failed = answer.body;
            } catch (error) {
              failed = error;
            }
          }
        }
      })();
      const tasks = await (await rig.admin()).call('spec.dispatch', {
        params: { prj: 'default' },
        body: {
          source: `tasks: [${Array.from({ length: 20 }, (_, i) => `{ ref: t${i}, run: "sleep 0.2" }`).join(', ')}]`,
          format: 'yaml',
        },
      });
      const planned = await rotate('plan', { trustWindowMs: 0 });
      expect([planned.phase, planned.fingerprint]).toEqual(['planned', oldCa]);
      await expect
        .poll(async () => (await shown()).members.filter((m) => m.live && !m.trusts), { timeout: 60_000 })
        .toEqual([]);
      const executed = await rotate('execute');
      expect([executed.phase, executed.previous, executed.fingerprint]).toEqual(['rotating', oldCa, planned.next]);
      const behind = async () => (await shown()).members.filter((m) => m.live && !m.renewed);
      await expect.poll(behind, { timeout: 60_000 }).toEqual([]);
      const finalized = await rotate('finalize', { force: true });
      expect([finalized.phase, finalized.fingerprint, finalized.previous]).toEqual(['stable', planned.next, undefined]);
      const trusts = async () => (await shown()).members.filter((m) => m.live && !m.trusts);
      await expect.poll(trusts, { timeout: 60_000 }).toEqual([]);
      await expect.poll(async () => (await rig.nodeCredential('second')).ca, { timeout: 60_000 }).toBe(finalized.ca);
      busy = false;
      await load;
      expect(failed).toBeUndefined();
      expect(asked).toBeGreaterThan(4);

      const state = async (): Promise<RouteAnswer<'spec.show'>> =>
        (await rig.admin()).call('spec.show', { params: { prj: 'default', spc: tasks.id } });
      await expect.poll(async () => (await state()).state, { timeout: 60_000 }).toBe('succeeded');

      const stale = await rig.ask({ ...before, ca: finalized.ca }, 'GET', '/v1/whoami');
      expect([stale.status, reason(stale)]).toEqual([401, 'untrusted']);
      await expect.poll(() => rig.files('first').read('nextCaKey'), { timeout: 30_000 }).toBeUndefined();
      // The key in use is the new one's: who joins now gets a certificate of it.
      const third = await rig.join('third', await rig.token());
      await rig.leave(third);
      await rig.leave(second);
      second = await rig.join('second');
    },
    LIMIT_MS,
  );
});

describe('a node that is removed', () => {
  test('is refused with its certificate, and comes back only with a token', async () => {
    const gone = await rig.join('gone', await rig.token());
    const credential = await rig.nodeCredential('gone');
    const admin = await rig.admin();
    const remove = () => admin.call('node.remove', { params: { nod: gone.id } });
    await expect(remove()).rejects.toMatchObject({ code: 'wrong-state' });
    await expect(admin.call('node.remove', { params: { nod: first.id } })).rejects.toMatchObject({
      code: 'wrong-state',
    });
    expect((await rig.ask(credential, 'GET', '/v1/whoami')).status).toBe(200);
    await rig.leave(gone);
    expect(await remove()).toMatchObject({ id: gone.id });
    const again = async () => reason(await rig.ask(credential, 'GET', '/v1/whoami'));
    await expect.poll(again, { timeout: 30_000 }).toBe('unknown');
    await expect(rig.join('gone')).rejects.toMatchObject({ code: 'wrong-state', message: /was removed/ });
  });
});

describe('two processes', () => {
  test('with one data directory: the second is refused and changes nothing', async () => {
    const before = await rig.nodeCredential('second');
    await expect(rig.join('second')).rejects.toMatchObject({ code: 'identity-in-use' });
    expect(await rig.nodeCredential('second')).toEqual(before);
  });

  test('with files of two nodes mixed up, or files that others may read, nothing starts', async () => {
    const token = await rig.token();
    const daemon = await rig.join('mixed', token);
    await rig.leave(daemon);
    const path = join(rig.dir, 'mixed', 'node.json');
    const own = await readFile(path, 'utf8');
    await writeFile(path, JSON.stringify({ v: 1, id: first.id }));
    await expect(rig.join('mixed')).rejects.toMatchObject({ code: 'wrong-state', message: /mixed up/ });
    await writeFile(path, own);
    await expect(rig.join('nobody')).rejects.toMatchObject({ code: 'wrong-state', message: /cluster init.*--token/ });
  });
});
