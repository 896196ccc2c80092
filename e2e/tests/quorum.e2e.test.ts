/** A store of three members that loses one. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import { committedEffects, effect, longestPauseMs, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2, etcd: 3 });
});

afterAll(() => cluster?.remove());

/** An election takes one to two seconds, an answer that will not come five. */
const PAUSE_MAX_MS = 15_000;

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));

test('etcd_member_loss: of three the leader is killed under load; nothing is lost, each fence has one effect, the pause is short', async () => {
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
  const tasks = await cluster.json<TaskView[]>(['task', 'list', spec]);
  expect(tasks.map(({ state }) => state)).toEqual(Array.from({ length: 100 }, () => 'succeeded'));
  // A store that is away for longer than a lease costs a second copy, never a second result.
  expect(committedEffects(tasks, ran)).toEqual(tasks.map(() => 1));
  expect(longestPauseMs(tasks)).toBeLessThan(PAUSE_MAX_MS);
});
