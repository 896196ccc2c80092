/** Networks that fail, stores that go away, clusters that are switched off and on. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster, SESSION_TTL_S } from '../harness/cluster.ts';
import { effect, readEffect, type SpecView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3, etcd: 3 });
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const show = (spec: string) => cluster.json<SpecView>(['spec', 'show', spec]);

test('in_flight_survives_partition: a task that outlives a short cut is committed once', async () => {
  keepOnFailure();
  const run = `${effect('began', 'cut')}; sleep 2; ${effect('ended', 'cut')}`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'once', run, requires: { at: 'node-2' } }] });
  await until('it began', async () => (await cluster.effects('cut')).length === 1);
  await cluster.node(2).disconnect();
  await until('it ended there', async () => (await cluster.effects('cut')).length === 2);
  await cluster.node(2).connect();
  await cluster.boi(['spec', 'wait', spec]);
  expect((await cluster.effects('cut')).map((line) => readEffect(line).word)).toEqual(['began', 'ended']);
});

test('dispatch_fails_loud: within three seconds, exit 3, and asking again with the same key tells what became of it', async () => {
  keepOnFailure();
  const body = JSON.stringify({ tasks: [{ ref: 'once', run: effect('ran', 'loud') }] });
  const args = ['spec', 'dispatch', '-', '--format', 'json', '--idempotency-key', 'loud-1'];
  for (const member of cluster.etcd) await member.pause();
  let refused: { code: number; stderr: string };
  try {
    refused = await cluster.try(args, { stdin: body });
  } finally {
    for (const member of cluster.etcd) await member.unpause();
  }
  expect(refused.code).toBe(3);
  expect(refused.stderr).toMatch(/store/i);
  const first = await until(
    'dispatch works again',
    async () => {
      const { code, stdout } = await cluster.try(args, { stdin: body });
      return code === 0 && stdout.trim();
    },
    60_000,
  );
  expect((await cluster.boi(args, { stdin: body })).trim()).toBe(first);
  await cluster.boi(['spec', 'wait', first]);
  expect(await cluster.effects('loud')).toHaveLength(1);
});

test('session_lost_rejoins: after a freeze longer than the lease the node registers anew and runs work', async () => {
  keepOnFailure();
  const node = cluster.node(3);
  const before = await cluster.json<{ epoch: string; id: string }>(['node', 'show', 'node-3']);
  const pid = await node.pid();
  await node.pause();
  try {
    await until(
      'its lease has ended',
      async () => (await cluster.records(`/boi/nodes/${before.id}`)).length === 0,
      60_000,
    );
  } finally {
    await node.unpause();
  }
  await until('it is back', async () => {
    const { epoch } = await cluster.json<{ epoch?: string }>(['node', 'show', before.id]);
    return epoch !== undefined && epoch !== before.epoch;
  });
  const spec = await cluster.dispatch({ tasks: [{ ref: 'there', run: 'true', requires: { at: 'node-3' } }] }, [
    '--wait',
  ]);
  expect((await show(spec)).state).toBe('succeeded');
  expect(await node.pid()).toBe(pid);
});

test('etcd_member_loss: of three the leader is killed under load; nothing is lost, nothing runs twice', async () => {
  keepOnFailure();
  const spec = await cluster.dispatch({
    tasks: [{ ref: 'each', count: 100, run: `${effect('ran', 'election')}; sleep 0.2` }],
  });
  await until('some ran', async () => (await cluster.effects('election')).length >= 10);
  const status = await Promise.all(
    cluster.etcd.map(async (member) => {
      const { stdout } = await member.exec(['etcdctl', 'endpoint', 'status', '-w', 'json']);
      const [{ Status }] = JSON.parse(stdout) as [{ Status: { leader: number; header: { member_id: number } } }];
      return { member, leads: Status.leader === Status.header.member_id };
    }),
  );
  const leader = status.find(({ leads }) => leads)?.member;
  if (leader === undefined) throw new Error('no member leads');
  await leader.kill();
  try {
    await cluster.boi(['spec', 'wait', spec], { withinMs: 100_000 });
  } finally {
    await leader.start();
  }
  const ran = (await cluster.effects('election')).map(readEffect);
  expect(new Set(ran.map(({ task }) => task)).size).toBe(100);
  expect(ran).toHaveLength(100);
});

test('whole_cluster_restart: all hosts go down and come up in another order; every unfinished task finishes', async () => {
  keepOnFailure();
  const tasks = [
    { ref: 'each', count: 20, run: `${effect('began', 'restart')}; sleep 1; ${effect('ended', 'restart')}` },
    { ref: 'last', run: effect('last', 'restart'), needs: ['each'] },
  ];
  const spec = await cluster.dispatch({ tasks });
  await until('some ran', async () => (await cluster.effects('restart')).length >= 5);
  await Promise.all([...cluster.nodes, ...cluster.etcd].map((host) => host.kill()));
  await Promise.all([...cluster.etcd].reverse().map((member) => member.start()));
  for (const node of [...cluster.nodes].reverse()) await node.start();
  await Promise.all(cluster.nodes.map((node) => cluster.ready(node)));
  await cluster.boi(['spec', 'wait', spec], { withinMs: 110_000 });
  const ended = (await cluster.effects('restart')).map(readEffect).filter(({ word }) => word === 'ended');
  expect(new Set(ended.map(({ task }) => task)).size).toBe(20);
  expect((await show(spec)).counts.succeeded).toBe(21);
  const { clean } = await cluster.json<{ clean: boolean }>(['cluster', 'fsck']);
  expect(clean).toBe(true);
});

test('black_hole: a node whose packets vanish answers within its deadline, and its work goes elsewhere', async () => {
  keepOnFailure();
  const run = `${effect('began', 'hole')}; [ $(grep -c began /effects/hole) -gt 1 ] || sleep 300`;
  const spec = await cluster.dispatch({
    tasks: [{ ref: 'once', run, requires: { at: { in: ['node-2', 'node-3'] } } }],
  });
  const [first] = await until('it began', async () => {
    const began = (await cluster.effects('hole')).map(readEffect);
    return began.length > 0 && began;
  });
  const view = await cluster.json<{ id: string }>(['node', 'show', 'node-2']);
  const node = cluster.node(view.id === first?.node ? 2 : 3);
  await node.disconnect();
  try {
    await cluster.boi(['spec', 'wait', spec], { withinMs: 60_000 });
  } finally {
    await node.connect();
  }
  await until(
    'it is a member again',
    async () => (await cluster.try(['node', 'show', node.name])).code === 0,
    SESSION_TTL_S * 10_000,
  );
});
