/**
 * Measures boi-node as a user runs it, on a real etcd with fsync: daemons started with `boi-node join`, driven over HTTP and by
 * the command. One cluster for all: idle, latency, the command line, output across nodes, and throughput of real processes.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BoiClient, readLog } from '@boi/client';
import { percentile, rate, round } from './figures.mjs';
import { etcdWrites, manyTrue, version } from './noop.mjs';
import { cpuSeconds, residentBytes } from './processes.mjs';
import { freePort, startEtcd } from './servers.mjs';

const ROOT = join(import.meta.dirname, '../..');
const COMMAND = join(ROOT, 'packages/cli/bin/boi-node.js');
/** A machine on which everything else runs as well takes its time. */
const READY_MS = 90_000;
const KEEP_ALIVE_S = 5;
/** After the daemons are ready: what a start brings with it is over. */
const SETTLE_MS = 5_000;
const LINE_EVERY_MS = 20;
const SPECS = '/v1/projects/default/specs';

export async function measureDaemons({ tasks, workers, latencySamples, startRuns, idleMs, tailBytes, lines }) {
  const etcd = await startEtcd();
  const dir = mkdtempSync(join(tmpdir(), 'boi-bench-nodes-'));
  const daemons = [];
  try {
    for (let i = 0; i < workers; i++)
      daemons.push(await startDaemon(`http://127.0.0.1:${etcd.port}`, join(dir, `${i}`), `${i}`));
    await Promise.all(daemons.map(ready));
    const idle = await measureIdle(daemons, etcd.port, idleMs);
    const latency = await measureLatency(daemons[0].url, latencySamples);
    const start = await measureStart(daemons[0].url, dir, startRuns);
    const tail = await measureTail(daemons, tailBytes, lines);
    const { perSecond: firstPerSecond } = await measureThroughput(daemons[0].url, tasks);
    const real = { firstPerSecond, ...(await measureThroughput(daemons[0].url, tasks)) };
    const command = `boi-node join (${workers} nodes, default slots), POST ${SPECS}`;
    const shared = { name: 'boi-node', version: version() };
    return {
      real: { ...shared, command, ...real, ...latency },
      idle: { ...shared, ...idle },
      start,
      tail: { ...shared, ...tail },
    };
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await etcd.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureIdle(daemons, etcdPort, idleMs) {
  await delay(SETTLE_MS);
  const look = () => daemons.map(({ pid }) => ({ cpuS: cpuSeconds(pid), residentBytes: residentBytes(pid) }));
  const [before, writesBefore, from] = [look(), await etcdWrites(etcdPort), performance.now()];
  await delay(idleMs);
  const [after, writesAfter, until] = [look(), await etcdWrites(etcdPort), performance.now()];
  const seconds = (until - from) / 1_000;
  const shares = after.map(({ cpuS }, i) => (100 * (cpuS - before[i].cpuS)) / seconds);
  return {
    seconds: round(seconds),
    cpuPercent: round(percentile(shares, 0.5), 2),
    residentMb: round(
      percentile(
        after.map(({ residentBytes: bytes }) => bytes),
        0.5,
      ) / 1e6,
    ),
    writesPerKeepAlive: round(((writesAfter - writesBefore) / daemons.length / seconds) * KEEP_ALIVE_S, 2),
  };
}

/** From before the POST to the start of the process, by one clock: all of it is on this host. */
async function measureLatency(url, samples) {
  const latencies = [];
  for (let i = 0; i < samples; i++) {
    const sentAt = Date.now();
    const { id } = await post(`${url}${SPECS}`, { source: manyTrue(1, '/bin/true'), format: 'json' });
    await ended(url, id);
    const [task] = (await get(`${url}${SPECS}/${id}/tasks`)).items;
    latencies.push(task.startedAt - sentAt);
  }
  return samples === 0 ? {} : { p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) };
}

/** Whole processes, one after another, each kind in turn, so that whatever else the machine does meets all alike. */
async function measureStart(url, dir, runs) {
  const file = join(dir, 'one.json');
  writeFileSync(file, manyTrue(1, '/bin/true'));
  const env = { PATH: process.env.PATH, HOME: dir, BOI_ENDPOINTS: url };
  const kinds = {
    'node -e 0': ['-e', '0'],
    'boi-node --version': [COMMAND, '--version'],
    'boi-node --help': [COMMAND, '--help'],
    'boi-node node list': [COMMAND, 'node', 'list'],
    'boi-node spec dispatch': [COMMAND, 'spec', 'dispatch', file],
  };
  const took = new Map(Object.keys(kinds).map((kind) => [kind, []]));
  for (let i = 0; i < runs; i++) {
    for (const [kind, args] of Object.entries(kinds)) {
      const began = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
      took.get(kind).push(performance.now() - began);
      if (status !== 0) throw new Error(`${kind}: exit code ${status}: ${stderr}`);
    }
  }
  const bare = percentile(took.get('node -e 0'), 0.5);
  return [...took].map(([command, ms]) => ({
    command,
    runs,
    bestMs: round(Math.min(...ms)),
    medianMs: round(percentile(ms, 0.5)),
    timesNode: round(percentile(ms, 0.5) / bare, 2),
  }));
}

/** A task on one node, its output read at another: all of it at once, and line by line as it is written. */
async function measureTail([asked, holder], bytes, lines) {
  const written = await dispatched(asked.url, {
    ref: 'a',
    requires: { at: holder.name },
    run: `yes 0123456789abcdef | head -c ${bytes}`,
  });
  await ended(asked.url, written.spec);
  const client = new BoiClient({ endpoints: [asked.url] });
  const output = (task, query) => readLog(client, { project: 'default', task, query });
  const readAll = async () => {
    const began = performance.now();
    let seen = 0;
    for await (const item of output(written.task, {})) if (item.type === 'data') seen += item.bytes.length;
    if (seen < bytes) throw new Error(`only ${seen} of ${bytes} bytes came`);
    return round(bytes / 1e3 / (performance.now() - began));
  };
  const firstMegabytesPerSecond = await readAll();
  const megabytesPerSecond = await readAll();

  const script = `let n = 0; const t = setInterval(() => { console.log('at ' + Date.now() + ' .');
    if (++n === ${lines}) clearInterval(t); }, ${LINE_EVERY_MS})`;
  const followed = await dispatched(asked.url, {
    ref: 'a',
    requires: { at: holder.name },
    run: [process.execPath, '-e', script],
  });
  const lags = [];
  for await (const item of output(followed.task, { follow: true })) {
    if (item.type !== 'data') continue;
    const now = Date.now();
    for (const [, at] of item.bytes.toString('latin1').matchAll(/at (\d+) \./g)) lags.push(now - Number(at));
  }
  client.close();
  if (lags.length < lines) throw new Error(`only ${lags.length} of ${lines} lines came`);
  return {
    bytes,
    megabytesPerSecond,
    firstMegabytesPerSecond,
    lines,
    lagP50Ms: percentile(lags, 0.5),
    lagP99Ms: percentile(lags, 0.99),
  };
}

async function measureThroughput(url, tasks) {
  const started = performance.now();
  const { id } = await post(`${url}${SPECS}`, { source: manyTrue(tasks, '/bin/true'), format: 'json' });
  const spec = await ended(url, id);
  const elapsedMs = performance.now() - started;
  if (spec.counts.succeeded !== tasks) throw new Error(`only ${spec.counts.succeeded} of ${tasks} tasks succeeded`);
  return rate(tasks, elapsedMs);
}

async function dispatched(url, task) {
  const { id } = await post(`${url}${SPECS}`, { source: JSON.stringify({ tasks: [task] }), format: 'json' });
  const [{ id: first }] = (await get(`${url}${SPECS}/${id}/tasks`)).items;
  return { spec: id, task: first };
}

async function startDaemon(etcd, dataDir, name) {
  const port = await freePort();
  const args = [COMMAND, 'join', '--insecure', '--etcd', etcd, '--data-dir', dataDir, '--listen', `127.0.0.1:${port}`];
  args.push('--name', name, '--label', `at=${name}`, '--log-keep-bytes', '1GiB', '--log-level', 'warn');
  let said = '';
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      said = (said + data).slice(-4_000);
    });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  return {
    name,
    pid: child.pid,
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
    const spec = await get(`${url}${SPECS}/${id}`);
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
