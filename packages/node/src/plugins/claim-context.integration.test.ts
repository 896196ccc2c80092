/** What a plugin is told of on whose behalf it is called. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnTask } from '@boi/plugin-host';
import { afterEach, expect, test } from 'vitest';
import { claimContext } from './claim-context.ts';
import { assignment, type TaskBench, taskBench } from './testing/task-bench.ts';

const CALLS = 'packages/plugin-host/src/testing/calls-plugin.ts';
let bench: TaskBench;
afterEach(() => bench.close());

const open = async (kind: 'pool' | 'workspace') => {
  bench = await taskBench(kind, CALLS, (directory) => [kind, join(directory, 'calls')]);
  await bench.supervisor.start();
};
const calls = () =>
  readFileSync(join(bench.lab.directory, 'calls'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly method: string });

test('a pool is told the fence, the epoch and the spec with every call about a claim', async () => {
  await open('pool');
  const old = assignment('unused');
  await spawnTask(await bench.supervisor.untilReady(), { taskId: old.task, fence: old.fence, argv: ['x'] });
  bench.plugins.start();
  const given = assignment('true');
  const running = bench.runner.start(given);
  expect(await running.done).toMatchObject({ outcome: 'succeeded' });
  const about = ({ fence, spec }: typeof given) => ({ fence, epoch: '7', correlation: spec });
  expect(calls()).toEqual([
    { method: 'Spawn' },
    { method: 'Release', ...about(old) },
    { method: 'Spawn', ...about(given) },
    { method: 'Tail', ...about(given) },
    { method: 'Release', ...about(given) },
  ]);
});

test('so is a workspace plugin', async () => {
  await open('workspace');
  bench.plugins.start();
  const given = assignment('true', { definition: { workspace: { source: 'here' } } });
  expect(await bench.runner.start(given).done).toMatchObject({ outcome: 'succeeded' });
  const { fence, spec } = given;
  expect(calls()).toEqual(['Prepare', 'Cleanup'].map((method) => ({ method, fence, epoch: '7', correlation: spec })));
});

test('what is no task correlates with nothing, and without a session there is no epoch', () => {
  expect(claimContext({ task: 'job-7', fence: '3' })).toEqual({ fence: '3' });
});
