import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoiError, type SpecEvent, type SpecView, type TaskView } from '@boi/core';
import { createLogger, readProcessStat } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveDaemonConfig } from './config.ts';
import { checkSettings } from './daemon.ts';
import { type DevCluster, type DevOptions, startDev } from './dev.ts';

let dir: string;
let cluster: DevCluster | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-dev-test-'));
});
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
  await rm(dir, { recursive: true, force: true });
});

async function start(options: Partial<DevOptions> = {}): Promise<DevCluster> {
  cluster = await startDev({
    nodes: 2,
    slots: 2,
    port: 0,
    store: 'memory',
    insecure: true,
    dataDir: dir,
    log: createLogger({ name: 'test', level: 'silent' }),
    onFatal: (error) => {
      throw error;
    },
    ...options,
  });
  return cluster;
}

const address = (index: number) => (cluster as DevCluster).nodes[index]?.address as string;

async function ask<T>(
  method: string,
  url: string,
  body?: unknown,
): Promise<{ status: number; body: T; headers: Headers }> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as T, headers: response.headers };
}

async function dispatch(index: number, source: string, more: object = {}): Promise<string> {
  const { status, body } = await ask<{ id: string }>('POST', `${address(index)}/v1/projects/default/specs`, {
    source,
    format: 'yaml',
    ...more,
  });
  expect(status).toBeLessThan(300);
  return body.id;
}

/** Reads a spec's event stream to its `end`. */
function events(index: number, spec: string): Promise<SpecEvent[]> {
  return new Promise((resolve, reject) => {
    http
      .get(`${address(index)}/v1/projects/default/specs/${spec}/events`, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const found = text.split('\n\n').filter((block) => block.startsWith('event:'));
          resolve(
            found.map((block) => {
              const [head, data] = block.split('\n') as [string, string];
              const event = JSON.parse(data.slice(6)) as SpecEvent;
              expect(event.type).toBe(head.slice(7));
              return event;
            }),
          );
        });
      })
      .on('error', reject);
  });
}

const DIAMOND = `
name: diamond
tasks:
  - { ref: top, run: 'echo "WORD=hello" >> "$BOI_OUTPUT"', outputs: [WORD] }
  - { ref: left, needs: top, run: 'echo "left $WORD"' }
  - { ref: right, needs: top, run: 'echo "right $WORD" >&2' }
  - { ref: bottom, needs: [left, right], run: 'echo done' }
`;

test('a spec given to one node runs, is followed from another, and its output is read from either', async () => {
  await start();
  const spec = await dispatch(0, DIAMOND);
  const seen = await events(1, spec);
  expect(seen.at(-1)).toMatchObject({ type: 'end', spec: { state: 'succeeded', counts: { succeeded: 4 } } });
  const ended = seen.flatMap((e) => (e.type === 'task' && e.task.state === 'succeeded' ? [e.task.ref] : []));
  expect(new Set(ended)).toEqual(new Set(['top', 'left', 'right', 'bottom']));
  expect(ended.indexOf('top')).toBeLessThan(ended.indexOf('bottom'));

  for (const index of [0, 1]) {
    const path = encodeURIComponent(`${spec}/right`);
    const log = await fetch(`${address(index)}/v1/projects/default/tasks/${path}/log`);
    const lines = (await log.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; stream?: string; data?: string });
    const data = lines.find((l) => l.type === 'data');
    expect(data?.stream).toBe('stderr');
    expect(Buffer.from(data?.data ?? '', 'base64').toString()).toBe('right hello\n');
  }
  const fsck = await ask<{ clean: boolean }>('GET', `${address(0)}/v1/cluster/fsck`);
  expect(fsck.body.clean).toBe(true);
});

test('the same idempotency key answers the same spec; with other content it is refused', async () => {
  await start();
  const url = `${address(0)}/v1/projects/default/specs`;
  const body = { source: 'tasks: [{ ref: a, run: "true" }]', format: 'yaml', idempotencyKey: 'k1' };
  const first = await ask<{ id: string; existing: boolean }>('POST', url, body);
  const again = await ask<{ id: string; existing: boolean }>('POST', `${address(1)}/v1/projects/default/specs`, body);
  expect([first.status, first.body.existing]).toEqual([201, false]);
  expect([again.body.id, again.body.existing]).toEqual([first.body.id, true]);
  const other = await ask<{ code: string }>('POST', url, { ...body, source: 'tasks: [{ ref: b, run: "true" }]' });
  expect([other.status, other.body.code]).toEqual([409, 'idempotency-conflict']);
});

test('a spec with mistakes is refused with all of them, and nothing is written', async () => {
  await start();
  const revision = async () =>
    (await ask<{ store: { revision: string } }>('GET', `${address(0)}/v1/cluster`)).body.store.revision;
  const before = await ask<{ items: SpecView[] }>('GET', `${address(0)}/v1/projects/default/specs`);
  const { status, body } = await ask<{ code: string; issues: { line: number }[] }>(
    'POST',
    `${address(0)}/v1/projects/default/specs`,
    {
      source: 'tasks:\n  - { ref: a, runn: x }\n  - { ref: a, run: y, needs: [nope] }\n  - { ref: "b c", run: 5 }\n',
      format: 'yaml',
    },
  );
  expect([status, body.code]).toEqual([422, 'invalid-spec']);
  expect(new Set(body.issues.map((i) => i.line))).toEqual(new Set([2, 3, 4]));
  expect((await ask<{ items: SpecView[] }>('GET', `${address(0)}/v1/projects/default/specs`)).body).toEqual(
    before.body,
  );
  expect(Number(await revision())).toBeGreaterThan(0);
});

test('a running task is cancelled with its whole tree, from any node', async () => {
  await start();
  const spec = await dispatch(0, `tasks: [{ ref: a, grace: 1s, run: 'sleep 1000 & echo $$ $! > ${dir}/pids; wait' }]`);
  const task = `${address(1)}/v1/projects/default/tasks/${encodeURIComponent(`${spec}/a`)}`;
  const follow = await fetch(`${task}/log?follow=true`);
  await expect.poll(async () => (await ask<TaskView>('GET', task)).body.state, { timeout: 10_000 }).toBe('running');
  await expect.poll(() => readFile(`${dir}/pids`, 'utf8').catch(() => ''), { timeout: 10_000 }).toMatch(/\n$/);
  const cancel = await ask<{ level: number }>('POST', `${address(1)}/v1/projects/default/specs/${spec}/cancel`, {});
  expect(cancel.status).toBe(200);
  expect((await follow.text()).trim().split('\n').at(-1)).toContain('"state":"cancelled"');
  // A zombie waits for its parent to take note of its end; it runs no more.
  const alive = (await readFile(`${dir}/pids`, 'utf8'))
    .split(' ')
    .filter((pid) => ![undefined, 'Z', 'X'].includes(readProcessStat(Number(pid))?.state));
  expect(alive).toEqual([]);
});

test('health, readiness, metrics and the API document are served', async () => {
  await start({ nodes: 1 });
  expect((await ask<object>('GET', `${address(0)}/healthz`)).status).toBe(200);
  const { body: readiness } = await ask<object>('GET', `${address(0)}/readyz`);
  expect(readiness).toMatchObject({ ready: true, session: 'live', store: { reachable: true } });
  await dispatch(0, 'tasks: [{ ref: a, run: "true" }]');
  expect((await ask<object>('POST', `${address(0)}/v1/projects/default/specs`, { source: '{}' })).status).toBe(400);
  await ask<object>('GET', `${address(0)}/v1/projects/default/specs`);
  const metrics = await (await fetch(`${address(0)}/metrics`)).text();
  expect(metrics).toContain('boi_core_dispatch_seconds_count 1\n');
  expect(metrics).toMatch(/^boi_core_http_requests_total\{method="GET",route="[^"]*\/specs",status="200"\} 1$/m);
  expect(metrics).toMatch(/^boi_core_log_bytes \d/m);
  expect(metrics).toMatch(/^boi_core_data_dir_free_bytes [1-9]/m);
  expect(metrics).toContain('boi_core_session_live 1');
  expect(metrics).toMatch(/boi_core_store_writes_total [1-9]/);
  expect((await ask<{ openapi: string }>('GET', `${address(0)}/openapi.json`)).body.openapi).toBe('3.1.0');
});

test('a second daemon on the same data directory is refused while the first lives', async () => {
  await start({ nodes: 1 });
  await expect(
    startDev({
      nodes: 1,
      port: 0,
      store: 'memory',
      dataDir: dir,
      insecure: true,
      log: createLogger({ name: 'test', level: 'silent' }),
      onFatal: () => undefined,
    }),
  ).rejects.toMatchObject({ code: 'identity-in-use' });
});

test('on a local etcd that it starts itself, work done before a restart is still known after it', async () => {
  await start({ store: 'etcd', nodes: 1 });
  const spec = await dispatch(0, 'tasks: [{ ref: a, run: "true" }]');
  expect((await events(0, spec)).at(-1)?.type).toBe('end');
  await cluster?.stop();
  await start({ store: 'etcd', nodes: 1 });
  const { body } = await ask<SpecView>('GET', `${address(0)}/v1/projects/default/specs/${spec}`);
  expect(body.state).toBe('succeeded');
});

test.each([
  [{ listen: '0.0.0.0:0' }, 'insecure-refused'],
  [{ advertise: 'http://example.org:1' }, 'insecure-refused'],
  [{ prefix: 'boi' }, 'config-invalid'],
  [{ name: 'admin' }, 'reserved-identifier'],
  [{ name: ' a' }, 'invalid-name'],
])('settings %j are refused as %s before anything is touched', (flags, code) => {
  const { config } = resolveDaemonConfig({ flags });
  let caught: unknown;
  try {
    checkSettings(config);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(BoiError);
  expect((caught as BoiError).code).toBe(code);
});
