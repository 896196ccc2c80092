/** The store away from a real daemon: what runs ends, results outlive a restart on disk and are committed, or dropped for a reason. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { LocalView, Problem, SpecView, TaskView } from '@boi/core';
import { type EtcdServer, startEtcd, TcpProxy } from '@boi/store/testing';
import { createLogger } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveDaemonConfig } from './config.ts';
import type { Daemon } from './daemon.ts';
import { startNode } from './join.ts';

const LIMIT_MS = 60_000;
let etcd: EtcdServer;
let proxy: TcpProxy;
let dir: string;
const daemons = new Set<Daemon>();
let logged: Record<string, unknown>[];

beforeEach(async () => {
  etcd = await startEtcd();
  proxy = await TcpProxy.start({ port: etcd.port });
  dir = await mkdtemp(join(tmpdir(), 'boi-degraded-'));
  logged = [];
});

afterEach(async () => {
  proxy.accept();
  for (const daemon of daemons) await daemon.stop({ drainMs: 0 });
  daemons.clear();
  await proxy.stop();
  await etcd.stop();
  await rm(dir, { recursive: true, force: true });
});

async function joined(name: string, endpoint: string): Promise<Daemon> {
  const { config } = resolveDaemonConfig({
    flags: {
      etcd: endpoint,
      'data-dir': join(dir, name),
      name,
      listen: '127.0.0.1:0',
      'session-ttl': '3s',
      slots: '4',
      insecure: 'true',
    },
    env: {},
  });
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n')) if (line !== '') logged.push(JSON.parse(line));
      done();
    },
  });
  const daemon = await startNode(config, createLogger({ name: 'test', destination }));
  daemons.add(daemon);
  return daemon;
}

async function leave(daemon: Daemon): Promise<void> {
  daemons.delete(daemon);
  await daemon.stop({ drainMs: 0 });
}

async function ask<T>(
  daemon: Daemon,
  path: string,
  body?: object,
): Promise<{ status: number; headers: Headers; body: T }> {
  const init = body && { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const response = await fetch(`${daemon.address}${path}`, init);
  return { status: response.status, headers: response.headers, body: (await response.json()) as T };
}

async function until<T>(what: string, look: () => Promise<T | false>): Promise<T> {
  const endMs = performance.now() + 30_000;
  for (;;) {
    const found = await look();
    if (found !== false) return found;
    if (performance.now() > endMs) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function dispatch(daemon: Daemon, tasks: object[]): Promise<string> {
  const source = JSON.stringify({ tasks });
  const { status, body } = await ask<{ id: string }>(daemon, '/v1/projects/default/specs', { source, format: 'json' });
  expect(status).toBe(201);
  return body.id;
}

const local = async (daemon: Daemon) => (await ask<LocalView>(daemon, '/v1/local')).body;
const running = (daemon: Daemon, count: number) =>
  until(`${count} tasks run`, async () => {
    const view = await local(daemon);
    return view.tasks.filter(({ phase }) => phase === 'running').length === count;
  });

test(
  'results kept while the store is away survive a restart and are committed once, each effect once',
  async () => {
    let node = await joined('one', proxy.endpoint);
    const witness = join(dir, 'witness');
    const spec = await dispatch(node, [{ ref: 'a', run: `sleep 1; echo "$BOI_TASK_ID" >> ${witness}`, count: 4 }]);
    await running(node, 4);
    proxy.refuse();
    const kept = await until('four results are kept', async () => {
      const { results } = await local(node);
      return results.length === 4 && results;
    });

    const started = performance.now();
    const source = JSON.stringify({ tasks: [{ ref: 'b', run: 'true' }] });
    const refusals = await Promise.all(
      Array.from({ length: 50 }, () => ask<Problem>(node, '/v1/projects/default/specs', { source, format: 'json' })),
    );
    const tookMs = performance.now() - started;
    process.stdout.write(`50 dispatches refused in ${Math.round(tookMs)} ms with the store away\n`);
    expect(tookMs).toBeLessThan(3_000);
    for (const { status, headers, body } of refusals) {
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'store-unreachable' });
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    const metrics = await until('the outage is noticed', async () => {
      const text = await (await fetch(`${node.address}/metrics`)).text();
      return text.includes('boi_core_store_reachable 0') && text;
    });
    expect(metrics).toContain('boi_core_store_rejections_total{code="store-unreachable"} 50');
    expect(metrics).toMatch(/^boi_core_buffered_results_bytes [1-9]/m);
    const { body: readiness } = await ask<{ store: object }>(node, '/readyz');
    expect(readiness.store).toEqual({ reachable: false, awayMs: expect.any(Number) });
    const stale = await ask<{ items: { name: string }[]; ageMs: number }>(node, '/v1/nodes?stale=ok');
    expect(stale.body.items.map(({ name }) => name)).toEqual(['one']);
    expect(Number(stale.headers.get('x-boi-age-ms'))).toBe(stale.body.ageMs);
    expect(stale.body.ageMs).toBeGreaterThan(0);

    await leave(node);
    expect((await readFile(join(dir, 'one', 'results.pending'), 'utf8')).match(/ \+/g)).toHaveLength(4);
    proxy.accept();
    node = await joined('one', proxy.endpoint);
    const view = await until('the spec has ended', async () => {
      const { body } = await ask<SpecView>(node, `/v1/projects/default/specs/${spec}`);
      return body.endedAt !== undefined && body;
    });
    expect(view).toMatchObject({ state: 'succeeded', counts: { succeeded: 4 } });
    const { body: tasks } = await ask<{ items: TaskView[] }>(node, `/v1/projects/default/specs/${spec}/tasks`);
    for (const task of tasks.items) {
      const mine = kept.find((result) => result.task === task.id);
      expect(task).toMatchObject({ attempt: 1, fence: mine?.fence, endedAt: mine?.endedAt });
    }
    expect((await readFile(witness, 'utf8')).trim().split('\n')).toHaveLength(4);
    expect((await local(node)).results).toEqual([]);
    expect(logged.filter(({ msg }) => String(msg).startsWith('the store cannot be reached'))).toHaveLength(1);
  },
  LIMIT_MS,
);

test(
  'a result of a task that another node took over meanwhile is dropped, with the reason',
  async () => {
    let node = await joined('one', proxy.endpoint);
    const spec = await dispatch(node, [{ ref: 'a', run: 'sleep 1' }]);
    await running(node, 1);
    proxy.refuse();
    await until('the result is kept', async () => (await local(node)).results.length === 1);
    const other = await joined('two', etcd.endpoint);
    await until('the other node has run it', async () => {
      const { body } = await ask<SpecView>(other, `/v1/projects/default/specs/${spec}`);
      return body.endedAt !== undefined;
    });
    await leave(node);
    proxy.accept();
    node = await joined('one', proxy.endpoint);
    expect((await local(node)).results).toEqual([]);
    const dropped = logged.filter(({ msg }) => msg === 'a result came too late and is dropped');
    expect(dropped).toMatchObject([{ reason: 'has-result' }]);
  },
  LIMIT_MS,
);

test(
  'local fallback works without the store, is said with every answer, and survives a restart',
  async () => {
    let node = await joined('one', proxy.endpoint);
    const spec = await dispatch(node, [{ ref: 'a', run: 'sleep 2' }]);
    await running(node, 1);
    proxy.refuse();
    const on = await ask<LocalView>(node, '/v1/local/fallback', { on: true });
    expect(on.body.fallbackSince).toBeGreaterThan(0);
    const lines = (await readFile(join(dir, 'one', 'local-fallback.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { kind: 'fallback', since: on.body.fallbackSince },
      { kind: 'task', spec, phase: 'running' },
    ]);
    await leave(node);
    proxy.accept();
    node = await joined('one', proxy.endpoint);
    const refused = await ask<Problem>(node, '/v1/projects/default/specs', {
      source: JSON.stringify({ tasks: [{ ref: 'b', run: 'true' }] }),
      format: 'json',
    });
    expect({ status: refused.status, code: refused.body.code }).toEqual({ status: 503, code: 'unavailable' });
    expect((await ask(node, '/v1/local')).headers.get('x-boi-notice')).toContain('local fallback');
    const off = await ask<LocalView>(node, '/v1/local/fallback', { on: false });
    expect(off.body.fallbackSince).toBeUndefined();
    expect((await ask(node, '/v1/local')).headers.get('x-boi-notice')).not.toContain('local fallback');
    const after = await dispatch(node, [{ ref: 'b', run: 'true' }]);
    await until('it runs again', async () => {
      const { body } = await ask<SpecView>(node, `/v1/projects/default/specs/${after}`);
      return body.state === 'succeeded';
    });
  },
  LIMIT_MS,
);
