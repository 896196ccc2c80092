/** Hosts that freeze, are cut off and come back: what they did meanwhile counts if and only if nobody took over. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster, SESSION_TTL_S } from '../harness/cluster.ts';
import type { Container } from '../harness/container.ts';
import { type Effect, effect, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3 });
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const effects = async (file: string): Promise<Effect[]> => (await cluster.effects(file)).map(readEffect);
const onlyTask = async (spec: string): Promise<TaskView> => {
  const [task] = await cluster.json<TaskView[]>(['task', 'list', spec]);
  if (task === undefined) throw new Error(`${spec} has no task`);
  return task;
};

/** Events of copies of its that another node had taken over: stopped while they ran, or refused when they ended. */
const superseded = (node: Container) => cluster.api.metric(node, 'boi_core_events_total', { kind: 'task.superseded' });

/** The node's lease has run out: its record is gone. */
const leaseGone = (id: string) =>
  until('its lease has ended', async () => (await cluster.records(`/boi/nodes/${id}`)).length === 0, 60_000);

test('stale_worker_rejected: frozen past its lease, its commit is refused; the result stays as the successor wrote it', async () => {
  keepOnFailure();
  // The second copy ends at once; the first one goes on when it is thawed, and ends after the other.
  const run = `${effect('began', 'stale')}; [ $(grep -c began /effects/stale) -gt 1 ] || sleep ${SESSION_TTL_S}; ${effect('ended', 'stale')}`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run }] });
  const [first] = await until('it began', async () => {
    const began = await effects('stale');
    return began.length > 0 && began;
  });
  const holder = await cluster.hostOf(first?.node ?? '');
  await holder.pause();
  try {
    await until('another ended it', async () => (await onlyTask(spec)).state === 'succeeded', 60_000);
  } finally {
    await holder.unpause();
  }
  const before = await cluster.records('/boi/results/');
  const committed = await onlyTask(spec);
  expect(BigInt(committed.fence ?? 0)).toBeGreaterThan(BigInt(first?.fence ?? 0));
  // It is a member again and knows what became of its claim.
  await cluster.ready(holder);
  await until('it says that its copy came too late', async () => (await superseded(holder)) === 1);
  await until('and that nothing of it is kept', async () => /too late|taken away/.test(await holder.logs()));
  expect(await cluster.records('/boi/results/')).toEqual(before);
  expect((await onlyTask(spec)).fence).toBe(committed.fence);
});

test('new_claimant_unaffected, fence_event_recorded: the result of a node that was cut off comes while the next copy runs; that one commits, and one event tells of the other', async () => {
  keepOnFailure();
  // The first copy ends while its node is cut off, the second one only when it may.
  const second = `until [ -e /effects/go ]; do sleep 0.1; done; ${effect('second', 'two')}`;
  const run = `${effect('began', 'two')}; [ $(grep -c began /effects/two) -gt 1 ] || { sleep ${SESSION_TTL_S}; ${effect('first', 'two')}; exit; }; ${second}`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run }] });
  const [first] = await until('it began', async () => {
    const began = await effects('two');
    return began.length > 0 && began;
  });
  const holder = await cluster.hostOf(first?.node ?? '');
  const counted = await superseded(holder);
  await holder.disconnect();
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
  await cluster.node(1).exec(['touch', '/effects/go']);
  await cluster.boi(['spec', 'wait', spec]);
  expect(await onlyTask(spec)).toMatchObject({ state: 'succeeded', fence: next?.fence });
  const words = (await effects('two')).map(({ word }) => word);
  expect(words.toSorted()).toEqual(['began', 'began', 'first', 'second']);
  expect(await superseded(holder)).toBe(counted + 1);
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
  const lines = await effects('late');
  const task = await onlyTask(spec);
  expect(task.state).toBe('succeeded');
  // Whichever copy's result it is, the copy ran to its end, and only once.
  expect(lines.filter(({ word, fence }) => word === 'ended' && fence === task.fence)).toHaveLength(1);
});

test('fence_loss_stops_zombie: the process group of the loser is gone soon after it learns of it', async () => {
  keepOnFailure();
  const run = `${effect('began', 'zombie')}; [ $(grep -c began /effects/zombie) -gt 1 ] || exec sleep 987654`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run }] });
  const [first] = await until('it began', async () => {
    const began = await effects('zombie');
    return began.length > 0 && began;
  });
  const holder = await cluster.hostOf(first?.node ?? '');
  await holder.pause();
  try {
    await until('another ended it', async () => (await onlyTask(spec)).state === 'succeeded', 60_000);
  } finally {
    await holder.unpause();
  }
  await until('its processes are gone', async () => {
    const { stdout } = await holder.exec(['sh', '-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "']);
    return !stdout.includes('sleep 987654');
  });
});
