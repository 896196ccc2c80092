/**
 * `make bench-growth`: what a task costs as the cluster and the work grow, in the simulation of `bench/virtual`: five tables
 * and `bench/growth.json`. Everything but CPU time and memory is the same on every machine.
 *
 * `node bench/growth/run.mjs [--only nodes,tasks,…] [--million]`
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { round, table } from '../lib/figures.mjs';

const RESULTS = join(import.meta.dirname, '../growth.json');
const MEASURE = join(import.meta.dirname, 'measure.mjs');
const few = { nodes: 3, slots: 100 };

/** At the pace of a real store, so that history is compacted as it is there. */
const MILLION = {
  title: 'Tasks 100,000 to 1,000,000 in five specs at once, tasks of 50 ms, 3 nodes',
  rows: [100_000, 1_000_000].map((count) => ({ shape: 'wides', count, taskMs: 50, ...few })),
};

const SERIES = {
  nodes: {
    title: 'Nodes 3 to 300, one spec of 3,000 tasks, 4 slots a node',
    rows: [3, 30, 300].map((nodes) => ({ shape: 'wide', count: 3_000, nodes, slots: 4 })),
  },
  tasks: {
    title: 'Tasks 1,000 to 100,000 in one spec, 3 nodes',
    rows: [1_000, 10_000, 100_000].map((count) => ({ shape: 'wide', count, ...few })),
  },
  specs: {
    title: 'Specs of one task, 100 to 10,000, from 16 clients, 3 nodes',
    rows: [100, 1_000, 10_000].map((count) => ({ shape: 'singles', count, ...few })),
  },
  chain: {
    title: 'A chain of 10 to 1,000 tasks, 3 nodes',
    rows: [10, 100, 1_000].map((count) => ({ shape: 'chain', count, ...few })),
  },
  fan: {
    title: 'Fan-out 1, 100 to 10,000, 1, 3 nodes',
    rows: [100, 1_000, 10_000].map((count) => ({ shape: 'fan', count, ...few })),
  },
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(SERIES).join(',') },
    million: { type: 'boolean', default: false },
  },
});
if (values.million) SERIES.million = MILLION;
const only = [...values.only.split(','), ...(values.million ? ['million'] : [])];
const unknown = only.filter((name) => SERIES[name] === undefined);
if (unknown.length > 0) {
  console.error(`--only ${unknown.join(',')}: must be of ${Object.keys(SERIES).join(', ')}`);
  process.exit(2);
}

const DIGITS = {
  nodes: 0,
  tasks: 0,
  writes: 3,
  reads: 3,
  requests: 3,
  watchEvents: 3,
  bytesPut: 0,
  virtualMs: 3,
  cpuMs: 3,
  storeMb: 1,
  peakMb: 0,
};
const HEAD = [
  'nodes',
  'tasks',
  'writes',
  'reads',
  'requests',
  'watch events',
  'bytes',
  'virtual ms',
  'CPU ms',
  'store MB',
  'peak MB',
];

const series = [];
for (const name of only) {
  const { title, rows } = SERIES[name];
  const measured = rows.map((row) => {
    const args = ['--max-old-space-size=12288', MEASURE, JSON.stringify(row)];
    const counts = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    return Object.fromEntries(Object.entries(DIGITS).map(([what, digits]) => [what, round(counts[what], digits)]));
  });
  series.push({ name, title, rows: measured });
  console.log(`${title}; each task costs\n`);
  console.log(
    `${table(
      HEAD,
      measured.map((row) => Object.keys(DIGITS).map((what) => row[what])),
    )}\n`,
  );
}
if (only.length === Object.keys(SERIES).length) {
  const measuredAt = new Date().toISOString();
  writeFileSync(RESULTS, `${JSON.stringify({ measuredAt, node: process.version, series }, null, 2)}\n`);
  console.log('Written to bench/growth.json');
}
