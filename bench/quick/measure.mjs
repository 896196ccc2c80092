/**
 * One workload of the guard in a process of its own: `node --expose-gc … bench/quick/measure.mjs NAME` prints its counts per
 * task as JSON. Started by run.mjs with the flags that make the allocation countable.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { VirtualCluster } from '../virtual/virtual-cluster.mjs';
import { WORKLOADS } from './workloads.mjs';

const json = { jsonParses: 0, jsonEncodes: 0 };
for (const [verb, count] of [
  ['parse', 'jsonParses'],
  ['stringify', 'jsonEncodes'],
]) {
  const original = JSON[verb];
  JSON[verb] = (...args) => {
    json[count] += 1;
    return original(...args);
  };
}
const collections = [];
const collector = new PerformanceObserver((list) => {
  for (const { startTime } of list.getEntries()) collections.push(startTime);
});
collector.observe({ entryTypes: ['gc'] });

const { nodes, slots, warmUp, work } = WORKLOADS[process.argv[2]];

async function start() {
  const cluster = new VirtualCluster();
  await cluster.join(nodes, { slots });
  return cluster;
}

// Validators are compiled when they are first needed.
await warmUp(await start());
const cluster = await start();
const counts = () => ({ ...cluster.counts, ...json, timers: cluster.timers, starts: cluster.starts });
const before = counts();
gc();
const heapBefore = process.memoryUsage().heapUsed;
const from = performance.now();
const { tasks, virtualMs } = await work(cluster);
const until = performance.now();
const heapBytes = (process.memoryUsage().heapUsed - heapBefore) / tasks;
const after = counts();
const perTask = Object.fromEntries(Object.keys(after).map((what) => [what, (after[what] - before[what]) / tasks]));
// The observer is told in a later turn.
await new Promise((resolve) => setTimeout(resolve, 20));
const collected = collections.some((at) => at > from && at < until);
process.stdout.write(
  `${JSON.stringify({ ...perTask, virtualMs: virtualMs / tasks, ...(collected ? {} : { heapBytes }) })}\n`,
);
process.exit(0);
