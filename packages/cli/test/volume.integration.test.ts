/**
 * Much at once: thousands of real processes, and a hundred thousand tasks handed in. What is right is asserted, with the
 * memory a node may take; how long it took is told, since a loaded machine says nothing about the code.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, mebibytes, seconds } from './support/figures.ts';
import { until } from './support/until.ts';

/** Of section "Speed" of the acceptance: a node with 100,000 queued tasks. */
const NODE_BYTES_MAX = 400 * 2 ** 20;

/** `BOI_TEST_PROCESSES=20000` is the figure of the acceptance; it takes minutes where other work runs beside it. */
const PROCESSES = Number(process.env.BOI_TEST_PROCESSES ?? 3_000);

let cluster: Cluster;
beforeAll(async () => {
  // Beyond the cores: a process that only starts and ends waits more than it computes.
  cluster = await Cluster.start({ slots: 8, settings: { 'session-ttl': '10s' } });
}, START_WITHIN_MS);
afterAll(() => cluster?.stop());

function tellMemory(what: string): number {
  const peaks = cluster.nodes.map((node) => node.peakResidentBytes);
  figure(`${what}, resident of each node, at most`, peaks.map(mebibytes).join(', '));
  return Math.max(...peaks);
}

describe('a large spec', () => {
  test('of thousands of processes on three nodes: each ran once and succeeded', { timeout: 600_000 }, async () => {
    const tasks = PROCESSES;
    const started = performance.now();
    const spec = await cluster.dispatch({ tasks: [{ ref: 'work', count: tasks, run: ['true'] }] });
    figure(`${tasks} tasks accepted, the whole command`, seconds(performance.now() - started));
    const ended = await cluster.ended(spec, 590_000);
    const tookMs = performance.now() - started;
    figure(`${tasks} tasks of \`true\``, `${seconds(tookMs)}, ${Math.round((1000 * tasks) / tookMs)}/s`);
    tellMemory(`${tasks} tasks of \`true\``);
    expect(ended).toMatchObject({ state: 'succeeded', tasks, counts: { succeeded: tasks, failed: 0, cancelled: 0 } });
    const starts = await Promise.all(cluster.nodes.map((node) => node.metric('boi_core_tasks_started_total')));
    expect(starts.reduce((sum, n) => sum + n)).toBe(tasks);
    expect(await cluster.findings()).toEqual([]);
  });

  test('of 100,000 tasks is accepted, queued on the nodes within their memory, and cancelled', {
    timeout: 240_000,
  }, async () => {
    const tasks = 100_000;
    await cluster.shell.ok(['cluster', 'pause']);
    const started = performance.now();
    const spec = await cluster.dispatch({ tasks: [{ ref: 'work', count: tasks, run: ['true'] }] });
    figure('100,000 tasks accepted, the whole command', seconds(performance.now() - started));
    await until('all have their records', async () => (await cluster.spec(spec)).dispatched === tasks, 120_000);
    figure('100,000 tasks, all queued', seconds(performance.now() - started));
    expect(tellMemory('100,000 tasks queued')).toBeLessThan(NODE_BYTES_MAX);
    const report = await cluster.client.call('cluster.fsck', { timeoutMs: 120_000 });
    expect(report).toMatchObject({ clean: true, findings: [], records: { queued: tasks } });
    const asked = performance.now();
    await cluster.shell.ok(['spec', 'cancel', spec]);
    expect(await cluster.ended(spec, 120_000)).toMatchObject({ state: 'cancelled', counts: { cancelled: tasks } });
    figure('100,000 queued tasks cancelled', seconds(performance.now() - asked));
    expect(tellMemory('100,000 tasks cancelled')).toBeLessThan(NODE_BYTES_MAX);
    await cluster.shell.ok(['cluster', 'resume']);
    expect(await cluster.findings()).toEqual([]);
  });
});
