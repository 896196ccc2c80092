/**
 * Measures one peer: `workers` processes started and idle, one client process; the time runs from the moment the client
 * is told to enqueue until the store itself says that nothing is unfinished. Latency: one job at a time on the idle queue, from
 * before the client's call to the first line of the handler (CLOCK_MONOTONIC is one clock for all processes). All tasks twice in the
 * same processes, the second time told: as for boi-node.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { percentile, rate, round } from './figures.mjs';
import { startMember } from './member.mjs';
import { startPostgres, startRedis } from './servers.mjs';

const FOLDER = join(import.meta.dirname, '../peers');
const MAIN = join(FOLDER, 'main.mjs');

/** Settings by trial on a machine of two cores: more concurrency made none of them faster there. */
const PEERS = {
  bullmq: { package: 'bullmq', label: 'BullMQ', server: startRedis, options: { concurrency: 100 } },
  'graphile-worker': {
    package: 'graphile-worker',
    label: 'graphile-worker',
    server: startPostgres,
    options: { concurrency: 24, connections: 10, localQueue: 500 },
  },
  'pg-boss': {
    package: 'pg-boss',
    label: 'pg-boss',
    server: startPostgres,
    options: { concurrency: 2, connections: 10, batch: 500 },
  },
};

/** Installs the peers from their lock file, unless they are there. */
export function installPeers() {
  if (existsSync(join(FOLDER, 'node_modules', 'pg-boss'))) return;
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = (args, stderr) =>
    execFileSync('npm', [...args, ...flags], { cwd: FOLDER, stdio: ['ignore', 'ignore', stderr] });
  try {
    npm(['ci'], 'ignore');
  } catch {
    // npm 11 refuses a lock file that lacks binaries of other platforms; `install` takes what it has.
    npm(['install', '--no-save'], 'inherit');
  }
}

/** The peers want a newer Node than this project does; theirs comes with them. */
export function peersNode() {
  const bundled = join(FOLDER, `node_modules/node-linux-${process.arch}/bin/node`);
  return existsSync(bundled) ? bundled : process.execPath;
}

export const peerNames = Object.keys(PEERS);

export async function measurePeer(name, { tasks, workers, latencySamples }) {
  const peer = PEERS[name];
  const node = peersNode();
  const server = await peer.server();
  const options = { ...peer.options, port: server.port, url: server.url };
  const counts = Array(workers).fill(0);
  const latencies = [];
  let wake = () => undefined;
  const args = [MAIN, name, JSON.stringify(options)];
  const members = [];
  try {
    const client = startMember(node, args);
    members.push(client);
    await client.ask('prepare');
    for (let i = 0; i < workers; i++) {
      const onTold = (told) => {
        if (told.type === 'done') counts[i] = told.count;
        else latencies.push(told.ns / 1e6);
        wake();
      };
      members.push(startMember(node, args, { onTold }));
    }
    await Promise.all(members.slice(1).map((member) => member.ask('work')));
    const until = async (reached) => {
      while (!reached())
        await new Promise((resolve) => {
          wake = resolve;
        });
    };
    const handled = () => counts.reduce((sum, count) => sum + count, 0);

    for (let i = 0; i < latencySamples; i++) {
      await client.ask('enqueueOne');
      await until(() => latencies.length > i && handled() > i);
      await client.ask('settle');
    }
    const all = async () => {
      const before = handled();
      const started = performance.now();
      await client.ask('enqueue', { count: tasks });
      const enqueuedMs = performance.now() - started;
      await until(() => handled() >= before + tasks);
      await client.ask('settle');
      const elapsedMs = performance.now() - started;
      const ran = handled() - before;
      if (ran !== tasks) throw new Error(`${name} ran ${ran} jobs instead of ${tasks}`);
      return { ...rate(tasks, elapsedMs), enqueuedMs: round(enqueuedMs) };
    };
    const { perSecond: firstPerSecond } = await all();
    const row = await all();
    await Promise.all(members.map((member) => member.ask('stop')));
    return {
      name: peer.label,
      version: versionOf(peer.package),
      node: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim(),
      store: `${server.name} ${server.version}`,
      storeCommand: server.command,
      command: `node bench/peers/main.mjs ${name} '${JSON.stringify(peer.options)}' (${workers} workers, 1 client)`,
      firstPerSecond,
      ...row,
      ...(latencySamples === 0
        ? {}
        : { p50Ms: round(percentile(latencies, 0.5), 1), p99Ms: round(percentile(latencies, 0.99), 1) }),
    };
  } finally {
    await Promise.all(members.map((member) => member.stop()));
    await server.stop();
  }
}

function versionOf(name) {
  return createRequire(join(FOLDER, 'package.json'))(join(FOLDER, 'node_modules', name, 'package.json')).version;
}
