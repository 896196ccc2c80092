/** Who asked for a change is in the record that the change wrote: each operation with its record. */
import { taskId } from '@boi/core';
import { expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { cancelSpec, cancelTask } from '../spec/cancel.ts';
import { retryTask } from '../spec/retry.ts';
import { stored } from '../spec/spec-ref.ts';
import { killClaim } from '../takeover/kill.ts';
import { read, testProject, testTask } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { cordon, drain, setPaused } from './node-admin.ts';

const signal = new AbortController().signal;
const actor = { name: 'ada' };

test('of a cancelled spec in its header, and in the mark of what ran', async () => {
  const rig = await SpecRig.create(1);
  const spc = await rig.dispatch([{}, { needs: [1] }]);
  await rig.claim(1);
  await cancelSpec(rig.node(1).deps, testProject, spc, signal, actor);
  await rig.settle(2_000);
  expect((await rig.header(spc))?.cancel?.actor).toBe('ada');
  expect((await rig.entries())[0]?.record.cancel?.actor).toBe('ada');
  await rig.stop();
});

test('of a cancelled task in its result, whether it was blocked or queued', async () => {
  const rig = await SpecRig.create(1);
  const spc = await rig.dispatch([{}, { needs: [1] }, {}]);
  for (const index of [1, 2]) await cancelTask(rig.node(1).deps, testProject, testTask(index, spc), signal, actor);
  for (const index of [1, 2]) {
    const result = await read(rig.f, rig.f.keys.result(spc, taskId(spc, index)), codecs.result);
    expect(result).toMatchObject({ outcome: 'cancelled', actor: 'ada' });
  }
  await rig.stop();
});

test('of a retried task in the header of its spec', async () => {
  const rig = await SpecRig.create(1);
  const spc = await rig.dispatch([{}, {}]);
  await rig.finish((index) => (index === 1 ? 'failed' : undefined));
  await rig.settle();
  await retryTask(rig.node(1).deps, testProject, testTask(1, spc), signal, actor);
  expect((await rig.header(spc))?.retried).toMatchObject({ task: testTask(1, spc), actor: 'ada' });
  await rig.stop();
});

test('of a killed claim in the history of its task', async () => {
  const rig = await SpecRig.create(2);
  await rig.dispatch([{}, {}]);
  await rig.claim(1);
  const claimed = (await rig.entries()).find(({ record }) => record.claim !== undefined);
  if (claimed === undefined) throw new Error('nothing is claimed');
  const [, owner, task] = rig.f.keys.parts(claimed.key) ?? [];
  await killClaim(rig.node(1).deps, task as never, owner as never, claimed, signal, actor);
  const killed = (await rig.entries()).find(({ key }) => key.endsWith(`${task}`));
  expect(killed?.record.history).toMatchObject([{ end: 'killed', actor: 'ada' }]);
  await rig.stop();
});

test('of a cordon, a drain and a pause in the settings, and of a resume in its event', async () => {
  const rig = await SpecRig.create(1);
  const { deps, id } = rig.node(1);
  await cordon(deps, id, signal, actor);
  await drain(deps, id, 1_000, signal, actor);
  const conf = await read(rig.f, rig.f.keys.nodeconf(id), codecs.nodeconf);
  expect(conf).toMatchObject({ cordoned: { actor: 'ada' }, drain: { actor: 'ada' } });
  const user = `usr_${id.slice(4)}`;
  await setPaused(deps, true, signal, actor);
  const { kv } = await rig.f.store.get(rig.f.keys.cluster());
  expect(kv && stored(codecs.cluster, kv).record.paused?.actor).toBe('ada');
  await setPaused(deps, false, signal, { name: user });
  expect(rig.f.events.map(({ kind, actor: by }) => [kind, by])).toEqual([
    ['cluster.paused', undefined],
    ['cluster.resumed', user],
  ]);
  await rig.stop();
});
