/**
 * Specs on a real etcd and whole nodes, from their acceptance to the archive: with the node that dispatches cut off half-way,
 * with a failure, a cancel and a task retry. The tasks are no processes; everything else is as in production, with shorter
 * times. After each the store is in order: every task has its one record.
 */
import type { NodeId, ProjectId, SpecId, TaskId } from '@boi/core';
import { taskId } from '@boi/core';
import { EtcdStore, toRevision } from '@boi/store';
import { type EtcdServer, FaultyStore, startEtcd } from '@boi/store/testing';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Keys } from '../keys.ts';
import { NO_METRICS } from '../metrics.ts';
import { ClusterNode } from '../node.ts';
import { codecs, type SpecHeader } from '../records.ts';
import { silentLogger, testNode } from '../testing/fixtures.ts';
import { MemoryBuffer } from '../testing/memory-buffer.ts';
import { type Script, VirtualRunner } from '../testing/virtual-runner.ts';

const TASKS = 4_000;
const LINGER_MS = 1_000;

interface Joined {
  readonly id: NodeId;
  readonly node: ClusterNode;
  readonly store: FaultyStore;
}

let etcd: EtcdServer;
let direct: EtcdStore;
let joined: Joined[] = [];
const keys = new Keys();

const connect = () => new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom });

/** `run: hold` runs until it is stopped, `run: false` fails, `run: once` fails in its first attempt. */
const script: Script = ({ definition: { run }, attempt }) => {
  if (run === 'hold') return { durationMs: Number.POSITIVE_INFINITY };
  const fails = run === 'false' || (run === 'once' && attempt === 1);
  return { durationMs: 0, ...(fails ? { report: { outcome: 'failed', exitCode: 1 } } : {}) };
};

beforeEach(async () => {
  etcd = await startEtcd();
  direct = connect();
  for (const n of [1, 2, 3]) {
    const store = new FaultyStore({ store: connect(), clock: systemClock });
    const node = new ClusterNode({
      store,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      metrics: NO_METRICS,
      config: { sessionTtlMs: 3_000, lingerMs: LINGER_MS, sweepMs: 2_000 },
      identity: { id: testNode(n), address: 'http://127.0.0.1:1', version: '0.1.0', capabilities: {}, slots: 50 },
      runner: new VirtualRunner(systemClock, script),
      buffer: new MemoryBuffer(),
    });
    joined.push({ id: testNode(n), node, store });
    await node.start();
  }
});

afterEach(async () => {
  for (const { store } of joined) store.heal();
  for (const { node, store } of joined) {
    await node.stop({ drainMs: 0 });
    await store.close();
  }
  joined = [];
  await direct.close();
  await etcd.stop();
});

function at(n: number): Joined {
  const one = joined[n - 1];
  if (one === undefined) throw new Error(`there is no node ${n}`);
  return one;
}

const project = (): ProjectId => at(1).node.snapshot().cluster.defaultProject;

async function dispatch(n: number, spec: object): Promise<SpecId> {
  const { id } = await at(n).node.api.dispatch(project(), { source: JSON.stringify(spec), format: 'json' });
  return id as SpecId;
}

/** Resolves with the first header, from the first there was on, that is as wanted. */
function headerWhen(spc: SpecId, wanted: (header: SpecHeader) => boolean): Promise<SpecHeader> {
  const key = keys.spec(project(), spc);
  return new Promise((resolve, reject) => {
    const watch = direct.watch(
      { start: key, end: `${key} `, fromRevision: toRevision(1) },
      {
        onEvents: (events) => {
          for (const event of events) {
            const header = event.type === 'put' ? codecs.spec.decode(key, event.kv.value) : undefined;
            if (header === undefined || !wanted(header)) continue;
            resolve(header);
            watch.cancel();
            return;
          }
        },
        onLost: (_reason, message) => reject(new Error(message)),
      },
    );
  });
}

/** Resolves when a task of the spec is seen to be as wanted. */
async function taskWhen(n: number, spc: SpecId, index: number, wanted: (state: string) => boolean): Promise<void> {
  const found = new AbortController();
  const tsk: TaskId = taskId(spc, index);
  await at(n).node.api.followTask(
    project(),
    tsk,
    ({ state }) => {
      if (wanted(state)) found.abort();
    },
    found.signal,
  );
}

const ended = ({ endedAt }: SpecHeader) => endedAt !== undefined;

async function expectInOrder(n = 1): Promise<void> {
  expect((await at(n).node.api.fsck()).findings).toEqual([]);
}

test(`a dispatch of ${TASKS} tasks whose node is cut off half-way is finished by another, and archived`, async () => {
  const spc = await dispatch(1, { tasks: [{ ref: 'noop', run: 'true', count: TASKS }] });
  const half = await headerWhen(spc, ({ cursor }) => cursor >= TASKS / 2);
  at(1).store.partition('refusing');
  expect(half.state).toBe('dispatching');
  const end = await headerWhen(spc, ended);
  expect(end).toMatchObject({ state: 'succeeded', cursor: TASKS, counts: { succeeded: TASKS } });
  await expectInOrder(2);
  at(1).store.heal();
  await headerWhen(spc, ({ archived }) => archived !== undefined);
  const left = await direct.range({ ...keys.allResults(), limit: 1 });
  expect(left.kvs).toEqual([]);
  const last = await at(2).node.api.task(project(), taskId(spc, TASKS));
  expect(last).toMatchObject({ state: 'succeeded', index: TASKS });
  await expectInOrder(2);
});

test('a failure of a fail-fast spec stops what runs and skips what waits, but not the clean-up', async () => {
  const spc = await dispatch(2, {
    tasks: [
      { ref: 'slow', run: 'hold' },
      { ref: 'breaks', run: 'false' },
      { ref: 'after', run: 'true', needs: ['breaks'] },
      { ref: 'clean', run: 'true', needs: ['breaks'], when: 'failure' },
      { ref: 'last', run: 'true', needs: ['slow', 'after', 'clean'], when: 'always' },
    ],
  });
  expect((await headerWhen(spc, ended)).state).toBe('failed');
  const { items } = await at(3).node.api.listTasks(project(), spc, {});
  const states = Object.fromEntries(items.map(({ ref, state }) => [ref, state]));
  expect(states).toMatchObject({ slow: 'cancelled', breaks: 'failed', clean: 'succeeded', last: 'succeeded' });
  expect(['skipped', 'cancelled']).toContain(states.after);
  await expectInOrder();
});

test('a cancel ends what runs, what is queued and what is blocked', async () => {
  const spc = await dispatch(1, {
    tasks: [
      { ref: 'many', run: 'hold', count: 400 },
      { ref: 'after', run: 'true', needs: ['many'] },
    ],
  });
  await taskWhen(2, spc, 1, (state) => state === 'running');
  await at(3).node.api.cancelSpec(project(), spc);
  expect(await headerWhen(spc, ended)).toMatchObject({ state: 'cancelled', counts: { cancelled: 401 } });
  await expectInOrder();
});

test('a task retry runs the task and what was skipped because of it; both attempts are known, also from the archive', async () => {
  const spc = await dispatch(1, {
    'failure-policy': 'continue',
    tasks: [
      { ref: 'first', run: 'once' },
      { ref: 'second', run: 'true', needs: ['first'] },
      { ref: 'open', run: 'hold' },
    ],
  });
  await taskWhen(2, spc, 2, (state) => state === 'skipped');
  await at(3).node.api.retryTask(project(), taskId(spc, 1));
  await taskWhen(2, spc, 2, (state) => state === 'succeeded');
  await at(2).node.api.cancelTask(project(), taskId(spc, 3));
  expect((await headerWhen(spc, ended)).counts).toEqual({ succeeded: 2, failed: 0, cancelled: 1, skipped: 0 });
  await headerWhen(spc, ({ archived }) => archived !== undefined);
  const { places, state } = await at(2).node.api.logPlaces(project(), taskId(spc, 1));
  expect(state).toBe('succeeded');
  expect(places.map(({ attempt }) => attempt)).toEqual([1, 2]);
  await expectInOrder();
});
