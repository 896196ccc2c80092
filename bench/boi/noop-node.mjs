/**
 * One node of the no-op measurement: the real protocol on real etcd, with a runner that starts no process. Told what to do
 * over IPC by `lib/boi.mjs`; the options come as JSON in the first argument.
 */
import { ClusterNode } from '@boi/cluster';
import { IdMinter } from '@boi/core';
import { EtcdStore } from '@boi/store';
import { boundHeapGrowth, systemClock, systemRandom } from '@boi/system';

boundHeapGrowth();
const options = JSON.parse(process.argv[2]);

/** Every task ends at once, well, or never when `hang` is set. What it was given and told is the same as for a real one. */
const runner = {
  start(assignment) {
    started += 1;
    const now = Date.now();
    const report = { outcome: 'succeeded', exitCode: 0, startedAt: now, endedAt: now, tail: '', logBytes: 0 };
    const done = options.hang ? new Promise(() => undefined) : Promise.resolve(report);
    return { task: assignment.task, done, cancel: () => undefined };
  },
  list: () => [],
  setDeadline: () => undefined,
};

/** The store is never away in this measurement, so nothing is ever kept here. */
const buffer = { append: async () => undefined, all: async () => [], remove: async () => undefined };

const complain = (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
const log = { debug: () => undefined, info: () => undefined, warn: complain, error: complain };

let started = 0;
const store = new EtcdStore({ endpoints: [options.endpoint], clock: systemClock, random: systemRandom });
const id = new IdMinter(systemClock, systemRandom).mint('node');
const node = new ClusterNode({
  store,
  clock: systemClock,
  random: systemRandom,
  log,
  metrics: { count: () => undefined, gauge: () => undefined, observe: () => undefined },
  emit: () => undefined,
  identity: {
    id,
    address: 'http://127.0.0.1:1',
    version: 'bench',
    capabilities: { os: 'linux' },
    slots: options.slots,
  },
  ...(options.sessionTtlMs === undefined ? {} : { config: { sessionTtlMs: options.sessionTtlMs } }),
  runner,
  buffer,
});

const verbs = {
  start: async () => {
    await node.start();
    return id;
  },
  dispatch: async ({ source }) => {
    const { id: project } = await node.api.project('default');
    const { id: spec } = await node.api.dispatch(project, { source, format: 'json' });
    return { project, spec };
  },
  /** Resolves when the spec has ended. */
  settle: async ({ project, spec }) => {
    await node.api.followSpec(project, spec, { tasks: false }, () => undefined, new AbortController().signal);
    return await node.api.spec(project, spec);
  },
  /** `count` specs, each sent when the client's last was accepted. */
  dispatchMany: async ({ source, count, clients }) => {
    const { id: project } = await node.api.project('default');
    let left = count;
    const client = async () => {
      while (left-- > 0) await node.api.dispatch(project, { source, format: 'json' });
    };
    await Promise.all(Array.from({ length: clients }, client));
  },
  /** Milliseconds its event loop has worked and waited. */
  loop: async () => {
    const { active, idle } = performance.eventLoopUtilization();
    return { active, idle };
  },
  residentBytes: async () => process.memoryUsage().rss,
  fsck: () => node.api.fsck(),
  started: async () => started,
  stop: async () => {
    await node.stop({ drainMs: 0 });
    await store.close();
  },
};

process.on('message', async ({ verb, id, ...more }) => {
  try {
    process.send({ type: 'answer', id, value: await verbs[verb](more) });
  } catch (error) {
    process.send({ type: 'answer', id, error: String(error?.stack ?? error) });
  }
  if (verb === 'stop') process.disconnect();
});
