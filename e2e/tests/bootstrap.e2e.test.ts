/** Founding a cluster and getting into it: what is admitted, what is not, and what stands in the store after each. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import type { Container } from '../harness/container.ts';
import type { NodeView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2 });
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const identity = '/var/lib/boi-node/identity';
const node = (n: number) => cluster.node(n);
const read = async (n: number, command: string) => (await node(n).exec(['sh', '-c', command])).stdout.trim();
/** The shortest life of a token. */
const EXPIRES_MS = 10_000;
/** A host that has never been here asks to be admitted. */
const enroll = (name: string, token: string) => {
  const where = ['--data-dir', `/tmp/${name}`, '--advertise', 'https://laptop:7440', '--name', name];
  return cluster.laptop.exec(['boi-node', 'join', '--enroll-only', ...where, '--token', token]);
};
/** Everything about who belongs to the cluster, with revisions. */
const admitted = async () => [
  ...(await cluster.records('/boi/members/')),
  ...(await cluster.records('/boi/ca/')),
  ...(await cluster.records('/boi/tokens/')),
];

test('store_ready: a member is up and answers a linearizable read', async () => {
  keepOnFailure();
  const member = cluster.etcd[0] as Container;
  const read = await member.exec(['etcdctl', 'get', '/boi/cluster', '--consistency=l']);
  expect(read).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\/boi\/cluster\n\{/) });
});

test('init_creates_ca: one fingerprint in the store, in a token, and by openssl of the certificate that is stored and of that on disk; the key is for its owner alone', async () => {
  keepOnFailure();
  const [record] = await cluster.records('/boi/ca/current');
  const stored = JSON.parse(record?.value ?? '{}') as { current: { fingerprint: string; pem: string } };
  const ofFile = async (file: string, stdin = '') => {
    const command = `openssl x509 -in ${file} -noout -fingerprint -sha256 | cut -d= -f2`;
    const { stdout } = await node(1).exec(['sh', '-c', command], { stdin });
    return stdout.trim().replaceAll(':', '').toLowerCase();
  };
  expect(await ofFile('/dev/stdin', stored.current.pem)).toBe(stored.current.fingerprint);
  expect(await ofFile(`${identity}/ca.pem`)).toBe(stored.current.fingerprint);
  const [, claims = ''] = (await cluster.boi(['token', 'create'])).split('.');
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ ca: stored.current.fingerprint });
  expect(await read(1, `stat -c %a ${identity}/ca.key`)).toBe('600');
  expect((await node(2).exec(['test', '-e', `${identity}/ca.key`])).code).not.toBe(0);
});

test('init_marks_seed_admin: with the cluster itself; a second init on the same node changes nothing, on another it is refused', async () => {
  keepOnFailure();
  const [founded] = await cluster.records('/boi/cluster');
  const { id } = await cluster.json<NodeView>(['node', 'show', 'node-1']);
  const admins = await cluster.records('/boi/ca/admins/');
  expect(admins).toMatchObject([{ key: `/boi/ca/admins/${id}`, createRevision: founded?.createRevision }]);
  const before = await admitted();
  const args = ['--etcd', 'http://etcd-1:2379', '--no-context', '-o', 'json'];
  const init = (dir: string) => ['boi-node', 'cluster', 'init', '--data-dir', dir, ...args];
  const again = await node(1).exec(init('/var/lib/boi-node'));
  expect(again.code === 0 || /running|lock|in use/.test(again.stderr), again.stderr).toBe(true);
  expect(await admitted()).toEqual(before);
  const elsewhere = await node(2).exec(init('/tmp/other'));
  expect(elsewhere.code).toBe(5);
  expect(elsewhere.stderr).toContain('has the cluster');
  expect(await admitted()).toEqual(before);
});

test('valid_token_admits_node: certificate, key and CA are there, and the record appears with the join alone', async () => {
  keepOnFailure();
  expect(await cluster.records('/boi/members/')).toHaveLength(2);
  const added = await cluster.addNode();
  expect(await cluster.records('/boi/members/')).toHaveLength(3);
  const files = await added.exec(['sh', '-c', `cd ${identity} && stat -c '%n %a' ca.pem node.pem node.key`]);
  expect(files.stdout).toContain('node.key 600');
  expect((await added.exec(['openssl', 'verify', '-CAfile', `${identity}/ca.pem`, `${identity}/node.pem`])).code).toBe(
    0,
  );
});

test('tampered_token_rejected: changed anywhere, unsigned, of another CA, expired, spent, revoked, for another node; nothing is written', async () => {
  keepOnFailure();
  const token = async (...args: string[]) => (await cluster.boi(['token', 'create', ...args])).trim();
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const expired = await token('--ttl', `${EXPIRES_MS}ms`);
  const madeMs = performance.now();
  const [head = '', body = '', signature = ''] = (await token()).split('.');
  const flipped = (text: string, at: number) =>
    `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
  const spent = await token();
  expect(await enroll('first', spent)).toMatchObject({ code: 0 });
  const revoked = await token();
  const tokens = await cluster.json<{ id: string }[]>(['token', 'list']);
  const newest = tokens.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0];
  await cluster.boi(['token', 'revoke', newest?.id ?? '']);
  // Signed by a CA that nobody knows, with the header and the body of a good one.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const foreign = sign('sha256', Buffer.from(`${head}.${body}`), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  await delay(Math.max(0, EXPIRES_MS + 500 - (performance.now() - madeMs)));
  // Of each part one character within, and the last, of which a lax reader would ignore some bits.
  const parts = [head, body, signature];
  const changed = Object.fromEntries(
    parts.flatMap((text, i) =>
      [Math.floor(text.length / 2), text.length - 1].map((at) => [
        `part ${i + 1} changed at ${at}`,
        parts.with(i, flipped(text, at)).join('.'),
      ]),
    ),
  );
  const refused: Record<string, string> = {
    ...changed,
    'alg none': `${part({ alg: 'none', typ: 'boi-join+jwt' })}.${body}.`,
    'no signature': `${head}.${body}`,
    'no token': 'nonsense',
    'of another CA': `${head}.${body}.${foreign.toString('base64url')}`,
    expired,
    spent,
    revoked,
    'for another node': await token('--bind-name', 'somebody-else'),
  };
  const before = await admitted();
  for (const [what, text] of Object.entries(refused)) {
    const { code, stderr } = await enroll('stranger', text);
    expect(code, what).toBe(5);
    expect(stderr, what).toMatch(/token/);
  }
  expect(await admitted()).toEqual(before);
  const { stdout } = await cluster.laptop.exec(['sh', '-c', 'ls /tmp/stranger/identity/*.pem 2>/dev/null']);
  expect(stdout).toBe('');
});

test('non_admin_cannot_mint: a viewer is refused, and so is nobody', async () => {
  keepOnFailure();
  const before = await admitted();
  await cluster.boi(['user', 'create', 'reader', '--role', 'viewer', '--out', '/tmp/reader.json']);
  await cluster.boi(['context', 'add', 'reader', '--bundle', '/tmp/reader.json']);
  const refused = await cluster.try(['token', 'create', '--context', 'reader']);
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain('needs the role admin');
  expect((await cluster.try(['node', 'list', '--context', 'reader'])).code).toBe(0);
  expect(await admitted()).toEqual(before);
});

test('member_list_consistent: every node says the same, also after one left and came back', async () => {
  keepOnFailure();
  const seenBy = async (n: number) => {
    const stdout = await cluster.boi(['node', 'list', '--endpoints', `https://node-${n}:7440`, '-o', 'json']);
    return (JSON.parse(stdout) as NodeView[]).map(({ id, state }) => `${id} ${state}`).sort();
  };
  const same = () =>
    until('all nodes say the same', async () => {
      const lists = await Promise.all([seenBy(1), seenBy(2)]);
      return lists.every((list) => JSON.stringify(list) === JSON.stringify(lists[0])) && (lists[0] as string[]);
    });
  const before = await same();
  await node(2).stop();
  await node(2).start();
  await cluster.ready(node(2));
  expect(await same()).toEqual(before);
});

test('no_identity_no_daemon: a node that was never admitted does not start, and says how it is', async () => {
  keepOnFailure();
  const before = await admitted();
  const { code, stderr } = await cluster.laptop.exec([
    'boi-node',
    'join',
    '--data-dir',
    '/tmp/nobody',
    '--etcd',
    'http://etcd-1:2379',
    '--listen',
    '0.0.0.0:7440',
    '--advertise',
    'https://laptop:7440',
  ]);
  expect(code).toBe(5);
  expect(stderr).toMatch(/cluster init|--token/);
  expect(await admitted()).toEqual(before);
});
