/**
 * Nodes that come when work needs them, and go when it does not: real daemons, the shipped provisioner, which starts further
 * daemons on this host, with tokens on a cluster with identities and without on one that has none.
 */
import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditView, type NodeView, type SpecId, type TaskView, type TokenView, taskId } from '@boi/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMAND } from './support/build.ts';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { PREFIX, SecureCluster, SecureDaemon } from './support/secure-cluster.ts';
import { until } from './support/until.ts';

const PLUGIN = join(import.meta.dirname, '../../../plugins/provisioner-process/dist/main.js');
const WITHIN_MS = 180_000;

/** What `plugins/<name>.json` of a data directory says. */
async function configure(dataDir: string, name: string, args: readonly string[], command = process.execPath) {
  await mkdir(join(dataDir, 'plugins'), { recursive: true, mode: 0o700 });
  const file = { kind: 'provisioner', command, args };
  await writeFile(join(dataDir, 'plugins', `${name}.json`), JSON.stringify(file), { mode: 0o600 });
}

const provisioner = (state: string, offers: string, ...program: readonly string[]) => [
  ...[PLUGIN, '--state', state, '--offers', offers, '--', ...program],
];
const node = (...more: readonly string[]) => [
  ...[process.execPath, COMMAND, 'join', '--data-dir', '{data_dir}', '--listen', '127.0.0.1:0'],
  ...['--slots', '2', '--session-ttl', '3s', '--shutdown-drain', '1s', '--label', '{labels}', ...more],
];
const needs = (label: string, value: string) => ({
  tasks: [{ ref: 'a', run: 'echo "here is $BOI_NODE_ID"', requires: { [label]: value } }],
});

/** Processes that were started for requests by a plugin with this state, and their descendants: they write to a log there. */
async function made(state: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const output = await readlink(`/proc/${pid}/fd/1`).catch(() => '');
    if (output.startsWith(`${state}/`)) found.push(`${pid} ${output}`);
  }
  return found;
}

describe('on a cluster with identities', () => {
  let cluster: SecureCluster;
  let first: SecureDaemon;
  let state: string;

  beforeAll(async () => {
    cluster = await SecureCluster.make();
    state = join(cluster.dir, 'made');
    await cluster.ok(cluster.admin, ['cluster', 'init', ...cluster.foundingWords]);
    const dataDir = join(cluster.dir, 'first');
    await configure(dataDir, 'here', provisioner(state, 'gpu=a100', ...node('--token-file', '{token_file}')));
    const settings = ['--slots', '2', '--session-ttl', '3s', '--shutdown-drain', '1s', '--provision-idle', '3s'];
    first = new SecureDaemon('first', dataDir, [...cluster.foundingWords, ...settings]);
    cluster.daemons.push(first);
    await first.start();
  }, START_WITHIN_MS);
  afterAll(() => cluster?.stop(), 60_000);

  const nodes = async () => JSON.parse(await cluster.ok(cluster.admin, ['node', 'list', '-o', 'json'])) as NodeView[];
  const keys = async (prefix: string) =>
    (await cluster.dump()).map(({ key }) => key.slice(PREFIX.length)).filter((key) => key.startsWith(prefix));

  test(
    'a task that no node can run brings one, which runs it, goes when it is idle, and leaves nothing',
    async () => {
      const before = await cluster.dump();
      const id = (
        await cluster.ok(cluster.admin, ['spec', 'dispatch', '-'], JSON.stringify(needs('gpu', 'a100')))
      ).trim();
      await until('a node is asked for', async () => (await keys('provision/')).length === 1, 5_000);
      const shown = await cluster.ok(cluster.admin, ['task', 'show', taskId(id as SpecId, 1)]);
      expect(shown).toMatch(/1 node: 1 lacks gpu = a100; asked for a node \d+s ago/);
      await cluster.ok(cluster.admin, ['spec', 'wait', id]);
      const task = JSON.parse(
        await cluster.ok(cluster.admin, ['task', 'show', taskId(id as SpecId, 1), '-o', 'json']),
      ) as TaskView;
      expect(task).toMatchObject({ state: 'succeeded', attempt: 1 });
      expect(task.node?.id).not.toBe(first.id);
      const member = task.node?.id as string;
      const [request] = await readdir(state);
      expect((await nodes()).find((one) => one.id === member)?.capabilities).toMatchObject({
        gpu: 'a100',
        'boi.request': request,
      });

      const ran = await made(state);
      expect(ran.length).toBeGreaterThan(0);
      await until('the node is gone', async () => (await keys('provisioned/')).length === 0, 60_000);
      await until('its processes are gone', async () => (await made(state)).length === 0, 10_000);
      expect(await readdir(state)).toEqual([]);
      expect((await nodes()).map((one) => one.id)).toEqual([first.id]);
      const kinds = ['members/', 'memberkeys/', 'nodes/', 'nodeconf/', 'provision/', 'queue/'];
      const there = (dump: typeof before) =>
        dump.map(({ key }) => key.slice(PREFIX.length)).filter((key) => kinds.some((kind) => key.startsWith(kind)));
      expect(there(await cluster.dump())).toEqual(there(before));
      expect(JSON.parse(await cluster.ok(cluster.admin, ['cluster', 'fsck', '-o', 'json'])) as object).toMatchObject({
        findings: [],
      });
    },
    WITHIN_MS,
  );

  test(
    'the token was made by the admin node, is used up, and stands nowhere',
    async () => {
      const audit = JSON.parse(await cluster.ok(cluster.admin, ['cluster', 'audit', '-o', 'json'])) as AuditView[];
      const lines = audit.filter(({ what }) => what === 'token.create');
      expect(lines.length).toBeGreaterThan(0);
      for (const { actor } of lines) expect(actor).toMatchObject({ kind: 'node', id: first.id });
      const tokens = await cluster.ok(cluster.admin, ['token', 'list', '-o', 'json']);
      expect(tokens).toContain('spent');
      const everything = [
        first.output,
        cluster.output,
        ...(await cluster.dump()).map(({ value }) => Buffer.from(value)),
      ];
      for (const text of everything) expect(text.toString()).not.toMatch(/eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/);
    },
    WITHIN_MS,
  );

  test(
    'a plugin that writes the token is told of, the token is masked and revoked',
    async () => {
      // What the started program writes goes to a file of the plugin; this comes from the plugin itself.
      const wrapper = join(cluster.dir, 'leaky.sh');
      const leaky = join(cluster.dir, 'leaky');
      await writeFile(
        wrapper,
        [
          '#!/bin/sh',
          `(while [ ! -s ${leaky}/*/token ] 2>/dev/null; do sleep 0.05; done; echo "using $(cat ${leaky}/*/token)" >&2) &`,
          'exec "$@"',
          '',
        ].join('\n'),
        { mode: 0o755 },
      );
      const args = provisioner(leaky, 'disk=big', 'sleep', '1000');
      await configure(first.dataDir, 'leaky', [process.execPath, ...args], wrapper);
      await first.stop();
      const from = first.output.length;
      await first.start('--provision-deadline', '2s');
      const spec = JSON.stringify(needs('disk', 'big'));
      const id = (await cluster.ok(cluster.admin, ['spec', 'dispatch', '-'], spec)).trim();
      await until('the leak is told', () => first.output.slice(from).includes('using [join token]'), 30_000);
      const said = first.output.slice(from);
      expect(said).toContain('using [join token]');
      expect(said).toContain('provision.token_leak_suspected');
      expect(said).not.toMatch(/eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/);
      const leaked = /"leaked":"(tok_\w+)"/.exec(said)?.[1] as string;
      await until(
        'the token is revoked',
        async () => {
          const list = JSON.parse(await cluster.ok(cluster.admin, ['token', 'list', '-o', 'json'])) as TokenView[];
          return list.find(({ id }) => id === leaked)?.revokedAt !== undefined;
        },
        10_000,
      );
      await cluster.ok(cluster.admin, ['spec', 'cancel', id]);
      await until('what was begun is removed', async () => (await made(leaky)).length === 0, 20_000);
    },
    WITHIN_MS,
  );
});

describe('on a cluster without', () => {
  let cluster: Cluster;
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'boi-provision-'));
    const dataDir = join(dir, 'node-1');
    await configure(dataDir, 'dud', provisioner(join(dir, 'made'), 'gpu=h100', 'sleep', '1000'));
    cluster = await Cluster.start({
      nodes: 1,
      hosts: { 'node-1': { dataDir } },
      settings: { 'provision-deadline': '2s' },
    });
  }, START_WITHIN_MS);
  afterAll(async () => {
    await cluster?.stop();
    await rm(dir, { recursive: true, force: true });
  }, 60_000);

  test(
    'nodes that never join are removed; after the third the task says until when none is asked for, also when the daemon was started again',
    async () => {
      const id = await cluster.dispatch(needs('gpu', 'h100'));
      const why = async () =>
        (JSON.parse(await cluster.shell.ok(['task', 'show', taskId(id as SpecId, 1), '-o', 'json'])) as TaskView).why
          ?.summary ?? '';
      await until('it cools down', async () => (await why()).includes('3 requests failed'), 60_000);
      expect(await why()).toMatch(/; 3 requests failed \(no node joined in time\), next in (5m|4m\d+s)$/);
      expect(await readdir(join(dir, 'made'))).toEqual([]);
      expect(await made(join(dir, 'made'))).toEqual([]);
      const [first] = cluster.nodes;
      expect(await first?.metric('boi_core_provision_requests_total', 'outcome="requested"')).toBe(3);
      await first?.stop();
      await first?.start();
      expect(await why()).toMatch(/3 requests failed .*, next in 4m\d+s$/);
      expect(await first?.metric('boi_core_provision_requests_total').catch(() => 0)).toBe(0);
      await cluster.shell.ok(['spec', 'cancel', id]);
    },
    WITHIN_MS,
  );
});
