/** What the guard measures, on three nodes with four slots each; what warms up is the same, smaller. */
import { runShape, runTakeover } from '../virtual/workloads.mjs';

const shape = (name, count) => ({
  nodes: 3,
  slots: 4,
  warmUp: (cluster) => runShape(cluster, name, 5),
  work: (cluster) => runShape(cluster, name, count),
});

export const WORKLOADS = {
  '1,000 specs of one task': shape('singles', 1_000),
  'one spec of 1,000 tasks': shape('wide', 1_000),
  'chain of 100 tasks': shape('chain', 100),
  'fan-out 1, 200, 1': shape('fan', 200),
  '200 tasks, one of three nodes killed': {
    nodes: 3,
    slots: 4,
    warmUp: (cluster) => runShape(cluster, 'wide', 5),
    work: (cluster) => runTakeover(cluster, 200),
  },
};
