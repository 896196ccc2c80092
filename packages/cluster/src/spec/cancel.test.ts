import { expect, test } from 'vitest';
import { listNodes } from '../api/node-admin.ts';
import { codecs } from '../records.ts';
import { put, testProject, testTask } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { cancelSpec } from './cancel.ts';

const { signal } = new AbortController();

test('a one-task spec that is cancelled before it runs is told to have ended', async () => {
  const rig = await SpecRig.create(1);
  const spc = await rig.dispatch([{}]);
  await cancelSpec(rig.node(1).deps, testProject, spc, signal);
  expect(rig.f.events.slice(-2)).toMatchObject([
    { kind: 'task.cancelled', spec: spc, task: testTask(1, spc) },
    { kind: 'spec.completed', spec: spc, outcome: 'cancelled', tasks: 1 },
  ]);
  await rig.stop();
});

test('a node is listed as drained only when nothing is in its queue, whatever its load says', async () => {
  const rig = await SpecRig.create(1);
  const { id, deps } = rig.node(1);
  const spc = await rig.dispatch([{}]);
  await rig.membership.configure(id, { v: 1, drain: { at: 0, deadlineAt: 1 } });
  const states = async () => (await listNodes(deps, {})).items.map(({ state }) => state);
  expect(await states()).toEqual(['draining']);
  await rig.finish(() => 'succeeded');
  expect(await states()).toEqual(['drained']);
  expect(await rig.header(spc)).toMatchObject({ state: 'succeeded' });
  await put(rig.f, rig.f.keys.nodeconf(id), codecs.nodeconf, { v: 1 });
  await rig.stop();
});
