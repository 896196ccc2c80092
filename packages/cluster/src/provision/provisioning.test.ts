/** Provisioning with whole nodes: from tasks that no node is made for to a node that came, ran them and went. */
import type { NodeId, ProvisionId, TokenId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testNode } from '../testing/fixtures.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';
import { VirtualProvisioner, VirtualTokens } from '../testing/virtual-provisioner.ts';
import { REQUEST_LABEL } from './ports.ts';
import { provisionCodec } from './records.ts';

const gpu = { name: 's', tasks: [{ ref: 'a', run: 'true', requires: { gpu: { exists: true } } }] };
let cluster: TestCluster;
let plugin: VirtualProvisioner;

beforeEach(() => {
  cluster = new TestCluster({ provisionDeadlineMs: 20_000, provisionIdleMs: 30_000 });
  plugin = new VirtualProvisioner();
});

afterEach(() => cluster.stop());

const until = (condition: () => boolean | Promise<boolean>, limitMs: number, what: string) =>
  cluster.clock.until(condition, limitMs, what);
const called = (times: number, limitMs = 5_000) =>
  until(() => plugin.calls.length >= times, limitMs, `call ${times} of the provisioner`);
const removed = (times: number, limitMs: number) =>
  until(() => plugin.removals.length >= times, limitMs, `removal ${times}`);

/** The node of a request, as the plugin would start it. */
function nodeOf(id: ProvisionId, n: number, capabilities: object = { gpu: 'a100' }): Promise<TestNode> {
  return cluster.join(n, { capabilities: { os: 'linux', ...capabilities, [REQUEST_LABEL]: id } });
}

const keysBelow = async (prefix: string) => {
  const { kvs } = await cluster.store.range({ start: `/boi/${prefix}`, end: `/boi/${prefix}~` });
  return kvs.map(({ key, value }) => ({ key, value }));
};
const need = async () => {
  const [found] = await keysBelow('provision/');
  return found === undefined ? undefined : provisionCodec.decode(found.key, found.value);
};
const events = (kind: string) => cluster.nodes.flatMap((node) => node.events).filter((event) => event.kind === kind);
const why = async (answer: Parameters<TestCluster['task']>[0]) => {
  const node = cluster.nodes[0] as TestNode;
  const view = await cluster.wait(
    node.node.api.task(node.node.snapshot().cluster.defaultProject, cluster.task(answer)),
  );
  return view.why?.summary;
};

describe('tasks that no live node is made for', () => {
  test('have a node asked for within three seconds, once, whatever number of nodes could ask', async () => {
    for (const n of [1, 2, 3]) await cluster.join(n, { provisioner: { plugin } });
    await cluster.dispatch({ ...gpu, tasks: [{ ...gpu.tasks[0], count: 5 }] });
    await called(1, 3_000);
    const [wanted] = plugin.calls;
    expect(wanted).toMatchObject({
      requires: [{ key: 'gpu', op: 'exists', value: true }],
      slots: 1,
      tasks: 5,
      labels: { [REQUEST_LABEL]: wanted?.id },
    });
    expect(wanted?.bootstrap).toHaveLength(3);
    expect(wanted).not.toHaveProperty('token');
    await cluster.clock.advance(15_000);
    expect(plugin.calls).toHaveLength(1);
    expect(events('provision.requested')).toEqual([{ kind: 'provision.requested', request: wanted?.id, tasks: 5 }]);
  });

  test('run on the node that joins within two seconds of its joining; when it is idle it goes, and nothing is left', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    const answer = await cluster.dispatch(gpu);
    await called(1);
    expect(await why(answer)).toContain('asked for a node');
    const id = plugin.ids[0] as ProvisionId;
    const before = cluster.clock.mono();
    const node = await nodeOf(id, 2);
    await until(() => node.runner.witnesses.length === 1, 2_000, 'its task starts');
    expect(cluster.clock.mono() - before).toBeLessThan(2_000);
    await cluster.untilDone(answer);
    expect(events('provision.fulfilled')).toEqual([{ kind: 'provision.fulfilled', request: id, node: node.id }]);
    expect(await need()).toBeUndefined();
    plugin.remove = async () => {
      cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
      await node.node.stop({ drainMs: 0 });
    };
    await removed(1, 60_000);
    await until(async () => (await keysBelow('provisioned/')).length === 0, 30_000, 'its record is deleted');
    expect(await keysBelow('nodeconf/')).toEqual([]);
    expect(plugin.live.size).toBe(0);
  });

  test('are those of a provisioned node that died with them, too: another one is asked for (seed 530296)', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    const answer = await cluster.dispatch(gpu);
    await called(1);
    const first = await cluster.join(2, {
      capabilities: { gpu: 'a100', [REQUEST_LABEL]: plugin.ids[0] as ProvisionId },
      script: () => ({ durationMs: 3_600_000 }),
    });
    await until(() => first.runner.running.length === 1, 5_000, 'it runs');
    await until(async () => (await need()) === undefined, 10_000, 'the request is over');
    await cluster.crash(first);
    await called(2, 120_000);
    await nodeOf(plugin.ids[1] as ProvisionId, 3);
    const [result] = (await cluster.untilDone(answer)).values();
    expect(result).toMatchObject({ outcome: 'succeeded', delivery: 2 });
  });

  test('that are only waiting for a busy, cordoned or cooling node have none asked for', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    const other = await cluster.join(2, {
      capabilities: { gpu: 'a100' },
      slots: 1,
      script: () => ({ durationMs: 60_000 }),
    });
    await cluster.dispatch({ ...gpu, tasks: [{ ...gpu.tasks[0], count: 4 }] });
    await cluster.wait(other.node.api.cordon(other.id));
    await cluster.clock.advance(30_000);
    expect(plugin.calls).toEqual([]);
  });

  test('that may go to certain nodes only have none asked for', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    await cluster.dispatch({ ...gpu, tasks: [{ ...gpu.tasks[0], target: 'nobody' }] });
    await cluster.clock.advance(10_000);
    expect(plugin.calls).toEqual([]);
  });

  test('have none asked for while the cluster is paused', async () => {
    const one = await cluster.join(1, { provisioner: { plugin } });
    await cluster.wait(one.node.api.setPaused(true));
    await cluster.dispatch(gpu);
    await cluster.clock.advance(10_000);
    expect(plugin.calls).toEqual([]);
    await cluster.wait(one.node.api.setPaused(false));
    await called(1, 10_000);
  });
});

describe('a request', () => {
  test('that brings no node by its deadline is removed and made again; three in a row, and it is quiet for five minutes', async () => {
    const one = await cluster.join(1, { provisioner: { plugin } });
    const answer = await cluster.dispatch(gpu);
    await removed(3, 90_000);
    expect(plugin.ids).toHaveLength(3);
    expect(plugin.live.size).toBe(0);
    expect(events('provision.failed').map(({ reason, failures }) => [reason, failures])).toEqual([
      ['deadline', 1],
      ['deadline', 2],
      ['deadline', 3],
    ]);
    await until(async () => (await need())?.coolingUntil !== undefined, 1_000, 'it cools down');
    expect(await why(answer)).toMatch(/3 requests failed \(no node joined in time\), next in (5m|4m\d+s)$/);
    await cluster.clock.advance(290_000);
    expect(plugin.ids).toHaveLength(3);
    await called(4, 15_000);
    await nodeOf(plugin.ids[3] as ProvisionId, 2);
    await cluster.untilDone(answer);
    expect(await need()).toBeUndefined();
    expect(one.counts.get('boi_core_provision_requests_total')).toBe(4 + 3 + 1);
  });

  test('that is refused fails at once, and is removed too', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    plugin.ask = () => 'refused';
    await cluster.dispatch(gpu);
    await removed(3, 10_000);
    expect(events('provision.failed').map(({ reason }) => reason)).toEqual(['refused', 'refused', 'refused']);
  });

  test('whose node cannot run the tasks fails, and that node is removed', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    await cluster.dispatch(gpu);
    await called(1);
    await nodeOf(plugin.ids[0] as ProvisionId, 2, {});
    await removed(1, 5_000);
    expect(events('provision.failed')[0]).toMatchObject({ reason: 'incapable' });
  });

  test('whose call fails is called again with the same id until its deadline', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    plugin.ask = (_, call) => {
      if (call < 4) throw new Error('it is away');
      return 'begun';
    };
    await cluster.dispatch(gpu);
    await called(4, 12_000);
    expect(plugin.ids).toHaveLength(1);
  });

  test('is not followed by another before what it left is removed', async () => {
    await cluster.join(1, { provisioner: { plugin } });
    plugin.remove = () => Promise.reject(new Error('it cannot'));
    await cluster.dispatch(gpu);
    await called(1);
    await cluster.clock.advance(120_000);
    expect(plugin.ids).toHaveLength(1);
    plugin.remove = () => {};
    await called(2, 10_000);
  });

  test('goes on under the same id when the node that asked dies', async () => {
    for (const n of [1, 2]) await cluster.join(n, { provisioner: { plugin } });
    await cluster.dispatch(gpu);
    await called(1);
    const by = (await need())?.request?.by as NodeId;
    await cluster.crash(cluster.nodes.find(({ id }) => id === by) as TestNode);
    await called(2, 20_000);
    expect(plugin.ids).toHaveLength(1);
    expect((await need())?.request?.by).toBe(cluster.nodes[0]?.id);
    expect(events('provision.requested').length).toBeLessThanOrEqual(1);
  });

  test('goes on under the same id when the node that asked is started again, and keeps its failures', async () => {
    const one = await cluster.join(1, { provisioner: { plugin } });
    await cluster.dispatch(gpu);
    await removed(1, 40_000);
    await called(2);
    await cluster.crash(one);
    await cluster.clock.advance(20_000);
    await cluster.join(1, { provisioner: { plugin } });
    await until(async () => (await need())?.failures === 2, 30_000, 'the second fails');
    expect(plugin.ids).toHaveLength(2);
    await removed(3, 60_000);
    await until(async () => (await need())?.coolingUntil !== undefined, 5_000, 'it cools down');
  });
});

describe('on a secure cluster', () => {
  const tokenIds = [1, 2, 3, 4, 5].map((n) => `tok_01h000000000000000000000${n}0` as TokenId);

  test('only nodes with the admin capability ask', async () => {
    const tokens = new VirtualTokens([testNode(3)], tokenIds);
    for (const n of [1, 2, 3]) await cluster.join(n, { provisioner: { plugin, tokens } });
    await cluster.dispatch(gpu);
    await called(1);
    expect((await need())?.request?.by).toBe(testNode(3));
  });

  test('nobody asks when none has it', async () => {
    const tokens = new VirtualTokens([], tokenIds);
    await cluster.join(1, { provisioner: { plugin, tokens } });
    await cluster.dispatch(gpu);
    await cluster.clock.advance(10_000);
    expect(plugin.calls).toEqual([]);
  });

  test('a node is known by the token it joined with, not by what it says of itself', async () => {
    const tokens = new VirtualTokens([testNode(1)], tokenIds);
    await cluster.join(1, { provisioner: { plugin, tokens } });
    await cluster.dispatch(gpu);
    await called(1);
    expect(plugin.calls[0]?.token).toBe(`secret of ${tokenIds[0]}`);
    expect(JSON.stringify(await need())).not.toContain('secret');
    const id = plugin.ids[0] as ProvisionId;
    tokens.used.set(testNode(2), tokenIds[4] as TokenId);
    await nodeOf(id, 2, {});
    await cluster.clock.advance(3_000);
    expect(events('provision.failed')).toEqual([]);
    tokens.used.set(testNode(3), tokenIds[0] as TokenId);
    await nodeOf(id, 3);
    await until(() => events('provision.fulfilled').length === 1, 3_000, 'fulfilment');
    expect(events('provision.fulfilled')[0]).toMatchObject({ node: testNode(3) });
  });

  test('the tokens of a request that failed are revoked, and a node that goes is a member no more', async () => {
    const tokens = new VirtualTokens([testNode(1)], tokenIds);
    await cluster.join(1, { provisioner: { plugin, tokens } });
    await cluster.dispatch(gpu);
    await called(2, 40_000);
    expect(tokens.revoked).toEqual([tokenIds[0]]);
    tokens.used.set(testNode(2), tokenIds[1] as TokenId);
    const node = await nodeOf(plugin.ids[1] as ProvisionId, 2);
    await until(() => events('provision.fulfilled').length === 1, 3_000, 'fulfilment');
    await cluster.crash(node);
    await removed(2, 90_000);
    expect(tokens.expelled).toEqual([testNode(2)]);
  });
});

describe('a provisioned node', () => {
  async function fulfilled(): Promise<TestNode> {
    await cluster.join(1, { provisioner: { plugin } });
    await cluster.dispatch(gpu);
    await called(1);
    const node = await nodeOf(plugin.ids[0] as ProvisionId, 2);
    await until(() => events('provision.fulfilled').length === 1, 3_000, 'fulfilment');
    return node;
  }

  test('stays as long as it has work', async () => {
    const node = await fulfilled();
    for (let n = 0; n < 4; n++) {
      await cluster.clock.advance(20_000);
      await cluster.untilDone(await cluster.dispatch(gpu));
    }
    expect(plugin.removals).toEqual([]);
    expect(node.node.status().session).toBe('live');
  });

  test('that an operator wants to keep, keeps', async () => {
    const node = await fulfilled();
    let refuse = true;
    plugin.remove = () => (refuse ? Promise.reject(new Error('not now')) : Promise.resolve());
    const one = cluster.nodes[0] as TestNode;
    await until(() => one.node.snapshot().members.get(node.id)?.conf?.drain !== undefined, 60_000, 'its drain');
    await cluster.wait(one.node.api.uncordon(node.id));
    refuse = false;
    await cluster.untilDone(await cluster.dispatch(gpu));
    expect(plugin.removals).toEqual([]);
  });

  test('is looked after by the next when the node that asked for it is gone', async () => {
    const node = await fulfilled();
    const one = cluster.nodes[0] as TestNode;
    await cluster.join(3, { provisioner: { plugin } });
    await cluster.crash(one);
    plugin.remove = () => cluster.crash(node);
    await removed(1, 120_000);
    await until(async () => (await keysBelow('provisioned/')).length === 0, 30_000, 'its record is deleted');
  });
});

test('fsck knows the records, and tells what is wrong with them', async () => {
  const one = await cluster.join(1, { provisioner: { plugin } });
  await cluster.dispatch(gpu);
  await called(1);
  const check = async () => (await cluster.wait(one.node.api.fsck())).findings;
  expect(await check()).toEqual([]);
  const [found] = await keysBelow('provision/');
  const value = Buffer.from(found?.value ?? []).toString('utf8');
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key: '/boi/provision/other', value }] });
  expect(await check()).toMatchObject([{ kind: 'malformed-key', subject: '/boi/provision/other' }]);
});
