import { performance } from 'node:perf_hooks';
import type { RunningTask, SpecId, TaskReport, TaskRunner } from '@boi/core';
import { CountingStore, EtcdStore } from '@boi/store';
import { type EtcdServer, startEtcd } from '@boi/store/testing';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NO_METRICS } from './metrics.ts';
import { ClusterNode } from './node.ts';
import { silentLogger, testNode } from './testing/fixtures.ts';
import { MemoryBuffer } from './testing/memory-buffer.ts';

const TASKS = 2_000;

/** Tasks that end as soon as they start. */
class NoRunner implements TaskRunner {
  started = 0;

  start(): RunningTask {
    this.started++;
    const at = systemClock.now();
    const report: TaskReport = { outcome: 'succeeded', startedAt: at, endedAt: at, tail: '', logBytes: 0 };
    return { done: Promise.resolve(report), cancel() {} };
  }

  list() {
    return [];
  }

  setDeadline(): void {}
}

let etcd: EtcdServer;
const made: { node: ClusterNode; store: CountingStore; runner: NoRunner }[] = [];

beforeEach(async () => {
  etcd = await startEtcd();
});

afterEach(async () => {
  for (const { node, store } of made.splice(0)) {
    await node.stop({ drainMs: 0 });
    await store.close();
  }
  await etcd.stop();
});

async function join(n: number, slots: number) {
  const inner = new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom });
  const store = new CountingStore({ store: inner, clock: systemClock });
  const runner = new NoRunner();
  const node = new ClusterNode({
    store,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: NO_METRICS,
    identity: { id: testNode(n), address: 'http://127.0.0.1:1', version: '0.1.0', capabilities: {}, slots },
    runner,
    buffer: new MemoryBuffer(),
  });
  made.push({ node, store, runner });
  await node.start();
}

test(`three nodes on etcd run a spec of ${TASKS} tasks, at four store operations a task`, async () => {
  for (const n of [1, 2, 3]) await join(n, 50);
  const { node } = made[0] as (typeof made)[0];
  const project = node.snapshot().cluster.defaultProject;
  const before = made.reduce((sum, { store }) => sum + store.counts.writes + store.counts.reads, 0);
  const source = JSON.stringify({ tasks: [{ ref: 'noop', run: 'true', count: TASKS }] });
  const startedMs = performance.now();
  const { id } = await node.api.dispatch(project, { source, format: 'json' });
  const end = new AbortController();
  await new Promise<void>((resolve) => {
    const follow = node.api.followSpec(
      project,
      id as SpecId,
      { tasks: false },
      (event) => {
        if (event.type === 'end') resolve();
      },
      end.signal,
    );
    void follow.then(resolve, resolve);
  });
  end.abort();
  const seconds = (performance.now() - startedMs) / 1000;
  const operations = made.reduce((sum, { store }) => sum + store.counts.writes + store.counts.reads, 0) - before;
  const view = await node.api.spec(project, id);
  // Figures for whoever runs it by hand; the bound is the protocol's.
  process.stdout.write(
    `${TASKS} tasks in ${seconds.toFixed(2)} s: ${Math.round(TASKS / seconds)} tasks/s, ${(operations / TASKS).toFixed(2)} store operations a task\n`,
  );
  expect(view.state).toBe('succeeded');
  expect(made.reduce((sum, { runner }) => sum + runner.started, 0)).toBe(TASKS);
  expect(operations / TASKS).toBeLessThan(4.5);
  expect((await node.api.fsck()).findings).toEqual([]);
});
