/**
 * `make bench`: boi-node next to other job queues, in one run on one machine, everything synced to disk.
 * Prints one table with versions and command lines and writes `bench/results.json`.
 *
 * The stores keep their data under TMPDIR (default /tmp): it must be on a disk, or syncing costs nothing.
 *
 * `node bench/run.mjs [--tasks 20000] [--processes 3000] [--workers 3] [--samples 200] [--only boi,bullmq,baselines,…]`
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBaselines } from './lib/baselines.mjs';
import { measureNoop, measureReal } from './lib/boi.mjs';
import { table } from './lib/figures.mjs';
import { installPeers, measurePeer, peerNames } from './lib/peers.mjs';

const RESULTS = join(import.meta.dirname, 'results.json');
const PARTS = ['boi', ...peerNames, 'baselines'];

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '20000' },
    processes: { type: 'string', default: '3000' },
    workers: { type: 'string', default: '3' },
    samples: { type: 'string', default: '200' },
    only: { type: 'string', default: PARTS.join(',') },
  },
});
const only = values.only.split(',');
const wrong = [
  ...only.filter((part) => !PARTS.includes(part)).map((part) => `--only ${part}: is none of ${PARTS.join(', ')}`),
  ...['tasks', 'processes', 'workers', 'samples']
    .filter((name) => !/^[1-9]\d{0,6}$/.test(values[name]))
    .map((name) => `--${name} ${values[name]}: must be a whole number from 1 to 9999999`),
];
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(2);
}
const [tasks, processes, workers, latencySamples] = ['tasks', 'processes', 'workers', 'samples'].map((name) =>
  Number(values[name]),
);

const noop = [];
const real = [];
const failures = [];
async function measure(what, fn) {
  process.stderr.write(`measuring ${what}…\n`);
  try {
    await fn();
  } catch (error) {
    failures.push({ what, error: String(error.stack ?? error) });
    process.stderr.write(`${what} failed: ${error.stack ?? error}\n`);
  }
}

if (only.includes('boi')) {
  await measure('boi-node, no-op tasks', async () => noop.push(await measureNoop({ tasks, workers })));
  await measure('boi-node, real processes', async () =>
    real.push(await measureReal({ tasks: processes, workers, latencySamples })),
  );
}
if (peerNames.some((name) => only.includes(name)))
  await measure('installation of the peers', async () => installPeers());
for (const name of peerNames.filter((peer) => only.includes(peer)))
  await measure(name, async () => noop.push(await measurePeer(name, { tasks, workers, latencySamples })));
if (only.includes('baselines'))
  await measure('baselines', async () => real.push(...(await measureBaselines(processes))));

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `Linux ${release()} ${arch()}`,
  node: process.version,
  fileSystem: execFileSync('stat', ['-f', '-c', '%T', tmpdir()], { encoding: 'utf8' }).trim(),
};
const measuredAt = new Date().toISOString();
writeFileSync(RESULTS, `${JSON.stringify({ measuredAt, machine, workers, noop, real, failures }, null, 2)}\n`);

console.log(
  `\n${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}, ${machine.fileSystem}, Node ${machine.node}, ${measuredAt}\n`,
);
console.log(
  `No-op tasks, enqueue to durable completion, ${workers} worker processes; latency: enqueue to handler, idle`,
);
console.log(
  table(
    ['', 'version', 'store', 'node', 'tasks', 'seconds', 'tasks/s', 'writes/task', 'p50 ms', 'p99 ms'],
    noop.map((row) => [
      row.name,
      row.version,
      row.store,
      row.node,
      row.tasks,
      (row.elapsedMs / 1000).toFixed(2),
      row.perSecond,
      row.writesPerTask,
      row.p50Ms,
      row.p99Ms,
    ]),
  ),
);
console.log('\nOne real process (/bin/true) per task; latency: POST to process started, idle');
console.log(
  table(
    ['', 'version', 'tasks', 'seconds', 'tasks/s', 'p50 ms', 'p99 ms'],
    real.map((row) => [
      row.name,
      row.version,
      row.tasks,
      (row.elapsedMs / 1000).toFixed(2),
      row.perSecond,
      row.p50Ms,
      row.p99Ms,
    ]),
  ),
);
console.log('\nCommand lines');
for (const row of [...noop, ...real]) {
  console.log(`  ${row.name}: ${row.command}`);
  if (row.storeCommand !== undefined) console.log(`    ${row.storeCommand}`);
}
console.log(`\nWritten to bench/results.json`);
if (failures.length > 0) process.exitCode = 1;
