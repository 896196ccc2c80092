/**
 * `make bench-quick`: what a task costs in counts that no machine changes, compared with `bench/budgets.json`. Exit code 1 when
 * one grew. `--renew` writes the file anew instead.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../lib/figures.mjs';
import { compare, MEASURES, toBudget } from './compare.mjs';
import { WORKLOADS } from './workloads.mjs';

const BUDGETS = join(import.meta.dirname, '../budgets.json');
const MEASURE = join(import.meta.dirname, 'measure.mjs');
/** Without collections the heap's growth is what was allocated, and without the optimizer it depends on the code alone. */
const FLAGS = ['--expose-gc', '--no-opt', '--min-semi-space-size=512', '--max-semi-space-size=512'];

const { values } = parseArgs({ options: { renew: { type: 'boolean', default: false } } });

const counted = {};
for (const workload of Object.keys(WORKLOADS)) {
  const counts = JSON.parse(execFileSync(process.execPath, [...FLAGS, MEASURE, workload], { encoding: 'utf8' }));
  const { txns, batches, gets, ranges, others } = counts;
  counted[workload] = { ...counts, requests: txns + batches + gets + ranges + others };
}

const rounded = Object.values(counted).map(toBudget);
console.log(
  'For each task, three nodes with four slots, memory store, 2 ms of virtual time a request, tasks of 10 ms\n',
);
console.log(
  table(
    ['', ...Object.keys(counted)],
    Object.entries(MEASURES).map(([measure, { title }]) => [title, ...rounded.map((counts) => counts[measure])]),
  ),
);
if (values.renew) {
  const budgets = Object.fromEntries(Object.keys(counted).map((workload, i) => [workload, rounded[i]]));
  writeFileSync(BUDGETS, `${JSON.stringify(budgets, null, 2)}\n`);
  console.log('\nWritten to bench/budgets.json');
} else {
  const { grown, shrunk } = compare(JSON.parse(readFileSync(BUDGETS, 'utf8')), counted);
  if (shrunk.length > 0)
    console.log(`\nBelow the budget; keep it with \`node bench/quick/run.mjs --renew\`:\n  ${shrunk.join('\n  ')}`);
  if (grown.length > 0) {
    console.error(
      `\nGrown (is it meant? \`node bench/quick/run.mjs --renew\`, and say why in the commit):\n  ${grown.join('\n  ')}`,
    );
    process.exitCode = 1;
  } else console.log('\nNothing grew.');
}
