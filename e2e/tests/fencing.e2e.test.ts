/** Hosts that freeze, are cut off and come back: what they did meanwhile counts if and only if nobody took over. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster, type StoredRecord } from '../harness/cluster.ts';
import type { Container } from '../harness/container.ts';
import { commandLines, configure, provideShipped } from '../harness/plugins.ts';
import { type Effect, effect, fileIs, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3 });
  const program = await provideShipped(cluster, 'hooks-jsonl');
  const events = (n: number) => {
    const args = [program, '--file', `/effects/events-${n}`];
    return {
      kind: 'hooks',
      tier: 'audit',
      readyTimeoutMs: 60_000,
      events: ['claim.fence_rejected'],
      command: 'node',
      args,
    };
  };
  await Promise.all([1, 2, 3].map((n) => configure(cluster, n, { events: events(n) })));
  await cluster.ready(...cluster.nodes);
});

afterAll(() => cluster?.remove());

/** Of a copy's process group, once its node knows that it has lost the task. */
const GONE_WITHIN_MS = 5_000;

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const effects = async (file: string): Promise<Effect[]> => (await cluster.effects(file)).map(readEffect);
const onlyTask = async (spec: string): Promise<TaskView> => {
  const [task] = await cluster.json<TaskView[]>(['task', 'list', spec]);
  if (task === undefined) throw new Error(`${spec} has no task`);
  return task;
};

/** Copies of its that another node had taken over: stopped while they ran, or refused when they ended. */
const superseded = (node: Container) => cluster.api.metric(node, 'boi_core_superseded_total');

interface Rejected {
  readonly kind: string;
  readonly emitter: string;
  readonly payload: { readonly task: string; readonly attempt: number; readonly fence: string; readonly step: string };
}
/** What the hooks plugins of all nodes were told of refused commits of this task. */
const rejected = async (task: string | undefined) => {
  const { stdout } = await cluster.node(1).exec(['sh', '-c', 'cat /effects/events-*']);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Rejected)
    .filter(({ payload }) => payload.task === task);
};
/** One event, no more, tells of the refused commit of this copy. */
async function rejectedOnce({ task, attempt, fence, node }: Effect): Promise<void> {
  await until('an event tells of it', async () => (await rejected(task)).length > 0);
  const payload = { task, attempt, fence, step: 'commit' };
  expect(await rejected(task)).toMatchObject([{ kind: 'claim.fence_rejected', emitter: node, payload }]);
}

const resultsOf = (spec: string) => cluster.records(`/boi/results/${spec}/`);

/** The node's lease has run out: its record is gone. */
const leaseGone = (id: string) =>
  until('its lease has ended', async () => (await cluster.records(`/boi/nodes/${id}`)).length === 0, 60_000);

test('stale_worker_rejected: with a result that it could not commit it is frozen past its lease; its commit is refused, the result stays as the successor wrote it, byte for byte, and one event tells', async () => {
  keepOnFailure();
  // The second copy ends at once, the first one when its host is cut off: a host that is only frozen mostly learns that it has
  // lost the task before it comes to commit.
  const run = `${effect('began', 'stale')}; [ $(grep -c began /effects/stale) -gt 1 ] || ${fileIs('cut')}; ${effect('ended', 'stale')}`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run }] });
  const [first] = await until('it began', async () => {
    const began = await effects('stale');
    return began.length > 0 && began;
  });
  const holder = await cluster.hostOf(first?.node ?? '');
  const counted = await superseded(holder);
  let before: StoredRecord[];
  let committed: TaskView;
  await holder.disconnect();
  await cluster.say('cut', '');
  await until('it has ended', async () => (await effects('stale')).some(({ word }) => word === 'ended'));
  await holder.pause();
  try {
    await until('another ended it', async () => (await onlyTask(spec)).state === 'succeeded', 60_000);
    before = await resultsOf(spec);
    committed = await onlyTask(spec);
  } finally {
    await holder.connect();
    await holder.unpause();
  }
  expect(BigInt(committed.fence ?? 0)).toBeGreaterThan(BigInt(first?.fence ?? 0));
  // It is a member again and knows what became of its claim.
  await cluster.ready(holder);
  await rejectedOnce(first as Effect);
  expect(await superseded(holder)).toBe(counted + 1);
  expect(await resultsOf(spec)).toEqual(before);
  expect((await onlyTask(spec)).fence).toBe(committed.fence);
});

test('new_claimant_unaffected, fence_event_recorded: the result of a node that was cut off comes while the next copy runs; that one commits, and one event tells of the other', async () => {
  keepOnFailure();
  // The first copy ends while its node is cut off, the second one only when it may.
  const second = `${fileIs('go')}; ${effect('second', 'two')}`;
  const run = `${effect('began', 'two')}; [ $(grep -c began /effects/two) -gt 1 ] || { ${fileIs('off')}; ${effect('first', 'two')}; exit; }; ${second}`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run }] });
  const [first] = await until('it began', async () => {
    const began = await effects('two');
    return began.length > 0 && began;
  });
  const holder = await cluster.hostOf(first?.node ?? '');
  const counted = await superseded(holder);
  await holder.disconnect();
  await cluster.say('off', '');
  try {
    await until('the first has ended and the second runs', async () => (await effects('two')).length === 3, 60_000);
  } finally {
    await holder.connect();
  }
  const next = (await effects('two')).find(({ word, node }) => word === 'began' && node !== first?.node);
  await cluster.ready(holder);
  await until('the first is superseded', async () => (await superseded(holder)) > counted);
  // The claim in force is still the second one, and runs.
  expect(await onlyTask(spec)).toMatchObject({ state: 'running', fence: next?.fence });
  await cluster.say('go', '');
  await cluster.boi(['spec', 'wait', spec]);
  expect(await onlyTask(spec)).toMatchObject({ state: 'succeeded', fence: next?.fence });
  const words = (await effects('two')).map(({ word }) => word);
  expect(words.toSorted()).toEqual(['began', 'began', 'first', 'second']);
  expect(await superseded(holder)).toBe(counted + 1);
  await rejectedOnce(first as Effect);
});

test('exclusive_never_overlaps: cut off from the store, its copy ends before another can begin', async () => {
  keepOnFailure();
  const run = 'for i in $(seq 100); do echo "$BOI_FENCE $(date +%s%3N)" >> /effects/only; sleep 0.1; done';
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run, exclusive: true }] });
  const lines = async () =>
    (await cluster.effects('only')).map((line) => line.split(' ').map(Number) as [number, number]);
  const copies = async () => [...new Set((await lines()).map(([fence]) => fence))];
  await until('it runs', async () => (await copies()).length === 1);
  const holder = await cluster.hostOf((await onlyTask(spec)).node?.id ?? '');
  await holder.disconnect();
  try {
    await until('another copy runs', async () => (await copies()).length === 2, 60_000);
    await until('it has run for a while', async () => {
      const [, second] = await copies();
      return (await lines()).filter(([fence]) => fence === second).length >= 20;
    });
  } finally {
    await holder.connect();
  }
  const [first, second] = await copies();
  const times = async (fence: number | undefined) =>
    (await lines()).filter((line) => line[0] === fence).map(([, atMs]) => atMs);
  expect(Math.max(...(await times(first)))).toBeLessThan(Math.min(...(await times(second))));
  await cluster.boi(['spec', 'wait', spec]);
  expect(await copies()).toHaveLength(2);
  await cluster.ready(holder);
});

test('late_but_unchallenged_commits: frozen past its lease with nobody to take over, it commits once', async () => {
  keepOnFailure();
  const run = `${effect('began', 'late')}; sleep 1; ${effect('ended', 'late')}`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run, requires: { at: 'node-3' } }] });
  const [first] = await until('it began', async () => {
    const began = await effects('late');
    return began.length > 0 && began;
  });
  const node = cluster.node(3);
  await node.pause();
  try {
    await leaseGone(first?.node ?? '');
  } finally {
    await node.unpause();
  }
  await cluster.boi(['spec', 'wait', spec]);
  const { task = '', fence = '', attempt = 0 } = first ?? {};
  expect(await onlyTask(spec)).toMatchObject({ id: task, state: 'succeeded', fence, attempt });
  const lines = await effects('late');
  expect(lines).toMatchObject([
    { word: 'began', fence },
    { word: 'ended', fence },
  ]);
  expect(await rejected(task)).toEqual([]);
});

test('fence_loss_stops_zombie: the process group of the loser is gone within five seconds of its learning of it', async () => {
  keepOnFailure();
  const run = `${effect('began', 'zombie')}; [ $(grep -c began /effects/zombie) -gt 1 ] || { sleep 987654 & sleep 987654; }`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run }] });
  const [first] = await until('it began', async () => {
    const began = await effects('zombie');
    return began.length > 0 && began;
  });
  const holder = await cluster.hostOf(first?.node ?? '');
  const counted = await superseded(holder);
  await holder.pause();
  try {
    await until('another ended it', async () => (await onlyTask(spec)).state === 'succeeded', 60_000);
  } finally {
    await holder.unpause();
  }
  await until('it knows', async () => (await superseded(holder)) > counted);
  await until(
    'its processes are gone',
    async () => !(await commandLines(cluster, cluster.nodes.indexOf(holder) + 1)).includes('987654'),
    GONE_WITHIN_MS,
  );
});
