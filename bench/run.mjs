/**
 * `make bench`: boi-node next to other job queues, in one run on one machine, everything synced to disk.
 * Prints one table with versions and command lines and writes `bench/results.json`.
 *
 * The stores keep their data under TMPDIR (default /tmp): it must be on a disk, or syncing costs nothing.
 *
 * `node bench/run.mjs [--tasks 20000] [--processes 10000] [--workers 3] [--samples 200] [--specs 5000] [--backlog 100000]
 *   [--turns 3] [--only boi,bullmq,baselines,…]`
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBaselines } from './lib/baselines.mjs';
import { measureDaemons } from './lib/daemons.mjs';
import { medianOf, table } from './lib/figures.mjs';
import { measureBacklog, measureNoop, measureSingles, measureTakeover } from './lib/noop.mjs';
import { installPeers, measurePeer, peerNames } from './lib/peers.mjs';
import { busyPercent } from './lib/processes.mjs';

const RESULTS = join(import.meta.dirname, 'results.json');
const NUMBERS = ['tasks', 'processes', 'workers', 'samples', 'specs', 'backlog', 'turns'];
const CLIENTS = 16;
/** How long the machine is looked at before and after, when nothing of ours runs. */
const LOOK_MS = 3_000;
/** Claimed by the node that is killed, more or less; and how often, at different times after its last keep-alive. */
const TAKEOVER_TASKS = 1_000;
const TAKEOVER_RUNS = 5;
const START_RUNS = 15;
const IDLE_MS = 20_000;
const TAIL_BYTES = 200_000_000;
const TAIL_LINES = 200;
const PARTS = ['boi', ...peerNames, 'baselines'];

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '20000' },
    processes: { type: 'string', default: '10000' },
    workers: { type: 'string', default: '3' },
    samples: { type: 'string', default: '200' },
    specs: { type: 'string', default: '5000' },
    backlog: { type: 'string', default: '100000' },
    turns: { type: 'string', default: '3' },
    only: { type: 'string', default: PARTS.join(',') },
  },
});
const only = values.only.split(',');
const wrong = [
  ...only.filter((part) => !PARTS.includes(part)).map((part) => `--only ${part}: is none of ${PARTS.join(', ')}`),
  ...NUMBERS.filter((name) => !/^[1-9]\d{0,6}$/.test(values[name])).map(
    (name) => `--${name} ${values[name]}: must be a whole number from 1 to 9999999`,
  ),
];
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(2);
}
const [tasks, processes, workers, latencySamples, specs, backlog, turns] = NUMBERS.map((name) => Number(values[name]));

const busyBefore = await busyPercent(LOOK_MS);
const noop = [];
const singles = [];
const real = [];
const sections = {};
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

const peers = peerNames.filter((name) => only.includes(name));
if (peers.length > 0) await measure('installation of the peers', async () => installPeers());
/** In turns, since a machine is faster in one minute than in the next; of each its median is told, and all of them. */
const contest = [
  ...(only.includes('boi')
    ? [
        ['boi-node, no-op tasks', noop, () => measureNoop({ tasks, workers })],
        ['boi-node, specs of one task', singles, () => measureSingles({ specs, clients: CLIENTS, workers })],
      ]
    : []),
  ...peers.map((name) => [name, noop, () => measurePeer(name, { tasks, workers, latencySamples })]),
].map(([what, into, once]) => ({ what, into, once, rows: [] }));
for (let turn = 1; turn <= turns; turn++)
  for (const { what, once, rows } of contest)
    await measure(`${what} (${turn} of ${turns})`, async () => rows.push(await once()));
for (const { into, rows } of contest) if (rows.length > 0) into.push(medianOf(rows));

if (only.includes('boi')) {
  await measure('boi-node, a backlog', async () => {
    sections.backlog = await measureBacklog({ tasks: backlog, workers });
  });
  await measure('boi-node, takeover', async () => {
    sections.takeover = await measureTakeover({ tasks: TAKEOVER_TASKS, workers, runs: TAKEOVER_RUNS });
  });
  await measure('boi-node, daemons', async () => {
    const sizes = { startRuns: START_RUNS, idleMs: IDLE_MS, tailBytes: TAIL_BYTES, lines: TAIL_LINES };
    const { real: row, ...others } = await measureDaemons({ tasks: processes, workers, latencySamples, ...sizes });
    real.push(row);
    Object.assign(sections, others);
  });
}
if (only.includes('baselines'))
  await measure('baselines', async () => real.push(...(await measureBaselines(processes))));

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `Linux ${release()} ${arch()}`,
  node: process.version,
  busyBefore,
  busyAfter: await busyPercent(LOOK_MS),
  fileSystem: execFileSync('stat', ['-f', '-c', '%T', tmpdir()], { encoding: 'utf8' }).trim(),
};
const measuredAt = new Date().toISOString();
writeFileSync(
  RESULTS,
  `${JSON.stringify({ measuredAt, machine, workers, noop, singles, real, ...sections, failures }, null, 2)}\n`,
);

console.log(
  `\n${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}, ${machine.fileSystem}, Node ${machine.node}, ${measuredAt}\n`,
);
console.log(
  `No-op tasks, enqueue to durable completion, ${workers} worker processes, all of it for the second time in the same processes, median of ${turns} turns; latency: enqueue to handler, idle`,
);
console.log(
  table(
    ['', 'version', 'store', 'node', 'tasks', 'seconds', 'tasks/s', 'first time', 'writes/task', 'p50 ms', 'p99 ms'],
    noop.map((row) => [
      row.name,
      row.version,
      row.store,
      row.node,
      row.tasks,
      (row.elapsedMs / 1000).toFixed(2),
      row.perSecond,
      row.firstPerSecond,
      row.writesPerTask,
      row.p50Ms,
      row.p99Ms,
    ]),
  ),
);
console.log('\nOne real process (/bin/true) per task; latency: POST to process started, idle');
console.log(
  table(
    ['', 'version', 'tasks', 'seconds', 'tasks/s', 'first time', 'p50 ms', 'p99 ms'],
    real.map((row) => [
      row.name,
      row.version,
      row.tasks,
      (row.elapsedMs / 1000).toFixed(2),
      row.perSecond,
      row.firstPerSecond,
      row.p50Ms,
      row.p99Ms,
    ]),
  ),
);
if (singles.length > 0) {
  console.log(`\nSpecs of one no-op task, ${CLIENTS} clients, to the durable end of each`);
  console.log(
    table(
      ['', 'specs', 'seconds', 'specs/s', 'first time', 'writes/spec', 'syncs/spec', 'ms a sync'],
      singles.map((row) => [
        row.name,
        row.tasks,
        (row.elapsedMs / 1000).toFixed(2),
        row.perSecond,
        row.firstPerSecond,
        row.writesPerTask,
        row.syncsPerTask,
        row.syncMs,
      ]),
    ),
  );
}
for (const [name, section] of Object.entries(sections)) console.log(`\n${name}: ${JSON.stringify(section, null, 1)}`);
console.log('\nCommand lines');
for (const row of [...noop, ...singles, ...real]) {
  console.log(`  ${row.name}: ${row.command}`);
  if (row.storeCommand !== undefined) console.log(`    ${row.storeCommand}`);
}
console.log(`\nWritten to bench/results.json`);
if (failures.length > 0) process.exitCode = 1;
