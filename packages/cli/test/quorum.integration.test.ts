/** Etcd with three members, and its leader killed while work runs and more is handed in, as a row of the failure table. */
import { join } from 'node:path';
import type { EtcdServer } from '@boi/store/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, seconds } from './support/figures.ts';
import { until } from './support/until.ts';
import { Witness } from './support/witness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ members: 3, slots: 4 });
}, START_WITHIN_MS);
afterAll(() => cluster?.stop());

async function leader(): Promise<EtcdServer> {
  for (const member of cluster.members) {
    const text = await fetch(`${member.endpoint}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    );
    if (/^etcd_server_is_leader 1$/m.test(text)) return member;
  }
  throw new Error('no member leads');
}

test('no dispatch and no result is lost when the leader of etcd is killed, nor when it comes back', async () => {
  const witness = new Witness(join(cluster.dir, 'witness'));
  const run = `${witness.says('begin')}; sleep 0.2; ${witness.says('end')}`;
  const large = await cluster.dispatch({ tasks: [{ ref: 'work', count: 120, run }] });
  const accepted: { readonly id: string; readonly atMs: number }[] = [];
  const handIn = async () => {
    const key = `one-${accepted.length}`;
    const { id } = await until('it is accepted', () =>
      cluster.client
        .call('spec.dispatch', {
          params: { prj: 'default' },
          body: {
            source: JSON.stringify({ name: key, tasks: [{ ref: 'a', run }] }),
            format: 'json',
            idempotencyKey: key,
          },
        })
        .catch(() => false as const),
    );
    accepted.push({ id, atMs: performance.now() });
  };
  for (let i = 0; i < 5; i++) await handIn();
  const killed = await leader();
  await killed.kill();
  for (let i = 0; i < 10; i++) await handIn();
  await killed.start();
  for (let i = 0; i < 5; i++) await handIn();
  const pauses = accepted.slice(1).map(({ atMs }, i) => atMs - (accepted[i]?.atMs ?? atMs));
  figure('longest time between two accepted dispatches, the leader killed between', seconds(Math.max(...pauses)));

  for (const spec of [large, ...accepted.map(({ id }) => id)]) {
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    for (const task of await cluster.tasks(spec)) {
      const own = witness.lines('end').filter(({ task: id }) => id === task.id);
      expect(
        own.filter(({ fence }) => fence === task.fence),
        task.ref,
      ).toHaveLength(1);
    }
  }
  expect(new Set(accepted.map(({ id }) => id)).size).toBe(accepted.length);
  figure('tasks and their effects', `${120 + accepted.length} and ${witness.lines('end').length}`);
  expect(await cluster.findings()).toEqual([]);
});
