/**
 * Plugins of another node, asked for through the one that is reached, on a cluster with identities: the second node's plugin is
 * listed, shown, restarted and read through the first, over mutual TLS, and only by whom the role allows it.
 */
import { join } from 'node:path';
import type { PluginView } from '@boi/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SecureCluster, type SecureDaemon } from './support/secure-cluster.ts';
import { Shell } from './support/shell.ts';
import { until } from './support/until.ts';

const HOOKS_JSONL = join(import.meta.dirname, '../../../plugins/hooks-jsonl/dist/main.js');
/** A build of what changed, and a machine that is busy otherwise. */
const WITHIN_MS = 300_000;

let cluster: SecureCluster;
let second: SecureDaemon;
/** Knows the first node alone. */
let admin: Shell;
let viewer: Shell;

beforeAll(async () => {
  cluster = await SecureCluster.make();
  admin = cluster.admin;
  await cluster.found();
  const install = ['plugin', 'install', 'events', '--kind', 'hooks', '--data-dir', join(cluster.dir, 'second')];
  await cluster.ok(admin, [...install, '--', process.execPath, HOOKS_JSONL, '--file', join(cluster.dir, 'e.jsonl')]);
  const [, file] = await cluster.token();
  second = await cluster.join('second', file);
  const bundle = join(cluster.dir, 'viewer.boi.json');
  await cluster.ok(admin, ['user', 'create', 'viewer', '--role', 'viewer', '--out', bundle]);
  viewer = await Shell.bare(join(cluster.dir, 'home-viewer'));
  await cluster.ok(viewer, ['context', 'add', 'here', '--bundle', bundle]);
}, WITHIN_MS);
afterAll(() => cluster?.stop(), WITHIN_MS);

const shown = async (shell = admin): Promise<PluginView> =>
  JSON.parse(await cluster.ok(shell, ['plugin', 'show', 'events', '--node', 'second', '-o', 'json'])) as PluginView;

async function ready(): Promise<PluginView> {
  return until('it is ready', async () => {
    const plugin = await shown();
    return plugin.state === 'ready' && plugin;
  });
}

test('the plugins of another node are listed and shown by the node that is asked', { timeout: WITHIN_MS }, async () => {
  await ready();
  expect(await cluster.ok(admin, ['plugin', 'list', '--node', 'second'])).toMatch(/events +hooks +ready/);
  expect(await shown()).toMatchObject({ id: `${second.id}/events`, node: second.id, program: 'hooks-jsonl' });
  // Its own, for comparison: it has none.
  expect(await cluster.run(admin, ['plugin', 'list'])).toMatchObject({ code: 0, stdout: '', stderr: 'no plugins\n' });
});

test('one of another node is restarted, and its log read and followed', { timeout: WITHIN_MS }, async () => {
  const { pid } = await ready();
  expect(await cluster.ok(admin, ['plugin', 'restart', 'events', '--node', 'second'])).toMatch(/State +ready/);
  const after = await shown();
  expect(after.pid).not.toBe(pid);
  expect(await cluster.ok(admin, ['plugin', 'logs', 'events', '--node', 'second'])).toContain('boi is ready');

  const following = admin.start(['plugin', 'logs', 'events', '--node', second.id, '--follow']);
  const times = (text: string) => following.stdout.split(text).length - 1;
  await following.until('what there is was told', () => times('boi is ready') >= 2);
  const told = times('boi is ready');
  process.kill(after.pid as number, 'SIGKILL');
  await following.until('its end and its next start are told', () => times('boi is ready') > told, 60_000);
  expect(following.stdout).toContain('boi is waiting');
  // The end of its node ends the log.
  await second.stop();
  await following.done;
  await second.start();
  await ready();
});

test('a role that may look may neither restart nor read what a plugin wrote', { timeout: WITHIN_MS }, async () => {
  expect(await shown(viewer)).toMatchObject({ state: 'ready' });
  const { pid } = await shown();
  const refused = await cluster.run(viewer, ['plugin', 'restart', 'events', '--node', 'second']);
  expect(refused).toMatchObject({ code: 5, stdout: '' });
  expect((await shown()).pid).toBe(pid);
  expect(await cluster.run(viewer, ['plugin', 'logs', 'events', '--node', 'second'])).toMatchObject({ code: 5 });
});

test('a plugin that is not there is told with those that are, and a node that has left as no node', {
  timeout: WITHIN_MS,
}, async () => {
  for (const words of [['show'], ['restart'], ['logs']]) {
    const { code, stderr } = await cluster.run(admin, ['plugin', ...words, 'none', '--node', 'second']);
    expect([words, code]).toEqual([words, 4]);
    expect(stderr).toContain('events');
  }
  await second.stop();
  for (const words of [['list'], ['show', 'events'], ['restart', 'events'], ['logs', 'events']]) {
    const { code, stderr } = await cluster.run(admin, ['plugin', ...words, '--node', second.id]);
    expect([words, code]).toEqual([words, 4]);
    expect(stderr).toContain(`there is no node "${second.id}"`);
  }
});
