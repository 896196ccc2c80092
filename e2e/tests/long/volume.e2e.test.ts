/** Much output. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../../harness/cluster.ts';
import type { TaskView } from '../../harness/spec.ts';
import { until } from '../../harness/until.ts';

const GIGABYTE = 1024 ** 3;
/** What a daemon may grow by while the gigabyte passes: buffers and garbage, not output. */
const GROWTH_BYTES = 128 * 1024 ** 2;

const COUNT = 'LC_ALL=C dd of=/dev/null bs=64K iflag=fullblock status=progress';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 2, settings: { 'log-bytes': '2GiB' } });
});

afterAll(() => cluster?.remove());

test('one_gigabyte: written on one node, read through another, with flat memory on both', async () => {
  onTestFailed(({ task }) => cluster.keep(task.name));
  const resident = () =>
    Promise.all(cluster.nodes.map((node) => cluster.api.metric(node, 'boi_core_process_resident_bytes')));
  const before = await resident();
  const spec = await cluster.dispatch({
    tasks: [{ ref: 'says', run: `head -c ${GIGABYTE} /dev/zero | tr '\\0' x`, requires: { at: 'node-2' } }],
  });
  const [task] = await until('it runs', async () => {
    const tasks = await cluster.json<TaskView[]>(['task', 'list', spec]);
    return tasks[0]?.state !== 'queued' && tasks;
  });
  const read = await cluster.laptop.begin(
    // It tells every second how much there was.
    ['sh', '-c', `boi-node task tail ${task?.id} --follow --endpoints https://node-1:7440 | ${COUNT}`],
    { withinMs: 900_000 },
  );
  const peak = [0, 0];
  let reading = true;
  const ended = () => {
    reading = false;
  };
  read.ended.then(ended, ended);
  while (reading) {
    for (const [i, bytes] of (await resident()).entries()) peak[i] = Math.max(peak[i] ?? 0, bytes);
    await Promise.race([read.ended, delay(500)]);
  }
  expect((await read.ended).stderr).toMatch(new RegExp(`\\b${GIGABYTE} bytes`));
  for (const [i, bytes] of before.entries()) expect((peak[i] ?? 0) - bytes).toBeLessThan(GROWTH_BYTES);
}, 1_000_000);
