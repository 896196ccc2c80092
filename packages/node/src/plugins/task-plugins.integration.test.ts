/** Two daemons, one of them with a pool: what runs where, by whom, and what the node and the waiting task say of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeView, TaskView } from '@boi/core';
import { bundleProgram } from '@boi/plugin-host/testing';
import { createLogger } from '@boi/system';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DevCluster, startDev } from '../dev.ts';
import { writePluginFile } from './plugin-file.ts';
import { checkTaskUser } from './task-plugins.ts';

let dir: string;
let cluster: DevCluster;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-task-plugins-'));
  const program = await bundleProgram(join(import.meta.dirname, '../../../../plugins/pool-process/src/main.ts'));
  const args = [program, '--state', join(dir, 'runs')];
  await writePluginFile(join(dir, 'dev-1'), { name: 'apart', kind: 'pool', command: process.execPath, args });
  cluster = await startDev({
    nodes: 2,
    slots: 4,
    port: 0,
    store: 'memory',
    insecure: true,
    dataDir: dir,
    log: createLogger({ name: 'test', level: 'silent' }),
    onFatal: (error) => {
      throw error;
    },
  });
});
afterAll(async () => {
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
});

const base = () => `${cluster.nodes[0]?.address}/v1`;

async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${base()}${path}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as T;
}

async function dispatch(source: string): Promise<string> {
  const body = JSON.stringify({ source, format: 'yaml' });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${base()}/projects/default/specs`, { method: 'POST', body, headers });
  expect(response.status, await response.clone().text()).toBeLessThan(300);
  return ((await response.json()) as { id: string }).id;
}

const taskPath = (spec: string, ref: string) => `/projects/default/tasks/${encodeURIComponent(`${spec}/${ref}`)}`;

/** The tasks of a spec once it has ended. */
async function ended(spec: string): Promise<TaskView[]> {
  const events = await fetch(`${base()}/projects/default/specs/${spec}/events`);
  await events.text();
  return (await get<{ items: TaskView[] }>(`/projects/default/specs/${spec}/tasks`)).items;
}

async function outputOf(spec: string, ref: string): Promise<string> {
  const text = await (await fetch(`${base()}${taskPath(spec, ref)}/log`)).text();
  const lines = text.trim().split('\n');
  const data = lines.map((line) => JSON.parse(line) as { type: string; data?: string });
  return data.map((line) => (line.type === 'data' ? Buffer.from(line.data ?? '', 'base64').toString() : '')).join('');
}

describe('a node with a pool plugin', () => {
  test('runs every task by it; one without runs them itself; who asks for a pool gets one', async () => {
    const parent = `run: "tr '\\\\0' ' ' </proc/$PPID/cmdline"`;
    const spec = await dispatch(`
tasks:
  - { ref: asked, pool: apart, ${parent} }
  - { ref: there, target: dev-1, ${parent} }
  - { ref: elsewhere, target: dev-2, ${parent} }
`);
    const tasks = await ended(spec);
    expect(tasks.map(({ ref, state, node }) => [ref, state, node?.name])).toEqual([
      ['asked', 'succeeded', 'dev-1'],
      ['there', 'succeeded', 'dev-1'],
      ['elsewhere', 'succeeded', 'dev-2'],
    ]);
    for (const { ref } of tasks) {
      const keeper = /program\.cjs keep .*runs\/tsk_/.test(await outputOf(spec, ref));
      expect([ref, keeper]).toEqual([ref, ref !== 'elsewhere']);
    }
  });

  test('says what it can; what nobody can waits and says why', async () => {
    const { items } = await get<{ items: NodeView[] }>('/nodes');
    const pools = items.map(({ name, capabilities = {} }) => [name, capabilities.pool, capabilities['pool/apart']]);
    expect(pools.sort()).toEqual([
      ['dev-1', true, true],
      ['dev-2', undefined, undefined],
    ]);
    const spec = await dispatch('tasks: [{ref: it, run: "true", workspace: /srv/app.git}]');
    const { why } = await get<TaskView>(taskPath(spec, 'it'));
    expect(why?.summary).toContain('2 nodes: 2 lack a workspace plugin');
  });
});

test('a node that runs tasks as another user takes no plugins that would not', () => {
  const plugins = [
    { name: 'audit', kind: 'hooks' },
    { name: 'apart', kind: 'pool' },
  ];
  expect(() => checkTaskUser('tasks', plugins)).toThrow(/--task-user tasks .* pool plugin apart/);
  expect(() => checkTaskUser('tasks', plugins.slice(0, 1))).not.toThrow();
  expect(() => checkTaskUser(undefined, plugins)).not.toThrow();
});
