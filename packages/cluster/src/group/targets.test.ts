/** Tasks with a target, on whole nodes: where they go, what their claims compare, and what happens when a group changes. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';

let cluster: TestCluster;
let one: TestNode;
let two: TestNode;

beforeEach(async () => {
  cluster = new TestCluster();
  one = await cluster.join(1, { script: () => ({ durationMs: 500 }) });
  two = await cluster.join(2, { script: () => ({ durationMs: 500 }) });
});

afterEach(() => cluster.stop());

const task = (over: object) => ({ tasks: [{ ref: 'a', run: 'true', ...over }] });
const create = (name: string) => cluster.wait(one.node.api.createGroup(name));
const add = (group: string, ...members: string[]) => cluster.wait(one.node.api.addToGroup(group, members));
const ranOn = async (spec: Awaited<ReturnType<TestCluster['dispatch']>>) =>
  [...(await cluster.untilDone(spec)).values()].map(({ node }) => node);

test('all tasks of a target run on its nodes, and only there', async () => {
  await create('builders');
  await add('builders', two.id);
  expect(await ranOn(await cluster.dispatch(task({ target: 'builders', count: 10 })))).toEqual(Array(10).fill(two.id));
  expect(await ranOn(await cluster.dispatch(task({ target: one.id, count: 3 })))).toEqual(Array(3).fill(one.id));
});

test('one whose group has no live node waits, says why, and runs as soon as there is one', async () => {
  const { id } = await create('builders');
  const spec = await cluster.dispatch(task({ target: id }));
  await cluster.clock.advance(1_000);
  const { defaultProject } = one.node.snapshot().cluster;
  const view = await cluster.wait(one.node.api.task(defaultProject, cluster.task(spec)));
  expect(view).toMatchObject({
    state: 'waiting',
    why: { summary: 'target group builders: 0 of 2 nodes are members' },
  });
  await add('builders', one.id);
  expect(await ranOn(spec)).toEqual([one.id]);
});

test('one that waits on a node that leaves its group meanwhile runs elsewhere', async () => {
  const { id } = await create('builders');
  await add('builders', one.id);
  // It waits for a slot: every one of them is taken.
  const busy = await cluster.dispatch(task({ target: one.id, count: 4 }));
  await cluster.clock.until(() => cluster.running(busy).length === 4, 2_000, 'all slots are taken');
  const spec = await cluster.dispatch(task({ target: id }));
  await cluster.clock.advance(100);
  await add('builders', two.id);
  await cluster.wait(one.node.api.removeFromGroup('builders', [one.id]));
  expect(await ranOn(spec)).toEqual([two.id]);
});

test('a claim of one is refused when a group was written that this node has not heard of', async () => {
  const { id } = await create('builders');
  await add('builders', one.id);
  const groups = one.node.snapshot().groups.revision;
  // From here on the first node hears of no group.
  const { start } = cluster.keys.groups();
  one.store.plan = { delivery: (range) => (range.start === start ? { delayMs: 60_000 } : undefined) };
  await cluster.wait(two.node.api.addToGroup('builders', [two.id]));
  await cluster.wait(two.node.api.removeFromGroup('builders', [one.id]));
  expect(one.node.snapshot().groups.revision).toBe(groups);
  const spec = await cluster.dispatch(task({ target: id }), one);
  expect(await ranOn(spec)).toEqual([two.id]);
  expect(one.counts.get('boi_core_claim_conflicts_total')).toBeGreaterThan(0);
});

test('a task without one compares and writes what it did before there were groups', async () => {
  await create('builders');
  const compared: string[][] = [];
  const send = one.store.batch.bind(one.store);
  one.store.batch = (batch, options) => {
    compared.push(batch.compares.map(({ key }) => key));
    return send(batch, options);
  };
  const claims = () => compared.filter((keys) => keys.includes(cluster.keys.cluster()));
  await cluster.untilDone(await cluster.dispatch(task({ count: 10 })));
  await cluster.untilDone(await cluster.dispatch(task({ target: one.id })));
  const withGroups = claims().map((keys) => keys.includes(cluster.keys.groupsRev()));
  expect(withGroups.length).toBeGreaterThan(1);
  expect(withGroups.at(-1)).toBe(true);
  expect(withGroups.slice(0, -1).every((each) => !each)).toBe(true);
});
