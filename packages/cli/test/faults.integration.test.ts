/**
 * Nodes that are killed, stopped, restarted and cut off from etcd, as rows of the failure table: real processes, a real
 * etcd, and a file outside the cluster in which tasks witness what they did.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, seconds } from './support/figures.ts';
import { type NodeProcess, SESSION_TTL_MS } from './support/node-process.ts';
import { taskProcesses } from './support/processes.ts';
import { until } from './support/until.ts';
import { Witness } from './support/witness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ proxied: true });
}, START_WITHIN_MS);
afterAll(() => cluster?.stop());
afterEach(async () => {
  await cluster.restore();
  expect(await cluster.findings()).toEqual([]);
});

let witnesses = 0;
function newWitness(): Witness {
  witnesses += 1;
  return new Witness(join(cluster.dir, `witness-${witnesses}`));
}

/** Whether another copy of this task lives on the host as it starts: a line `double` then. */
function noticesDouble(witness: Witness): string {
  return `for e in $(grep -lsz "^BOI_TASK_ID=$BOI_TASK_ID$" /proc/[0-9]*/environ); do
    f=$(tr '\\0' '\\n' < "$e" 2>/dev/null | sed -n 's/^BOI_FENCE=//p')
    [ "\${f:-$BOI_FENCE}" = "$BOI_FENCE" ] || { ${witness.says('double')}; break; }; done 2>/dev/null`;
}

/** The node that runs most tasks of the spec, once all its slots are taken or all tasks run. */
async function busiest(spec: string, running: number): Promise<{ node: NodeProcess; tasks: readonly string[] }> {
  const tasks = await until(`${running} tasks run`, async () => {
    const now = (await cluster.tasks(spec)).filter(({ state }) => state === 'running');
    return now.length >= running && now;
  });
  const counts = new Map<string, string[]>();
  for (const { id, node } of tasks) counts.set(String(node?.id), [...(counts.get(String(node?.id)) ?? []), id]);
  const [id, held] = [...counts].sort((a, b) => b[1].length - a[1].length)[0] as [string, string[]];
  return { node: cluster.node(id), tasks: held };
}

describe('a node is killed', () => {
  test('its tasks run elsewhere, each has one result, and nothing of it is left', async () => {
    const witness = newWitness();
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'work', count: 12, run: `${witness.says('begin')}; sleep 2.5; ${witness.says('end')}` },
        { ref: 'merge', needs: 'work', run: witness.says('merge') },
      ],
    });
    const { node, tasks } = await busiest(spec, 4);
    const begun = () => new Set(witness.lines('begin').map(({ task }) => task));
    await until('what it holds has begun', () => tasks.every((task) => begun().has(task)));
    await node.kill();
    const killedAt = performance.now();
    const before = witness.lines('begin').length;
    await node.gone(2_000);
    const again = () =>
      new Set(
        witness
          .lines('begin')
          .slice(before)
          .map(({ task }) => task),
      );
    await until('its tasks are in other queues', async () =>
      (await cluster.tasks(spec)).every(({ id, node: owner }) => !tasks.includes(id) || owner?.id !== node.id),
    );
    const movedMs = performance.now() - killedAt;
    await until('one of its tasks begins elsewhere', () => tasks.some((task) => again().has(task)));
    const firstMs = performance.now() - killedAt;
    await until('all of them have', () => tasks.every((task) => again().has(task)));
    const lastMs = performance.now() - killedAt;
    figure('takeover after SIGKILL, TTL 3 s, all in other queues', seconds(movedMs));
    figure('begun again, behind two rounds of other tasks, first and last', `${seconds(firstMs)}, ${seconds(lastMs)}`);
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 13 } });
    for (const task of await cluster.tasks(spec)) {
      const word = task.ref === 'merge' ? 'merge' : 'end';
      const own = witness.lines(word).filter((line) => line.task === task.id);
      expect(
        own.filter((line) => line.fence === task.fence),
        `${task.ref}: the effect of its result`,
      ).toHaveLength(1);
      expect(task.attempt, `${task.ref}: a lost node is no failed attempt`).toBe(1);
      if (!tasks.includes(task.id)) expect(own, `${task.ref}: effects`).toHaveLength(1);
    }
    expect((await cluster.shell.run(['cluster', 'fsck'])).code).toBe(0);
  });

  test.each([
    ['its guard ends what ran', false],
    ['its guard is killed as well, and the next life ends what ran', true],
  ])('and restarted at once: the same node, and no copy beside an older one; %s', async (_, guardToo) => {
    const witness = newWitness();
    const target = cluster.nodes[0] as NodeProcess;
    const { id } = target;
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'work',
          count: 2,
          requires: { at: target.name },
          // The first copy does not end by itself, the next one at once.
          run: `${noticesDouble(witness)}; ${witness.says('begin')}
            [ "$(grep -c "begin $BOI_TASK_ID" '${witness.path}')" -gt 1 ] || sleep 300; ${witness.says('end')}`,
        },
      ],
    });
    await until('both tasks run', () => witness.lines('begin').length === 2);
    const guard = guardOf(target.pid);
    target.pause();
    if (guardToo) process.kill(guard, 'SIGKILL');
    await target.kill();
    if (guardToo) expect(taskProcesses({ node: id }).length).toBeGreaterThan(0);
    await target.start();
    expect(target.id).toBe(id);
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 2 } });
    expect(witness.lines('double')).toEqual([]);
    expect(witness.lines('begin')).toHaveLength(4);
    expect(witness.lines('end')).toHaveLength(2);
    for (const task of await cluster.tasks(spec)) expect(task).toMatchObject({ attempt: 1, node: { id } });
  });
});

describe('a node is stopped beyond its TTL and goes on', () => {
  test('what was taken over is refused as superseded; it takes work again without a restart', async () => {
    const witness = newWitness();
    const spec = await cluster.dispatch({
      tasks: [{ ref: 'work', run: `${witness.says('begin')}; sleep 2; ${witness.says('end')}` }],
    });
    const { node } = await cluster.taskIn(`${spec}/work`, 'running');
    const stopped = cluster.node(node?.id);
    const superseded = await stopped.metric('boi_core_superseded_total');
    stopped.pause();
    const stoppedAt = performance.now();
    try {
      const ended = await cluster.ended(spec);
      expect(ended).toMatchObject({ state: 'succeeded' });
      await until('both copies have had their effect', () => witness.lines('end').length === 2);
      await until('three times its TTL are over', () => performance.now() - stoppedAt > 3 * SESSION_TTL_MS);
    } finally {
      stopped.resume();
    }
    await until(
      'the late commit is refused',
      async () => (await stopped.metric('boi_core_superseded_total')) > superseded,
    );
    await stopped.ready();
    const task = await cluster.task(`${spec}/work`);
    expect(task.node?.id).not.toBe(stopped.id);
    expect(witness.lines('end').filter(({ fence }) => fence === task.fence)).toHaveLength(1);
    const again = await cluster.dispatch({
      tasks: [{ ref: 'work', requires: { at: stopped.name }, run: witness.says('again') }],
    });
    expect(await cluster.ended(again)).toMatchObject({ state: 'succeeded' });
    expect(witness.lines('again')).toHaveLength(1);
  });

  test('what nobody could take over is committed late, and was run once', async () => {
    const witness = newWitness();
    const stopped = cluster.nodes[1] as NodeProcess;
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'work',
          requires: { at: stopped.name },
          run: `${witness.says('begin')}; sleep 1; ${witness.says('end')}`,
        },
      ],
    });
    await until('it runs', () => witness.lines('begin').length === 1);
    stopped.pause();
    const stoppedAt = performance.now();
    try {
      await until('its session is over and the others know', async () => {
        const { items } = await cluster.client.call('node.list', {});
        return items.find(({ id }) => id === stopped.id)?.state === 'dead';
      });
      await until('three times its TTL are over', () => performance.now() - stoppedAt > 3 * SESSION_TTL_MS);
      expect((await cluster.task(`${spec}/work`)).state).not.toBe('succeeded');
    } finally {
      stopped.resume();
    }
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    expect(witness.lines('begin')).toHaveLength(1);
    expect((await cluster.task(`${spec}/work`)).fence).toBe(witness.lines('end')[0]?.fence);
  });
});

describe('an exclusive task', () => {
  test.each([
    ['its node is stopped', (node: NodeProcess) => node.pause(), (node: NodeProcess) => node.resume()],
    [
      'its node is cut off from etcd',
      (node: NodeProcess) => cluster.proxy(node).set('swallow'),
      (node: NodeProcess) => {
        cluster.proxy(node).set('flow');
        cluster.proxy(node).cut();
      },
    ],
  ])('has ended here before it begins elsewhere when %s', async (_, part, join) => {
    const witness = newWitness();
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'work',
          exclusive: true,
          grace: '1m',
          // Deaf to TERM: only KILL ends the older copy. The newer one ends as soon as it is there.
          run: `${noticesDouble(witness)}; ${witness.says('begin')}; trap '' TERM
            [ "$(grep -c begin '${witness.path}')" -eq 1 ] || exit 0
            while :; do ${witness.says('alive')}; sleep 0.05; done`,
        },
      ],
    });
    await until('it runs', () => witness.lines('alive').length > 0);
    const holder = cluster.node((await cluster.task(`${spec}/work`)).node?.id);
    part(holder);
    try {
      expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    } finally {
      join(holder);
    }
    expect(witness.lines('double')).toEqual([]);
    const words = witness.lines().map(({ word }) => word);
    expect(words.filter((word) => word === 'begin')).toHaveLength(2);
    expect(words.at(-1)).toBe('begin');
  });
});

/** Nothing arrives and nothing comes back, as behind a dead switch; or every connection is refused, as behind a firewall. */
const PARTITIONS = [
  [
    'swallows everything',
    {
      cut: (node: NodeProcess) => cluster.proxy(node).set('swallow'),
      heal: (node: NodeProcess) => {
        cluster.proxy(node).set('flow');
        // What was sent into the hole is gone: no connection from before is of use.
        cluster.proxy(node).cut();
      },
    },
  ],
  [
    'refuses every connection',
    {
      cut: (node: NodeProcess) => cluster.proxy(node).refuse(),
      heal: (node: NodeProcess) => cluster.proxy(node).accept(),
    },
  ],
] as const;

describe.each(PARTITIONS)('the way of one node to etcd %s', (how, { cut: part, heal }) => {
  test('for less than its lease: what ends meanwhile is committed, and nobody else has run it', async () => {
    const witness = newWitness();
    const node = cluster.nodes[2] as NodeProcess;
    const flag = `${witness.path}-go-on`;
    const [lost, superseded] = [
      node.log.filter(({ msg }) => msg.includes('session is lost')).length,
      await node.metric('boi_core_superseded_total'),
    ];
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'work',
          requires: { at: node.name },
          run: `${witness.says('begin')}; until [ -e '${flag}' ]; do sleep 0.05; done; ${witness.says('end')}`,
        },
      ],
    });
    await until('it runs', () => witness.lines('begin').length === 1);
    part(node);
    const cutAt = performance.now();
    writeFileSync(flag, '');
    await until('it has ended', () => witness.lines('end').length === 1);
    await until('a third of a lease is over', () => performance.now() - cutAt > SESSION_TTL_MS / 3);
    heal(node);
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    figure(`cut off (${how}) for`, seconds(performance.now() - cutAt));
    const sessions = node.log.filter(({ msg }) => msg.includes('session is lost')).length - lost;
    figure('sessions lost by it', String(sessions));
    expect(witness.lines('begin')).toHaveLength(1);
    expect((await cluster.task(`${spec}/work`)).fence).toBe(witness.lines('end')[0]?.fence);
    expect(await node.metric('boi_core_superseded_total')).toBe(superseded);
  });

  test('for longer: it finishes what runs, refuses what is new, and commits when it can', async () => {
    const witness = newWitness();
    const cut = cluster.nodes[2] as NodeProcess;
    const alone = await cluster.shellOf(`alone-${witnesses}`, cut);
    const both = await cluster.shellOf(`both-${witnesses}`, cut, cluster.nodes[0] as NodeProcess);
    const flag = `${witness.path}-go-on`;
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'work',
          requires: { at: cut.name },
          run: `${witness.says('begin')}; until [ -e '${flag}' ]; do sleep 0.1; done; ${witness.says('end')}`,
        },
      ],
    });
    await until('it runs', () => witness.lines('begin').length === 1);
    part(cut);
    try {
      const small = { source: '{"tasks":[{"ref":"a","run":"true"}]}', format: 'json' };
      const asked = performance.now();
      const answer = await fetch(`${cut.url}/v1/projects/default/specs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(small),
      });
      const tookMs = performance.now() - asked;
      figure(`503 of a node whose way to etcd ${how}, first dispatch`, seconds(tookMs));
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(tookMs).toBeLessThan(3_000);
      const refused = await alone.run(['spec', 'dispatch', '-'], small.source);
      expect(refused).toMatchObject({ code: 3, stdout: '' });
      const elsewhere = await both.run(['spec', 'dispatch', '-', '--wait'], small.source);
      figure('the same dispatch by a shell that knows another node too, with --wait', seconds(elsewhere.tookMs));
      expect(elsewhere, elsewhere.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/^spc_\w+\n$/) });
      await until('it knows that its session is over', async () => (await fetch(`${cut.url}/readyz`)).status === 503);
      expect(witness.lines('end')).toEqual([]);
      await until(
        'the others know',
        async () => {
          const { items } = await cluster.client.call('node.list', {});
          return items.find(({ id }) => id === cut.id)?.state === 'dead';
        },
        4 * SESSION_TTL_MS,
      );
      writeFileSync(flag, '');
      await until('it ends while etcd is away', () => witness.lines('end').length === 1);
      const pending = join(cluster.dir, cut.name, 'results.pending');
      await until('its result is on disk', () => existsSync(pending) && readFileSync(pending).length > 0);
    } finally {
      heal(cut);
    }
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    expect(witness.lines('begin')).toHaveLength(1);
    expect((await cluster.task(`${spec}/work`)).fence).toBe(witness.lines('end')[0]?.fence);
    await cut.ready();
  });
});

/** The guard is the daemon's only child that runs `guard-main`. */
function guardOf(daemon: number): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.find((pid) => {
    try {
      return (
        new RegExp(`^PPid:\\s+${daemon}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8')) &&
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('guard-main')
      );
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`no guard of ${daemon}`);
  return Number(found);
}
