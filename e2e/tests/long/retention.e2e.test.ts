/** The sweep that a daemon makes by itself, while tasks run. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../../harness/cluster.ts';
import { effect, type TaskView } from '../../harness/spec.ts';
import { until } from '../../harness/until.ts';

/** Every ten minutes, give or take a fifth. */
const SWEPT_WITHIN_MS = 730_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 1, settings: { 'log-keep': '1s', 'log-keep-bytes': '65536' } });
});

afterAll(() => cluster?.remove());

test('retention: the log of a running task outlives the sweep, however old and large it is', async () => {
  onTestFailed(({ task }) => cluster.keep(task.name));
  const size = 200_000;
  const spec = await cluster.dispatch({
    tasks: [
      { ref: 'ended', run: 'echo here' },
      { ref: 'runs', run: `head -c ${size} /dev/zero | tr '\\0' x; ${effect('said', 'live')}; sleep 100000` },
    ],
  });
  const [ended, runs] = await until('one has ended, one has said all', async () => {
    const tasks = await cluster.json<TaskView[]>(['task', 'list', spec]);
    return tasks[0]?.state === 'succeeded' && (await cluster.effects('live')).length === 1 && tasks;
  });
  const logs = async () => (await cluster.node(1).exec(['ls', `/var/lib/boi-node/logs/${spec}`])).stdout;
  expect(await logs()).toContain(ended?.id);
  await until('what has ended is swept', async () => !(await logs()).includes(ended?.id ?? '-'), SWEPT_WITHIN_MS);
  expect(await logs()).toContain(runs?.id);
  const { stdout } = await cluster.laptop.exec(['sh', '-c', `boi-node task tail ${runs?.id} | wc -c`]);
  expect(Number(stdout)).toBe(size);
  await cluster.boi(['spec', 'cancel', spec]);
}, 800_000);
