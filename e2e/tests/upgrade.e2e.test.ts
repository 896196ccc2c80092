/** The next minor version comes to a cluster that works. */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import { derive, removeImage } from '../harness/image.ts';
import { effect, type NodeView, type SpecView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

const NEXT = '0.2.0';
type Upgraded = NodeView & { readonly version: string };

let cluster: Cluster;
let next: string;

beforeAll(async () => {
  const version = '/opt/boi-node/node_modules/@boi/node/dist/version.js';
  next = await derive('next', [
    `FROM ${process.env.BOI_E2E_IMAGE ?? 'boi-node'}`,
    'USER root',
    `RUN sed -i "s/VERSION = '[^']*'/VERSION = '${NEXT}'/" ${version} && grep -q ${NEXT} ${version}`,
    'USER boi',
  ]);
  cluster = await Cluster.start({ nodes: 3 });
});

afterAll(async () => {
  await cluster?.remove();
  if (next !== undefined) await removeImage(next);
});

test('rolling_upgrade: drained, replaced and taken back node by node under load, and no task fails', async () => {
  onTestFailed(({ task }) => cluster.keep(task.name));
  const load = () =>
    cluster.dispatch({ tasks: [{ ref: 'each', count: 40, run: `${effect('ended', 'upgrade')}; sleep 0.3` }] });
  const specs: string[] = [];
  for (const n of [1, 2, 3]) {
    specs.push(await load());
    await cluster.boi(['node', 'drain', `node-${n}`, '--deadline', '30s']);
    await cluster.node(n).stop();
    const node = await cluster.replace(n, { image: next });
    // The drain outlives the restart: it is back, and takes nothing until it is told to.
    await until('it is back', async () => {
      const { version, state } = await cluster.json<Upgraded>(['node', 'show', node.name]);
      return version === NEXT && state === 'drained';
    });
    await cluster.boi(['node', 'uncordon', node.name]);
    await cluster.ready(node);
  }
  specs.push(await load());
  await cluster.boi(['spec', 'wait', ...specs], { withinMs: 100_000 });
  for (const spec of specs) {
    const { counts } = await cluster.json<SpecView>(['spec', 'show', spec]);
    expect(counts).toMatchObject({ succeeded: 40, failed: 0 });
  }
  expect(await cluster.effects('upgrade')).toHaveLength(160);
  const nodes = await cluster.json<Upgraded[]>(['node', 'list']);
  expect(nodes.map(({ version, state }) => `${version} ${state}`)).toEqual(nodes.map(() => `${NEXT} ready`));
  const skew = await cluster.api.metric(cluster.node(1), 'boi_core_version_skew_violations');
  expect(skew).toBe(0);
}, 180_000);
