/**
 * `npm run bench:page`: writes the tables of docs/performance.md and its plot anew from the JSON that the runs have left:
 * results.json (`make bench`), growth.json (`make bench-growth`), budgets.json (`node bench/quick/run.mjs --renew`).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plot } from './plot.mjs';
import { parts, splice } from './tables.mjs';

const BENCH = join(import.meta.dirname, '..');
const PAGE = join(BENCH, '../docs/performance.md');
const PLOT = join(BENCH, '../docs/performance.svg');

const read = (name) => JSON.parse(readFileSync(join(BENCH, name), 'utf8'));
const measured = { results: read('results.json'), growth: read('growth.json'), budgets: read('budgets.json') };

writeFileSync(PAGE, splice(readFileSync(PAGE, 'utf8'), parts(measured)));
writeFileSync(PLOT, plot(measured));
console.log('Written: docs/performance.md, docs/performance.svg');
