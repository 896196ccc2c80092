/** A provisioner whose nodes never join, for as long as it takes until it is asked again. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../../harness/cluster.ts';
import { configure } from '../../harness/plugins.ts';
import { DUD, noted, provisioners } from '../../harness/provisioners.ts';
import { until } from '../../harness/until.ts';

const COOLDOWN_MS = 300_000;
/** Of clocks that are read a moment apart. */
const SLACK_MS = 5_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 1, settings: { 'provision-deadline': '2s' } });
  const provisioner = await provisioners(cluster);
  await configure(cluster, 1, { duds: provisioner('duds', 'disk=big', DUD) });
  await cluster.ready(...cluster.nodes);
});

afterAll(() => cluster?.remove());

test('no_join_cools_down: three requests, five minutes of silence, also over a restart, and three more', async () => {
  onTestFailed(({ task }) => cluster.keep(task.name));
  const spec = await cluster.dispatch({ tasks: [{ ref: 'never', run: 'true', requires: { disk: 'big' } }] });
  const cooling = () => until('it cools down', async () => (await noted(cluster)).find((need) => need.coolingUntil));
  await cooling();
  const beganMs = performance.now();
  expect(await cluster.effects('duds')).toHaveLength(3);
  await cluster.node(1).stop();
  await cluster.node(1).start();
  await cluster.ready(...cluster.nodes);
  await until('it is asked again', async () => (await cluster.effects('duds')).length > 3, COOLDOWN_MS + 60_000);
  const silentMs = performance.now() - beganMs;
  expect(silentMs).toBeGreaterThan(COOLDOWN_MS - SLACK_MS);
  expect(silentMs).toBeLessThan(COOLDOWN_MS + SLACK_MS);
  await cooling();
  expect(await cluster.effects('duds')).toHaveLength(6);
  await cluster.boi(['spec', 'cancel', spec]);
}, 420_000);
