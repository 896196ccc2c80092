/**
 * One row of the growth tables in a process of its own: `node bench/growth/measure.mjs '{"shape":"wide","count":1000,…}'` prints
 * what each task cost as JSON. Counts are exact; CPU time and memory are of the whole process, the memory store included.
 */

import { VirtualCluster } from '../virtual/virtual-cluster.mjs';
import { runShape } from '../virtual/workloads.mjs';

const { shape, count, nodes, slots, taskMs } = JSON.parse(process.argv[2]);

const warm = new VirtualCluster();
await warm.join(3);
await runShape(warm, shape, 50);

const cluster = new VirtualCluster();
await cluster.join(nodes, { slots, taskMs });
const before = { ...cluster.counts };
const cpu = process.cpuUsage();
const { tasks, virtualMs } = await runShape(cluster, shape, count);
const { user, system } = process.cpuUsage(cpu);
const { txns, batches, gets, ranges, others, writes, reads, watchEvents, bytesPut } = Object.fromEntries(
  Object.entries(cluster.counts).map(([what, value]) => [what, (value - before[what]) / tasks]),
);
const row = {
  nodes,
  tasks,
  writes,
  reads,
  requests: txns + batches + gets + ranges + others,
  watchEvents,
  bytesPut,
  virtualMs: virtualMs / tasks,
  cpuMs: (user + system) / 1_000 / tasks,
  storeMb: cluster.storeBytesMax / 1e6,
  peakMb: process.resourceUsage().maxRSS / 1_000,
};
process.stdout.write(`${JSON.stringify(row)}\n`);
process.exit(0);
