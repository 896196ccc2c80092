/** A store that has seen more revisions than a double can tell apart. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster, SESSION_TTL_S } from '../harness/cluster.ts';
import type { Container } from '../harness/container.ts';
import { committedEffects, effect, fileIs, type NodeView, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

/** Of 512 neighbours here one is a double. */
const REVISION = 2n ** 61n;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2, revision: REVISION });
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const tasksOf = (spec: string) => cluster.json<TaskView[]>(['task', 'list', spec]);
/** What a program that takes it for a number makes another one of. */
const isInexact = (revision: string | undefined) => String(BigInt(Number(revision))) !== revision;
const store = () => cluster.etcd[0] as Container;

test('large_revisions: a fence is the same in the environment of its task, in every view and record, and in the store', async () => {
  keepOnFailure();
  const run = `${effect('ran', 'large')}; ${fileIs('large-go')}`;
  const spec = await cluster.dispatch({
    tasks: [
      { ref: 'each', count: 4, run },
      { ref: 'last', run: effect('ran', 'large'), needs: ['each'] },
    ],
  });
  await until('all four run', async () => (await cluster.effects('large')).length === 4);
  const claims = await cluster.records('/boi/queue/');
  for (const { task, fence, node } of (await cluster.effects('large')).map(readEffect)) {
    expect(claims.find(({ key }) => key.endsWith(`${node}/${task}`))?.modRevision).toBe(fence);
    expect(await cluster.json<TaskView>(['task', 'show', task])).toMatchObject({ state: 'running', fence });
  }
  await cluster.say('large-go', '');
  await cluster.boi(['spec', 'wait', spec]);
  const tasks = await tasksOf(spec);
  const ran = (await cluster.effects('large')).map(readEffect);
  expect(committedEffects(tasks, ran)).toEqual(tasks.map(() => 1));
  expect(ran).toHaveLength(5);
  for (const { fence } of ran) expect(BigInt(fence)).toBeGreaterThan(REVISION);
  expect(ran.some(({ fence }) => isInexact(fence))).toBe(true);
  const path = `/v1/projects/default/specs/${spec}/tasks`;
  const { text } = await cluster.api.ask(cluster.node(1), 'GET', path);
  for (const { fence } of ran) expect(text).toContain(`"fence":"${fence}"`);
});

test('large_revisions: an epoch is the revision of the record of its node, and the lease that binds it is renewed and given back', async () => {
  keepOnFailure();
  const view = await cluster.json<NodeView>(['node', 'show', 'node-2']);
  const record = async () => (await cluster.records(`/boi/nodes/${view.id}`))[0];
  const leases = async () => {
    const { stdout } = await store().exec(['etcdctl', 'lease', 'list']);
    return (stdout.match(/^[0-9a-f]{8,}$/gm) ?? []).map((id) => String(BigInt(`0x${id}`)));
  };
  const before = await record();
  const lease = before?.lease ?? '';
  expect(view.epoch).toBe(before?.createRevision);
  expect(isInexact(view.epoch)).toBe(true);
  expect(isInexact(lease)).toBe(true);
  expect(await leases()).toContain(lease);
  const renewals = () => cluster.api.metric(cluster.node(2), 'boi_core_session_keepalive_seconds_count');
  const counted = await renewals();
  // Three a life: by the fifth it would have ended.
  await until(
    'it was renewed for longer than its life',
    async () => (await renewals()) >= counted + 5,
    SESSION_TTL_S * 10_000,
  );
  expect((await record())?.lease).toBe(lease);
  expect((await record())?.createRevision).toBe(view.epoch);
  await cluster.node(2).stop();
  expect(await leases()).not.toContain(lease);
  await cluster.node(2).start();
  await cluster.ready(cluster.node(2));
  const { epoch } = await cluster.json<NodeView>(['node', 'show', 'node-2']);
  expect(BigInt(epoch ?? 0)).toBeGreaterThan(BigInt(view.epoch ?? 0));
});

test('large_revisions: the late commit of a frozen node is refused, a task is cancelled, old revisions are compacted, and nothing is amiss', async () => {
  keepOnFailure();
  const run = `${effect('began', 'frozen')}; [ $(grep -c began /effects/frozen) -gt 1 ] || sleep ${SESSION_TTL_S}; ${effect('ended', 'frozen')}`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run }] });
  const [first] = await until('it began', async () => {
    const began = (await cluster.effects('frozen')).map(readEffect);
    return began.length > 0 && began;
  });
  const holder = await cluster.hostOf(first?.node ?? '');
  const superseded = () => cluster.api.metric(holder, 'boi_core_superseded_total');
  const before = await superseded();
  await holder.pause();
  try {
    await until('another ended it', async () => (await tasksOf(spec))[0]?.state === 'succeeded');
  } finally {
    await holder.unpause();
  }
  const [committed] = await tasksOf(spec);
  expect(BigInt(committed?.fence ?? 0)).toBeGreaterThan(BigInt(first?.fence ?? 0));
  await until('it knows', async () => (await superseded()) === before + 1);
  expect((await tasksOf(spec))[0]?.fence).toBe(committed?.fence);

  const cancelled = await cluster.dispatch({ tasks: [{ ref: 'held', run: `${effect('began', 'held')}; sleep 300` }] });
  await until('it runs', async () => (await cluster.effects('held')).length === 1);
  await cluster.boi(['spec', 'cancel', cancelled]);
  expect((await cluster.try(['spec', 'wait', cancelled])).code).toBe(1);
  expect(await tasksOf(cancelled)).toMatchObject([{ state: 'cancelled' }]);

  await until('history was dropped', async () => {
    const counts = cluster.nodes.map((node) => cluster.api.metric(node, 'boi_core_compactions_total'));
    return (await Promise.all(counts)).some((count) => count > 0);
  });
  const { stderr } = await store().exec(['etcdctl', 'get', 'any', '--rev', String(REVISION + 1n)]);
  expect(stderr).toContain('compacted');
  expect((await cluster.json<{ clean: boolean }>(['cluster', 'fsck'])).clean).toBe(true);
});
