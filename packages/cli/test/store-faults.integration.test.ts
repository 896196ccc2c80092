/**
 * What happens between the daemons and etcd, as rows of the failure table: answers that get lost, watches that are cut or
 * whose history is gone, etcd restarted, a dispatcher and a coordinator that die, and the whole cluster started anew.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, seconds } from './support/figures.ts';
import type { NodeProcess } from './support/node-process.ts';
import { until } from './support/until.ts';
import { Witness } from './support/witness.ts';

let cluster: Cluster;
let far: NodeProcess;
beforeAll(async () => {
  // Longer than the shortest: a node must be deaf for a while without losing its session.
  cluster = await Cluster.start({ proxied: true, slots: 4, settings: { 'session-ttl': '5s' } });
  far = cluster.nodes[2] as NodeProcess;
}, START_WITHIN_MS);
afterAll(() => cluster?.stop());
afterEach(async () => {
  await cluster.restore();
  expect(await cluster.findings()).toEqual([]);
});

let files = 0;
function fresh(): { witness: Witness; flag: string; untilFlag: string } {
  files += 1;
  const flag = join(cluster.dir, `flag-${files}`);
  return {
    witness: new Witness(join(cluster.dir, `witness-${files}`)),
    flag,
    untilFlag: `until [ -e ${flag} ]; do sleep 0.05; done`,
  };
}

const unknown = (node: NodeProcess) => node.metric('boi_core_store_requests_total', 'outcome="unknown"');

/** Its requests arrive and no answer comes back, until `healed`. */
function deafen(node: NodeProcess): void {
  cluster.proxy(node).set('swallow', 'to-client');
}

function heal(node: NodeProcess): void {
  cluster.proxy(node).set('flow');
  cluster.proxy(node).cut();
}

/** Each task of the spec has made the effect of its result once, and no claim made one twice. */
async function expectWitnessed(witness: Witness, spec: string): Promise<void> {
  const ends = witness.lines('end');
  for (const task of await cluster.tasks(spec)) {
    const own = ends.filter(({ task: id }) => id === task.id);
    expect(
      own.filter(({ fence }) => fence === task.fence),
      `${task.ref}: the effect of its result`,
    ).toHaveLength(1);
    expect(new Set(own.map(({ fence }) => fence)).size, `${task.ref}: a claim, an effect`).toBe(own.length);
  }
}

describe('an answer of etcd is lost', () => {
  test('to a dispatch: it is accepted once, wherever the connection is cut, and the caller is told so', async () => {
    const before = await unknown(far);
    const LOST_MIN = 3;
    const dispatch = (key: string) =>
      fetch(`${far.url}/v1/projects/default/specs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          source: JSON.stringify({ name: key, tasks: ['a', 'b'].map((ref) => ({ ref, run: 'true' })) }),
          format: 'json',
          idempotencyKey: key,
        }),
      });
    let lost = 0;
    let rounds = 0;
    let refused = 0;
    for (; lost < LOST_MIN && rounds < 100; rounds++) {
      const key = `cut-${rounds}`;
      cluster.proxy(far).cutAfter(20 + 15 * rounds);
      const { id } = await until('it is accepted', async () => {
        const answer = await dispatch(key);
        if (answer.status === 201) return (await answer.json()) as { id: string };
        refused++;
        expect(answer.status).toBe(503);
        return false;
      });
      const found = await cluster.client.call('spec.list', { params: { prj: 'default' }, query: { name: key } });
      expect(found.items.map((spec) => spec.id)).toEqual([id]);
      lost = (await unknown(far)) - before;
    }
    cluster.proxy(far).cutAfter(Number.POSITIVE_INFINITY);
    figure('dispatches through cuts', `${rounds}, ${lost} writes without an answer, ${refused} refused with 503`);
    expect(lost).toBeGreaterThanOrEqual(LOST_MIN);
  });

  test('to a claim: the node finds its own claim and runs the task once', async () => {
    const { witness } = fresh();
    const before = await unknown(far);
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'work',
          requires: { at: far.name },
          retries: { max: 1, backoff: '2s' },
          run: `${witness.says('begin')}; [ $BOI_ATTEMPT -eq 2 ] && ${witness.says('end')}`,
        },
      ],
    });
    await cluster.taskThat(`${spec}/work`, 'waits for its second attempt', ({ attempt }) => attempt === 2);
    await until('its node knows of it', async () => (await far.metric('boi_core_tasks', 'state="queued"')) === 1);
    deafen(far);
    const { deliveries } = await cluster.taskThat(`${spec}/work`, 'is claimed', ({ claimedAt, attempt }) => {
      return attempt === 2 && claimedAt !== undefined;
    });
    heal(far);
    expect(deliveries).toBe(1);
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    expect(await unknown(far), 'an answer was lost').toBeGreaterThan(before);
    const second = witness.lines('begin').filter(({ attempt }) => attempt === 2);
    expect(second).toHaveLength(1);
    expect(await cluster.task(`${spec}/work`)).toMatchObject({ attempt: 2, deliveries: 1, fence: second[0]?.fence });
  });

  test('to a commit: the result stands, and is neither dropped nor written again', async () => {
    const { witness, flag, untilFlag } = fresh();
    const [before, superseded] = [await unknown(far), await far.metric('boi_core_superseded_total')];
    const spec = await cluster.dispatch({
      tasks: [{ ref: 'work', requires: { at: far.name }, run: `${untilFlag}; ${witness.says('end')}` }],
    });
    await cluster.taskIn(`${spec}/work`, 'running');
    deafen(far);
    writeFileSync(flag, '');
    const { fence } = await cluster.taskIn(`${spec}/work`, 'succeeded');
    heal(far);
    await until('it is settled there', async () => (await far.metric('boi_core_tasks', 'state="ended"')) === 0);
    expect(await unknown(far), 'an answer was lost').toBeGreaterThan(before);
    expect(await far.metric('boi_core_superseded_total')).toBe(superseded);
    expect(witness.lines('end').map((line) => line.fence)).toEqual([fence]);
  });
});

describe('a watch', () => {
  const TASKS = 60;

  /** Hands the node work while it cannot see etcd; `back` is how it comes to see it again. */
  async function meanwhile(back: () => Promise<void>): Promise<void> {
    const { witness } = fresh();
    cluster.proxy(far).refuse();
    const { id } = await cluster.client.call('spec.dispatch', {
      params: { prj: 'default' },
      body: {
        source: JSON.stringify({
          tasks: [{ ref: 'work', count: TASKS, requires: { at: far.name }, run: witness.says('end') }],
        }),
        format: 'json',
      },
    });
    await until('all have their records', async () => (await cluster.spec(id)).dispatched === TASKS);
    await back();
    expect(await cluster.ended(id)).toMatchObject({ state: 'succeeded', counts: { succeeded: TASKS } });
    await expectWitnessed(witness, id);
    expect(witness.lines('end')).toHaveLength(TASKS);
    expect(await far.metric('boi_core_watch_repairs_total')).toBe(0);
  }

  test('that is cut again and again while it catches up misses nothing', async () => {
    await meanwhile(async () => {
      const proxy = cluster.proxy(far);
      for (const bytes of [200, 1_000, 3_000, 9_000]) {
        const connected = proxy.nextConnection();
        proxy.cutAfter(bytes);
        proxy.accept();
        await connected;
      }
      proxy.cutAfter(Number.POSITIVE_INFINITY);
    });
  });

  test('whose history was compacted away meanwhile is begun anew, and nothing is missed', async () => {
    const lost = await far.metric('boi_core_store_watches_lost_total', 'compacted').catch(() => 0);
    await meanwhile(async () => {
      const { store } = await cluster.client.call('cluster.show', {});
      const compacted = await fetch(`${cluster.etcd.endpoint}/v3/kv/compaction`, {
        method: 'POST',
        body: JSON.stringify({ revision: store?.revision, physical: true }),
      });
      expect(compacted.status).toBe(200);
      cluster.proxy(far).accept();
    });
    expect(await far.metric('boi_core_store_watches_lost_total', 'compacted')).toBeGreaterThan(lost);
  });
});

describe('etcd is killed and started again', () => {
  test('what runs goes on, and every result is committed once', async () => {
    const { witness } = fresh();
    // Of different lengths: tasks that run in step would all have ended when etcd is killed after some did.
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'work', count: 40, run: `${witness.says('begin')}; sleep 0.$((3 + $$ % 7)); ${witness.says('end')}` },
        { ref: 'merge', needs: 'work', run: witness.says('end') },
      ],
    });
    await until('some have ended', () => witness.lines('end').length >= 8);
    await cluster.etcd.kill();
    const before = witness.lines('end').length;
    await until('some end while it is away', () => witness.lines('end').length > before + 2);
    await cluster.etcd.start();
    const startedAt = performance.now();
    await until('the nodes answer again', () => cluster.spec(spec).catch(() => false as const));
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 41 } });
    figure('after a restart of etcd, until the work that was left has ended', seconds(performance.now() - startedAt));
    await expectWitnessed(witness, spec);
  });
});

describe('a node dies', () => {
  test('that was handing out a large spec: another one goes on, and every task has one record', async () => {
    const tasks = 4_000;
    const [dispatcher, other] = cluster.nodes as [NodeProcess, NodeProcess];
    const shell = await cluster.shellOf('at-the-other', other);
    await shell.ok(['cluster', 'pause']);
    const answer = await fetch(`${dispatcher.url}/v1/projects/default/specs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        source: JSON.stringify({ tasks: [{ ref: 'work', count: tasks, run: ['true'] }] }),
        format: 'json',
      }),
    });
    const { id } = (await answer.json()) as { id: string };
    await until('it has begun', async () => (await cluster.spec(id)).dispatched > 0);
    await dispatcher.kill();
    const { dispatched } = await cluster.spec(id);
    expect(dispatched, 'killed in the middle').toBeLessThan(tasks);
    const killedAt = performance.now();
    await until('all have their records', async () => (await cluster.spec(id)).dispatched === tasks, 60_000);
    figure(
      `a dispatcher killed after ${dispatched} of ${tasks} tasks; all handed out`,
      seconds(performance.now() - killedAt),
    );
    const report = await cluster.client.call('cluster.fsck', { timeoutMs: 60_000 });
    expect(report).toMatchObject({ findings: [], records: { queued: tasks, blocked: 0, results: expect.anything() } });
  });

  test('that coordinates a spec: the next one goes on, and what is released is released once', async () => {
    const { witness, flag, untilFlag } = fresh();
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'a', count: 6, run: `${untilFlag}; ${witness.says('end')}` },
        { ref: 'b', count: 6, needs: 'a', run: `${witness.says('begin')}; ${witness.says('end')}` },
        { ref: 'c', needs: 'b', run: `${witness.says('begin')}; ${witness.says('end')}` },
      ],
    });
    await until('all of the first run', async () => {
      return (await cluster.tasks(spec)).filter(({ state }) => state === 'running').length === 6;
    });
    const coordinator = cluster.node((await cluster.spec(spec)).coordinator);
    writeFileSync(flag, '');
    await until('the first have ended', () => witness.lines('end').length >= 3);
    await coordinator.kill();
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 13 } });
    expect((await cluster.spec(spec)).coordinator).not.toBe(coordinator.id);
    await expectWitnessed(witness, spec);
    for (const task of await cluster.tasks(spec)) {
      const begins = witness.lines('begin').filter((line) => line.task === task.id).length;
      expect(begins, `${task.ref}: not begun more often than delivered`).toBeLessThanOrEqual(task.deliveries ?? 0);
      expect(task.attempt).toBe(1);
    }
  });
});

describe('the whole cluster', () => {
  test('etcd and all nodes killed, and started in another order: the work goes on where it was', async () => {
    const { witness, flag, untilFlag } = fresh();
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'first', count: 4, run: witness.says('end') },
        { ref: 'hangs', count: 4, run: `${untilFlag}; ${witness.says('end')}` },
        { ref: 'last', needs: ['first', 'hangs'], run: witness.says('end') },
      ],
    });
    await until('the first have ended', async () => (await cluster.spec(spec)).counts.succeeded === 4);
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await cluster.etcd.kill();
    expect(existsSync(flag)).toBe(false);
    await cluster.etcd.start();
    for (const node of [...cluster.nodes].reverse()) await node.start();
    writeFileSync(flag, '');
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 9 } });
    await expectWitnessed(witness, spec);
    expect(witness.lines('end')).toHaveLength(9);
  });
});
