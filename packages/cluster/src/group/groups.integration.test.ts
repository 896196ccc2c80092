/** Groups written by several nodes at once on a real etcd: what each was decided by holds when it is made. */
import { BoiError, type GroupId, isId } from '@boi/core';
import { EtcdStore } from '@boi/store';
import { type EtcdServer, startEtcd } from '@boi/store/testing';
import { systemClock, systemRandom } from '@boi/system';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { initCluster } from '../init.ts';
import { Keys } from '../keys.ts';
import { NO_METRICS } from '../metrics.ts';
import { fixture, testNode } from '../testing/fixtures.ts';
import { addMembers, createGroup, readGroups } from './change-groups.ts';

const { signal } = new AbortController();
const ROUNDS = 10;

let etcd: EtcdServer;
const stores: EtcdStore[] = [];

beforeAll(async () => {
  etcd = await startEtcd();
  for (let n = 0; n < 3; n++) {
    stores.push(new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom }));
  }
});

afterAll(async () => {
  for (const store of stores) await store.close();
  await etcd.stop();
});

/** As each of three nodes has it. */
const contexts = (prefix: string) => {
  const { config, log, events } = fixture().ctx;
  const keys = new Keys(prefix);
  return stores.map((store) => ({
    store,
    keys,
    clock: systemClock,
    random: systemRandom,
    metrics: NO_METRICS,
    config,
    log,
    events,
  }));
};

test(`three nodes close a ring of three groups at once, ${ROUNDS} times: one of them is refused, the groups hold no cycle`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const nodes = contexts(`/ring-${round}/`);
    const [first] = nodes as [(typeof nodes)[number]];
    const { defaultProject } = await initCluster(first, signal);
    const ids: GroupId[] = [];
    for (const name of ['a', 'b', 'c']) ids.push(await createGroup(first, defaultProject, name, signal));
    const added = await Promise.allSettled(
      nodes.map((ctx, i) => addMembers(ctx, ids[i] as GroupId, [ids[(i + 1) % 3] as GroupId, testNode(i + 1)], signal)),
    );
    const refused = added.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    expect(refused).toHaveLength(1);
    expect(refused[0]).toBeInstanceOf(BoiError);
    expect(refused[0]).toMatchObject({ code: 'cycle-detected' });
    const groups = await readGroups(first);
    for (const id of ids) {
      const inside = (groups.byId.get(id)?.members ?? []).filter((member) => isId(member, 'group'));
      expect(inside.map((member) => groups.path(member as GroupId, id))).toEqual(inside.map(() => undefined));
    }
  }
});

test('members that three nodes add to one group at once are all in it', async () => {
  const nodes = contexts('/members/');
  const [first] = nodes as [(typeof nodes)[number]];
  const { defaultProject } = await initCluster(first, signal);
  const id = await createGroup(first, defaultProject, 'a', signal);
  await Promise.all(
    nodes.flatMap((ctx, i) => [1, 2, 3].map((n) => addMembers(ctx, id, [testNode(10 * i + n)], signal))),
  );
  expect((await readGroups(first)).byId.get(id)?.members).toHaveLength(9);
});

test('a cluster that three nodes begin at once has each of the groups that carry authority once', async () => {
  const nodes = contexts('/begun/');
  const clusters = await Promise.all(nodes.map((ctx) => initCluster(ctx, signal)));
  expect(new Set(clusters.map(({ id }) => id)).size).toBe(1);
  const { byId } = await readGroups(nodes[0] as (typeof nodes)[number]);
  expect([...byId.values()].map(({ name }) => name).sort()).toEqual(['admins', 'operators']);
});
