/**
 * Nodes that come when work needs them, and go when it does not. The provisioner is the one that starts further daemons on its
 * own host; it is on the admin node, and on another one, which may not mint tokens.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import { configure } from '../harness/plugins.ts';
import { DUD, JOIN, lateProvisioner, MADE, noted, provisioners } from '../harness/provisioners.ts';
import { effect, type NodeView, readEffect, type TaskView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

let cluster: Cluster;

/** A node starts in it on a busy machine, too. */
const DEADLINE = '60s';
/** Between a need and the first request for it, three times over. */
const ASKED_WITHIN_MS = 3_000;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2, settings: { 'provision-idle': '3s', 'provision-deadline': DEADLINE } });
  const provisioner = await provisioners(cluster);
  const makes = provisioner('makes', 'gpu=a100', JOIN);
  const duds = provisioner('duds', 'disk=big', DUD);
  const late = await lateProvisioner(cluster);
  await Promise.all([configure(cluster, 1, { makes, duds, late }), configure(cluster, 2, { makes })]);
  await cluster.ready(...cluster.nodes);
});

afterAll(() => cluster?.remove());

const keepOnFailure = () => onTestFailed(({ task }) => cluster.keep(task.name));

async function restart(n: number): Promise<void> {
  await cluster.node(n).stop();
  await cluster.node(n).start();
  await cluster.ready(cluster.node(n));
}

/** The admin node again, with this patience for the nodes it asked for. */
async function withDeadline(deadline: string): Promise<void> {
  await cluster.node(1).stop();
  await cluster.ready(await cluster.replace(1, { settings: { 'provision-deadline': deadline } }));
}

const needs = (label: string, value: string, file: string, count = 1) => ({
  tasks: [{ ref: 'each', count, run: effect('ran', file), requires: { [label]: value } }],
});
const inFlight = async () => (await noted(cluster)).flatMap(({ request }) => request ?? []);
const cools = async (label: string) =>
  (await noted(cluster)).find(({ coolingUntil, requires }) => coolingUntil && requires[0]?.key === label);
const asked = () => cluster.api.metric(cluster.node(1), 'boi_core_provision_requests_total', { outcome: 'requested' });
const nodes = () => cluster.json<NodeView[]>(['node', 'list']);
const adminId = async () => (await cluster.json<NodeView>(['node', 'show', 'node-1'])).id;
const why = async (spec: string) => {
  const [task] = await cluster.json<TaskView[]>(['task', 'list', spec]);
  return (await cluster.json<TaskView>(['task', 'show', task?.id ?? ''])).why?.summary ?? '';
};
/** What hosts keep of nodes that they made, and the processes of these. */
const made = async () => {
  const look = `ls -d ${MADE}/*/* 2>/dev/null; grep -l BOI_PROVISION_REQUEST /proc/[0-9]*/environ 2>/dev/null`;
  const seen = await Promise.all([1, 2].map((n) => cluster.node(n).exec(['sh', '-c', look])));
  return seen.flatMap(({ stdout }) => stdout.split('\n')).filter(Boolean);
};
/** Nothing is asked for, no node that was made is there. */
const settled = () =>
  until('what was made is gone', async () => {
    const left = [...(await cluster.records('/boi/provisioned/')), ...(await inFlight()), ...(await made())];
    return left.length === 0;
  });
/** Who belongs to the cluster and what is asked for, by key. */
const standing = async () => {
  const kinds = ['members', 'memberkeys', 'nodes', 'nodeconf', 'provision', 'provisioned', 'queue'];
  const records = await Promise.all(kinds.map((kind) => cluster.records(`/boi/${kind}/`)));
  return records.flat().map(({ key }) => key);
};

test('no_capable_triggers_request: within three seconds, and until its node has joined exactly one is in flight', async () => {
  keepOnFailure();
  const before = await asked();
  const spec = await cluster.dispatch(needs('gpu', 'a100', 'wanted', 3));
  await until('a node is asked for', async () => (await inFlight()).length > 0, ASKED_WITHIN_MS);
  // Another spec with the same need asks for no other node.
  const second = await cluster.dispatch(needs('gpu', 'a100', 'wanted', 2));
  const seen: string[][] = [];
  await until('all have run', async () => {
    seen.push((await inFlight()).map(({ id }) => id));
    return (await cluster.effects('wanted')).length === 5;
  });
  await cluster.boi(['spec', 'wait', spec, second]);
  const [id] = seen[0] ?? [];
  for (const requests of seen.filter(({ length }) => length > 0)) expect(requests).toEqual([id]);
  expect(await asked()).toBe(before + 1);
  await settled();
});

test('new_node_joins_and_claims: it runs the task within a minute, goes when it is idle, and leaves nothing', async () => {
  keepOnFailure();
  const before = { nodes: (await nodes()).map(({ id }) => id), keys: await standing() };
  const beganMs = performance.now();
  const spec = await cluster.dispatch(needs('gpu', 'a100', 'joined'), ['--wait']);
  expect(performance.now() - beganMs).toBeLessThan(60_000);
  const [task] = await cluster.json<TaskView[]>(['task', 'list', spec]);
  expect(task).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(before.nodes).not.toContain(task?.node?.id);
  expect((await cluster.effects('joined')).map(readEffect)).toMatchObject([{ task: task?.id, node: task?.node?.id }]);
  expect(await made()).not.toEqual([]);
  await settled();
  expect((await nodes()).map(({ id }) => id)).toEqual(before.nodes);
  expect(await standing()).toEqual(before.keys);
});

test('token_is_admin_gated: without the admin node nothing is asked for; with it, by it, with a token of its own making', async () => {
  keepOnFailure();
  const tokens = async () =>
    (await cluster.records('/boi/tokens/')).map(({ key, modRevision }) => `${key} ${modRevision}`);
  const before = await tokens();
  const admin = await adminId();
  await cluster.node(1).stop();
  let spec: string;
  try {
    spec = await cluster.dispatch(needs('gpu', 'a100', 'gated'));
    await until('it waits for a node', async () => (await why(spec)).includes('lacks gpu'));
    // The other node has the same plugin. No event tells that something does not happen.
    const endMs = performance.now() + ASKED_WITHIN_MS;
    while (performance.now() < endMs) {
      expect(await inFlight()).toEqual([]);
      await delay(100);
    }
    expect(await tokens()).toEqual(before);
    expect(await cluster.effects('gated')).toEqual([]);
  } finally {
    await cluster.node(1).start();
    await cluster.ready(cluster.node(1));
  }
  const request = await until('a node is asked for', async () => (await inFlight())[0]);
  expect(request.by).toBe(admin);
  await cluster.boi(['spec', 'wait', spec]);
  const audit = await cluster.json<{ what: string; subject?: string; actor: object }[]>(['cluster', 'audit']);
  const minted = audit.filter(({ what, subject }) => what === 'token.create' && subject === request.tokens[0]);
  expect(minted).toMatchObject([{ actor: { kind: 'node', id: admin } }]);
  await settled();
});

test('saturated_queue_is_not_no_capacity: work that waits for a slot is queued on capable nodes, and no node is asked for', async () => {
  keepOnFailure();
  const before = await asked();
  const run = `${effect('ran', 'busy')}; sleep 0.5`;
  const spec = await cluster.dispatch({ tasks: [{ ref: 'each', count: 32, run, requires: { at: 'node-2' } }] });
  const seen: unknown[] = [];
  await until('all have run', async () => {
    const { unassigned = 0 } = await cluster.json<{ unassigned?: number }>(['cluster', 'status']);
    seen.push(...(await inFlight()), ...(unassigned > 0 ? [`${unassigned} unassigned`] : []));
    return (await cluster.effects('busy')).length === 32;
  });
  await cluster.boi(['spec', 'wait', spec]);
  expect(seen).toEqual([]);
  expect(await asked()).toBe(before);
});

test('no_join_cools_down: three that never join are removed one by one; then none is asked for, also after a restart', async () => {
  keepOnFailure();
  await withDeadline('3s');
  try {
    const spec = await cluster.dispatch(needs('disk', 'big', 'never'));
    await until('it cools down', () => cools('disk'));
    expect(await why(spec)).toMatch(/; 3 requests failed \(no node joined in time\), next in (5m|4m\d+s)$/);
    const three = await cluster.effects('duds');
    expect(new Set(three).size).toBe(3);
    expect(three).toHaveLength(3);
    expect(await made()).toEqual([]);
    expect(await asked()).toBe(3);
    await restart(1);
    expect(await why(spec)).toMatch(/; 3 requests failed \(no node joined in time\), next in 4m\d+s$/);
    const endMs = performance.now() + 2 * ASKED_WITHIN_MS;
    while (performance.now() < endMs) {
      expect(await cluster.effects('duds')).toEqual(three);
      await delay(100);
    }
    expect(await asked()).toBe(0);
    await cluster.boi(['spec', 'cancel', spec]);
  } finally {
    await withDeadline(DEADLINE);
  }
});

test('no_join_cools_down: one that joins starts the count anew', async () => {
  keepOnFailure();
  const requests = async () => new Set(await cluster.effects('late')).size;
  // Two are refused, the third is seen to.
  const first = await cluster.dispatch(needs('net', 'fast', 'third'), ['--wait']);
  expect(await requests()).toBe(3);
  expect((await cluster.json<TaskView[]>(['task', 'list', first]))[0]).toMatchObject({ state: 'succeeded' });
  await settled();
  // It takes three more to fail, not one.
  const next = await cluster.dispatch(needs('net', 'fast', 'third'));
  const cooling = await until('it cools down', () => cools('net'));
  expect(cooling.failures).toBe(3);
  expect(await requests()).toBe(6);
  await cluster.boi(['spec', 'cancel', next]);
});
