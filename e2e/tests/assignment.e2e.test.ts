/** Where tasks go, and what becomes of them when the node they went to goes away. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import { effect, type NodeView, readEffect, type SpecView, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({
    nodes: 3,
    settingsOf: (n) => ({ label: n === 2 ? 'at=node-2,gpu=a100' : `at=node-${n}`, slots: '4' }),
  });
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));
const tasksOf = async (spec: string) => cluster.json<TaskView[]>(['task', 'list', spec]);
const nodeNamed = async (name: string) => cluster.json<NodeView>(['node', 'show', name]);

test('lands_on_capable_node: only one of three has the label, and there it completes within two seconds', async () => {
  keepOnFailure();
  const spec = await cluster.dispatch(
    { tasks: [{ ref: 'train', run: effect('train', 'capable'), requires: { gpu: 'a100' } }] },
    ['--wait'],
  );
  const [task] = await tasksOf(spec);
  expect(task).toMatchObject({ state: 'succeeded', node: { name: 'node-2' } });
  expect((await cluster.effects('capable')).map(readEffect)).toMatchObject([{ task: task?.id, node: task?.node?.id }]);
});

test('claim_is_fenced: it names the live session of its node, and its fence is the revision of the record', async () => {
  keepOnFailure();
  const spec = await cluster.dispatch({ tasks: [{ ref: 'hold', run: 'sleep 300' }] });
  const task = await until('it runs', async () => (await tasksOf(spec)).find(({ state }) => state === 'running'));
  const node = await cluster.json<NodeView>(['node', 'show', task.node?.id ?? '']);
  const [record] = await cluster.records(`/boi/queue/${node.id}/${task.id}`);
  expect(JSON.parse(record?.value ?? '{}')).toMatchObject({ claim: { epoch: node.epoch } });
  expect(record?.modRevision).toBe(task.fence);
  await cluster.boi(['spec', 'cancel', spec]);
});

test('non_capable_never_picked: twenty tasks, one capable node', async () => {
  keepOnFailure();
  const spec = await cluster.dispatch(
    { tasks: [{ ref: 'each', count: 20, run: effect('ran', 'twenty'), requires: { gpu: 'a100' } }] },
    ['--wait'],
  );
  const capable = await nodeNamed('node-2');
  const ran = (await cluster.effects('twenty')).map(readEffect);
  expect(new Set(ran.map(({ node }) => node))).toEqual(new Set([capable.id]));
  expect(ran).toHaveLength(20);
  expect((await tasksOf(spec)).every(({ node }) => node?.id === capable.id)).toBe(true);
});

test('distribution: 300 tasks over three equal nodes within a quarter of equal', async () => {
  keepOnFailure();
  await cluster.dispatch({ tasks: [{ ref: 'each', count: 300, run: effect('ran', 'many') }] }, ['--wait']);
  const ran = (await cluster.effects('many')).map(readEffect);
  expect(ran).toHaveLength(300);
  const nodes = new Set(ran.map(({ node }) => node));
  expect(nodes.size).toBe(3);
  for (const id of nodes) {
    const share = ran.filter(({ node }) => node === id).length;
    expect(share).toBeGreaterThanOrEqual(75);
    expect(share).toBeLessThanOrEqual(125);
  }
});

test('spread_dag: two tasks run in order on two nodes; a failed first one stops the second', async () => {
  keepOnFailure();
  const tasks = (first: string) => [
    { ref: 'first', run: first, requires: { at: 'node-1' } },
    { ref: 'second', run: effect('second', 'dag'), requires: { at: 'node-3' }, needs: ['first'] },
  ];
  const good = await cluster.dispatch({ tasks: tasks(effect('first', 'dag')) }, ['--wait']);
  expect((await cluster.effects('dag')).map((line) => readEffect(line).word)).toEqual(['first', 'second']);
  expect((await tasksOf(good)).map(({ node }) => node?.name)).toEqual(['node-1', 'node-3']);
  const bad = await cluster.dispatch({ tasks: tasks('exit 1') });
  expect((await cluster.try(['spec', 'wait', bad])).code).toBe(1);
  expect((await tasksOf(bad)).map(({ state }) => state)).toEqual(['failed', 'skipped']);
  expect(await cluster.effects('dag')).toHaveLength(2);
});

test('node_death_reassigns_or_waits: to a capable node; with none, it waits and says why', async () => {
  keepOnFailure();
  // Its first copy would run for ever.
  const run = `${effect('began', 'death')}; [ $(grep -c $BOI_TASK_ID /effects/death) -gt 1 ] || sleep 300`;
  const anywhere = await cluster.dispatch({
    tasks: [{ ref: 'anywhere', run, requires: { at: { in: ['node-2', 'node-3'] } } }],
  });
  const first = await until('it began', async () => (await cluster.effects('death')).map(readEffect)[0]);
  const holder = (await nodeNamed('node-2')).id === first.node ? 2 : 3;
  await cluster.node(holder).kill();
  await cluster.boi(['spec', 'wait', anywhere]);
  const second = (await cluster.effects('death')).map(readEffect)[1];
  expect(second?.node).toBe((await nodeNamed(holder === 2 ? 'node-3' : 'node-2')).id);
  await cluster.node(holder).start();
  await cluster.ready(cluster.node(holder));

  const only = await cluster.dispatch({
    tasks: [{ ref: 'only', run: `${effect('began', 'only')}; sleep 300`, requires: { gpu: 'a100' } }],
  });
  await until('it began', async () => (await cluster.effects('only')).length === 1);
  await cluster.node(2).kill();
  const waiting = await until('it waits', async () =>
    (await tasksOf(only)).find(({ state, why }) => state === 'waiting' && why !== undefined),
  );
  const { why } = await cluster.json<TaskView>(['task', 'show', waiting.id]);
  expect(why?.summary).toContain('gpu');
  await cluster.node(2).start();
  await until('it began again', async () => (await cluster.effects('only')).length === 2);
  await cluster.boi(['spec', 'cancel', only]);
  expect((await cluster.try(['spec', 'wait', only])).code).toBe(1);
  expect((await cluster.json<SpecView>(['spec', 'show', only])).state).toBe('cancelled');
});
