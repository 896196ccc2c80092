/** Set pieces of work for a {@link VirtualCluster}. `sizes` are those of the guard; growth.mjs gives others. */

const run = ['true'];

/** Each answers the specs, how many clients send them, and the tasks of them all. */
const shapes = {
  singles: (count) => ({
    specs: Array.from({ length: count }, () => ({ tasks: [{ ref: 'task', run }] })),
    clients: 16,
    tasks: count,
  }),
  wide: (count) => ({ specs: [{ tasks: [{ ref: 'task', run, count }] }], clients: 1, tasks: count }),
  /** As large as a spec may be, five at once. */
  wides: (count) => ({
    specs: Array.from({ length: 5 }, () => ({ tasks: [{ ref: 'task', run, count: count / 5 }] })),
    clients: 5,
    tasks: count,
  }),
  chain: (count) => ({
    specs: [
      {
        tasks: Array.from({ length: count }, (_, n) => ({
          ref: `t${n}`,
          run,
          ...(n === 0 ? {} : { needs: `t${n - 1}` }),
        })),
      },
    ],
    clients: 1,
    tasks: count,
  }),
  fan: (count) => ({
    specs: [
      {
        tasks: [
          { ref: 'split', run },
          { ref: 'work', run, count, needs: 'split' },
          { ref: 'merge', run, needs: 'work' },
        ],
      },
    ],
    clients: 1,
    tasks: count + 2,
  }),
};

/** To the end of every spec; how many tasks that were, and the virtual time it took. */
export async function runShape(cluster, shape, count) {
  const { specs, clients, tasks } = shapes[shape](count);
  const began = cluster.clock.mono();
  const ended = cluster.ended + specs.length;
  await cluster.dispatch(specs, clients);
  return { tasks, virtualMs: (await cluster.until(ended)) - began };
}

/** The same with a node that is killed as soon as it runs tasks. */
export async function runTakeover(cluster, count) {
  const { specs, tasks } = shapes.wide(count);
  const began = cluster.clock.mono();
  const victim = cluster.nodes[1];
  await cluster.dispatch(specs);
  await cluster.clock.until(() => victim.runner.list().length > 0, 10_000, 'the node runs tasks');
  cluster.crash(victim);
  return { tasks, virtualMs: (await cluster.until(1)) - began };
}
