/**
 * Measures boi-node on a real etcd with fsync. No-op: three node processes with the real protocol and a runner that starts no
 * process. Real processes and latency: three daemons as a user starts them (`boi-node join`), driven over HTTP.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile, round } from './figures.mjs';
import { startMember } from './member.mjs';
import { freePort, startEtcd } from './servers.mjs';

const ROOT = join(import.meta.dirname, '../..');
const NOOP_NODE = join(ROOT, 'bench/boi/noop-node.mjs');
const COMMAND = join(ROOT, 'packages/cli/bin/boi-node.js');
/** Tasks a node of the no-op measurement has in hand at once: as BullMQ's concurrency there. */
const NOOP_SLOTS = 100;
const READY_MS = 30_000;

const version = () => JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8')).version;
const manyTrue = (count, program) => JSON.stringify({ name: 'bench', tasks: [{ ref: 'task', run: [program], count }] });

export async function measureNoop({ tasks, workers }) {
  const etcd = await startEtcd();
  const members = [];
  try {
    const options = { endpoint: `http://127.0.0.1:${etcd.port}`, slots: NOOP_SLOTS };
    for (let i = 0; i < workers; i++) members.push(startMember(process.execPath, [NOOP_NODE, JSON.stringify(options)]));
    await Promise.all(members.map((member) => member.ask('start')));
    const before = await etcdWrites(etcd.port);
    const started = performance.now();
    const ids = await members[0].ask('dispatch', { source: manyTrue(tasks, 'true') });
    const enqueuedMs = performance.now() - started;
    const spec = await members[0].ask('settle', ids);
    const elapsedMs = performance.now() - started;
    const writes = (await etcdWrites(etcd.port)) - before;
    const ran = await Promise.all(members.map((member) => member.ask('started')));
    const fsck = await members[0].ask('fsck');
    if (spec.counts.succeeded !== tasks) throw new Error(`only ${spec.counts.succeeded} of ${tasks} tasks succeeded`);
    if (!fsck.clean) throw new Error(`fsck: ${JSON.stringify(fsck.findings.slice(0, 5))}`);
    await Promise.all(members.map((member) => member.ask('stop')));
    return {
      name: 'boi-node',
      version: version(),
      node: process.version,
      store: `${etcd.name} ${etcd.version}`,
      storeCommand: etcd.command,
      command: `node bench/boi/noop-node.mjs '{"slots":${NOOP_SLOTS}}' (${workers} nodes; one of them dispatches)`,
      tasks,
      elapsedMs: round(elapsedMs),
      enqueuedMs: round(enqueuedMs),
      perSecond: round((tasks * 1000) / elapsedMs),
      writesPerTask: round(writes / tasks, 2),
      perNode: ran,
    };
  } finally {
    await Promise.all(members.map((member) => member.stop()));
    await etcd.stop();
  }
}

/** Throughput of real processes, and latency on the then idle cluster. */
export async function measureReal({ tasks, workers, latencySamples }) {
  const etcd = await startEtcd();
  const dir = mkdtempSync(join(tmpdir(), 'boi-bench-nodes-'));
  const daemons = [];
  try {
    for (let i = 0; i < workers; i++)
      daemons.push(await startDaemon(`http://127.0.0.1:${etcd.port}`, join(dir, `${i}`)));
    await Promise.all(daemons.map(ready));
    const [{ url }] = daemons;

    const latencies = [];
    for (let i = 0; i < latencySamples; i++) {
      const sentAt = Date.now();
      const { id } = await post(`${url}/v1/projects/default/specs`, {
        source: manyTrue(1, '/bin/true'),
        format: 'json',
      });
      await ended(url, id);
      const [task] = (await get(`${url}/v1/projects/default/specs/${id}/tasks`)).items;
      latencies.push(task.startedAt - sentAt);
    }

    const started = performance.now();
    const { id } = await post(`${url}/v1/projects/default/specs`, {
      source: manyTrue(tasks, '/bin/true'),
      format: 'json',
    });
    const spec = await ended(url, id);
    const elapsedMs = performance.now() - started;
    if (spec.counts.succeeded !== tasks) throw new Error(`only ${spec.counts.succeeded} of ${tasks} tasks succeeded`);
    return {
      name: 'boi-node',
      version: version(),
      command: `boi-node join (${workers} nodes, default slots), POST /v1/projects/default/specs`,
      tasks,
      elapsedMs: round(elapsedMs),
      perSecond: round((tasks * 1000) / elapsedMs),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
    };
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await etcd.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Keys written and deleted since the server started, by its own count. */
async function etcdWrites(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const total = (what) =>
    Number(text.match(new RegExp(`^etcd_(?:debugging_)?mvcc_${what}_total (\\S+)$`, 'm'))?.[1] ?? Number.NaN);
  return total('put') + total('delete');
}

async function startDaemon(etcd, dataDir) {
  const port = await freePort();
  const args = [COMMAND, 'join', '--insecure', '--etcd', etcd, '--data-dir', dataDir, '--listen', `127.0.0.1:${port}`];
  let said = '';
  const child = spawn(process.execPath, [...args, '--log-level', 'warn'], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      said = (said + data).slice(-4_000);
    });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    ended: () => child.exitCode !== null || child.signalCode !== null,
    said: () => said,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    },
  };
}

async function ready(daemon) {
  const until = performance.now() + READY_MS;
  for (;;) {
    const answer = await fetch(`${daemon.url}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
    if (daemon.ended() || performance.now() > until) throw new Error(`a node did not become ready: ${daemon.said()}`);
    await delay(50);
  }
}

async function ended(url, id) {
  for (;;) {
    const spec = await get(`${url}/v1/projects/default/specs/${id}`);
    if (['succeeded', 'failed', 'cancelled'].includes(spec.state)) return spec;
    await delay(spec.tasks > 1 ? 50 : 5);
  }
}

async function get(url) {
  return await answerOf(await fetch(url));
}

async function post(url, body) {
  const headers = { 'content-type': 'application/json' };
  return await answerOf(await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }));
}

async function answerOf(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
