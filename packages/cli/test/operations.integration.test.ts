/** What operators and users do to running work: drain, uncordon, pause, cancel, retry, and the limits that hold across the cluster. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterView, NodeView, TaskView } from '@boi/core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, seconds } from './support/figures.ts';
import { taskProcesses } from './support/processes.ts';
import { until } from './support/until.ts';
import { Witness } from './support/witness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
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

describe('drain', () => {
  test('waits for what ends in time, requeues the rest at the deadline, and is undone by uncordon', async () => {
    const { witness, flag, untilFlag } = fresh();
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'short', count: 3, run: `${witness.says('begin')}; sleep 1; ${witness.says('short')}` },
        {
          ref: 'long',
          count: 3,
          grace: '100ms',
          run: `${witness.says('begin')}; ${untilFlag}; ${witness.says('long')}`,
        },
      ],
    });
    await until('all run', () => witness.lines('begin').length === 6);
    const held = new Map<string, string[]>();
    for (const { node, ref } of await cluster.tasks(spec))
      held.set(String(node?.id), [...(held.get(String(node?.id)) ?? []), ref]);
    const [id, refs] = [...held].find(([, on]) => on.some((ref) => ref.startsWith('long'))) as [string, string[]];
    const node = cluster.node(id);
    const long = refs.filter((ref) => ref.startsWith('long')).length;
    const drained = await cluster.shell.run(['node', 'drain', node.name, '--deadline', '2s']);
    expect(drained, drained.stderr).toMatchObject({ code: 0 });
    expect(drained.stderr).toContain('drained');
    await node.gone(0);
    expect(await cluster.shell.json<NodeView>(['node', 'show', node.id])).toMatchObject({ state: 'drained', busy: 0 });
    await until('what was requeued begins elsewhere', () => witness.lines('begin').length === 6 + long);
    writeFileSync(flag, '');
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 6 } });
    expect(witness.lines('short')).toHaveLength(3);
    expect(witness.lines('long')).toHaveLength(3);
    for (const task of await cluster.tasks(spec)) expect(task, task.ref).toMatchObject({ attempt: 1 });

    const waits = await cluster.dispatch({ tasks: [{ ref: 'a', requires: { at: node.name }, run: 'true' }] });
    const shown = await cluster.shell.json<TaskView>(['task', 'show', `${waits}/a`]);
    expect(shown.state).toBe('waiting');
    expect(shown.why?.constraints?.map(({ constraint }) => constraint).join(' ')).toMatch(/drain/);
    await cluster.shell.ok(['node', 'uncordon', node.name]);
    expect(await cluster.ended(waits)).toMatchObject({ state: 'succeeded' });
    expect((await cluster.task(`${waits}/a`)).node?.id).toBe(node.id);
  });
});

describe('pause', () => {
  test('stops claims and nothing else; resume lets them go on', async () => {
    const { witness, flag, untilFlag } = fresh();
    const running = await cluster.dispatch({
      tasks: [{ ref: 'a', run: `${witness.says('begin')}; ${untilFlag}; ${witness.says('end')}` }],
    });
    await until('one runs', () => witness.lines('begin').length === 1);
    await cluster.shell.ok(['cluster', 'pause']);
    expect(await cluster.shell.json<ClusterView>(['cluster', 'status'])).toMatchObject({ paused: true });
    const queued = await cluster.dispatch({ tasks: [{ ref: 'a', count: 5, run: witness.says('later') }] });
    writeFileSync(flag, '');
    expect(await cluster.ended(running)).toMatchObject({ state: 'succeeded' });
    const tasks = await cluster.tasks(queued);
    expect(tasks.map(({ state }) => state)).toEqual(Array(5).fill('waiting'));
    expect((await cluster.task(String(tasks[0]?.id))).why?.summary).toMatch(/paused/);
    expect(witness.lines('later')).toEqual([]);
    await cluster.shell.ok(['cluster', 'resume']);
    expect(await cluster.ended(queued)).toMatchObject({ state: 'succeeded', counts: { succeeded: 5 } });
    expect(witness.lines('later')).toHaveLength(5);
  });
});

describe('cancel', () => {
  /** Children that left the group, the session and their parent, all deaf to TERM. */
  const TREE = `trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' &
    (setsid nohup sh -c 'trap "" TERM; while :; do sleep 0.1; done' > /dev/null 2>&1 &) ; echo up; while :; do sleep 0.1; done`;

  test('of a running spec reaches every process of it; what waits never begins; the cleanup runs', async () => {
    const { witness } = fresh();
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'tree', count: 2, grace: '300ms', run: TREE },
        { ref: 'after', needs: 'tree', run: witness.says('after') },
        { ref: 'cleanup', needs: ['tree', 'after'], when: 'always', run: witness.says('cleanup') },
      ],
    });
    const ids = (await cluster.tasks(spec)).filter(({ ref }) => ref.startsWith('tree')).map(({ id }) => id);
    await until('the trees stand', () =>
      ids.every(
        (task) =>
          taskProcesses({ task }).filter(({ command }) => command.startsWith('sh ') || command.startsWith('/bin/sh'))
            .length >= 3,
      ),
    );
    await cluster.shell.ok(['spec', 'cancel', spec]);
    expect(await cluster.ended(spec)).toMatchObject({
      state: 'cancelled',
      counts: { cancelled: 3, skipped: 0, succeeded: 1 },
    });
    expect(ids.flatMap((task) => taskProcesses({ task }))).toEqual([]);
    expect(witness.lines().map(({ word }) => word)).toEqual(['cleanup']);
  });

  test('a second time skips the grace', async () => {
    const spec = await cluster.dispatch({ tasks: [{ ref: 'deaf', grace: '1h', run: `echo up; ${TREE}` }] });
    const { id } = await cluster.taskIn(`${spec}/deaf`, 'running');
    await until('the tree stands', () => taskProcesses({ task: id }).length >= 3);
    await cluster.shell.ok(['spec', 'cancel', spec]);
    await cluster.taskThat(id, 'is being cancelled', ({ cancelling }) => cancelling === true);
    expect(taskProcesses({ task: id }).length).toBeGreaterThan(0);
    const asked = performance.now();
    await cluster.shell.ok(['spec', 'cancel', spec]);
    expect(await cluster.ended(spec)).toMatchObject({ state: 'cancelled' });
    figure('second cancel, until the spec has ended', seconds(performance.now() - asked));
    expect(taskProcesses({ task: id })).toEqual([]);
  });
});

describe('retry', () => {
  test('of a task, while its spec is active, runs what was skipped because of it', async () => {
    const { witness, flag, untilFlag } = fresh();
    const good = `${flag}-good`;
    const spec = await cluster.dispatch({
      'failure-policy': 'continue',
      tasks: [
        { ref: 'holds', run: untilFlag },
        { ref: 'breaks', run: `${witness.says('try')}; test -e ${good}` },
        { ref: 'follows', needs: 'breaks', run: witness.says('follows') },
      ],
    });
    await cluster.taskIn(`${spec}/follows`, 'skipped');
    writeFileSync(good, '');
    await cluster.shell.ok(['task', 'retry', `${spec}/breaks`]);
    await cluster.taskIn(`${spec}/follows`, 'succeeded');
    writeFileSync(flag, '');
    expect(await cluster.ended(spec)).toMatchObject({
      state: 'succeeded',
      counts: { succeeded: 3, failed: 0, skipped: 0 },
    });
    expect(witness.lines().map(({ word }) => word)).toEqual(['try', 'try', 'follows']);
    const refused = await cluster.shell.run(['task', 'retry', `${spec}/breaks`]);
    expect(refused).toMatchObject({ code: 5, stdout: '' });
  });

  test('of a spec that has ended dispatches a new one', async () => {
    const { flag } = fresh();
    const first = await cluster.dispatch({ tasks: [{ ref: 'a', run: `test -e ${flag}` }] });
    expect(await cluster.ended(first)).toMatchObject({ state: 'failed' });
    writeFileSync(flag, '');
    const retried = await cluster.shell.run(['spec', 'retry', first, '--wait']);
    expect(retried, retried.stderr).toMatchObject({ code: 0 });
    const second = retried.stdout.trim();
    expect(second).not.toBe(first);
    expect(await cluster.spec(second)).toMatchObject({ state: 'succeeded', retryOf: first });
    expect(await cluster.spec(first)).toMatchObject({ state: 'failed' });
  });
});

describe('limits across the cluster', () => {
  test('a concurrency key of two lets two run, of whichever specs, also when a node dies with a slot', async () => {
    const { witness } = fresh();
    const tasks = [
      {
        ref: 'work',
        count: 8,
        key: { name: 'licence', limit: 2 },
        run: `${witness.says('begin')}; sleep 0.4; ${witness.says('end')}`,
      },
    ];
    const specs = [await cluster.dispatch({ tasks }), await cluster.dispatch({ tasks })];
    await until('some have run', () => witness.lines('end').length >= 3);
    const running = await until('one runs', async () => {
      const all = (await Promise.all(specs.map((spec) => cluster.tasks(spec)))).flat();
      return all.find(({ state }) => state === 'running');
    });
    const victim = cluster.node(running.node?.id);
    await victim.kill();
    for (const spec of specs)
      expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 8 } });
    expect(witness.overlap()).toBe(2);
    const all = (await Promise.all(specs.map((spec) => cluster.tasks(spec)))).flat();
    const used = new Set(all.map(({ node }) => node?.id));
    expect(used.size, 'more than one node had a turn').toBeGreaterThan(1);
  });

  test("a spec's own limit holds too", async () => {
    const { witness } = fresh();
    const spec = await cluster.dispatch({
      concurrency: 3,
      tasks: [{ ref: 'work', count: 12, run: `${witness.says('begin')}; sleep 0.2; ${witness.says('end')}` }],
    });
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded' });
    expect(witness.overlap()).toBe(3);
  });
});
