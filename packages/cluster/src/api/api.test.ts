import type { SpecEvent, SpecId } from '@boi/core';
import { describe, expect, it } from 'vitest';
import { codecs } from '../records.ts';
import { allKeys, read, testProject, testTask } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { Archiver } from '../upkeep/archive.ts';
import { Compactor } from '../upkeep/compact.ts';
import { Api } from './api.ts';

function apiOf(rig: SpecRig, n = 1): Api {
  const { deps, dispatcher } = rig.node(n);
  return new Api(deps, { dispatcher, adopter: { removeNode: async () => 0 } });
}

async function withRig(nodes: number, body: (rig: SpecRig, api: Api) => Promise<void>): Promise<void> {
  const rig = await SpecRig.create(nodes);
  await body(rig, apiOf(rig));
  await rig.stop();
}

describe('specs', () => {
  it('are listed newest first, page by page, and by name', () =>
    withRig(1, async (rig, api) => {
      const ids: SpecId[] = [];
      for (let i = 0; i < 7; i++) {
        ids.push(await rig.dispatch([{}], { name: i % 2 === 0 ? 'even' : 'odd' }));
        await rig.settle(i * 100_000);
      }
      const seen: string[] = [];
      for (let after: string | undefined, more = true; more; ) {
        const page = await api.listSpecs(testProject, { limit: 3, ...(after === undefined ? {} : { after }) });
        seen.push(...page.items.map(({ id }) => id));
        after = page.next;
        more = after !== undefined;
      }
      expect(seen).toEqual([...ids].reverse());
      const odd = await api.listSpecs(testProject, { name: 'odd' });
      expect(odd.items.map(({ id }) => id)).toEqual([ids[5], ids[3], ids[1]]);
      expect((await api.listSpecs(testProject, { name: 'Odd' })).items).toEqual([]);
      expect((await api.listSpecs(testProject, { state: 'succeeded' })).items).toEqual([]);
    }));

  it('are found by id and by name, and an ambiguous name lists the candidates', () =>
    withRig(1, async (rig, api) => {
      const a = await rig.dispatch([{}], { name: 'a/b' });
      expect(await api.spec(testProject, 'a/b')).toMatchObject({ id: a, state: 'active', tasks: 1, dispatched: 1 });
      expect(await api.spec(testProject, a)).toMatchObject({ name: 'a/b' });
      expect(await api.resolveTask(testProject, 'a/b/t1')).toBe(testTask(1, a));
      const c = await rig.dispatch([{}, { ref: 'test[file=src/a.js]' }], { name: 'c/d' });
      expect(await api.resolveTask(testProject, 'c/d/test[file=src/a.js]')).toBe(testTask(2, c));
      const e = await rig.dispatch([{ ref: 't' }, { ref: 't[x=a/b[1]]' }], { name: 'e[1]' });
      expect(await api.resolveTask(testProject, 'e[1]/t')).toBe(testTask(1, e));
      expect(await api.resolveTask(testProject, 'e[1]/t[x=a/b[1]]')).toBe(testTask(2, e));
      const b = await rig.dispatch([{}], { name: 'a/b' });
      const found = api.spec(testProject, 'a/b');
      await expect(found).rejects.toMatchObject({ code: 'ambiguous-name', details: { candidates: [a, b] } });
      await expect(api.spec(testProject, 'nothing')).rejects.toMatchObject({ code: 'not-found' });
    }));
});

describe('tasks', () => {
  it('are listed by index wherever they are, with filter and pages', () =>
    withRig(3, async (rig, api) => {
      const spc = await rig.dispatch([
        {},
        {},
        { needs: [2] },
        { requires: [{ key: 'gpu', op: 'exists', value: true }] },
        {},
      ]);
      await rig.settle();
      await rig.claim(2);
      await rig.finish((index) => (index === 1 ? 'failed' : undefined));
      const { items } = await api.listTasks(testProject, spc, {});
      expect(items.map(({ index, state, ref }) => `${index} ${ref} ${state}`)).toEqual([
        '1 t1 failed',
        '2 t2 running',
        '3 t3 blocked',
        '4 t4 waiting',
        '5 t5 queued',
      ]);
      const first = await api.listTasks(testProject, spc, { limit: 2 });
      expect(first.next).toBe('2');
      const rest = await api.listTasks(testProject, spc, { limit: 10, after: '2' });
      expect(rest.items.map(({ index }) => index)).toEqual([3, 4, 5]);
      expect(rest.next).toBeUndefined();
      const queued = await api.listTasks(testProject, spc, { state: 'queued' });
      expect(queued.items.map(({ index }) => index)).toEqual([5]);
    }));

  it('of a dead node’s queue are still found', () =>
    withRig(2, async (rig, api) => {
      const spc = await rig.dispatch(Array.from({ length: 8 }, () => ({})));
      await rig.membership.die(rig.node(2).id);
      const { items } = await api.listTasks(testProject, spc, {});
      expect(items).toHaveLength(8);
      const orphan = items.find(({ node }) => node?.id === rig.node(2).id);
      expect(orphan).toMatchObject({ state: 'waiting', why: { summary: expect.stringContaining('is gone') } });
      expect((await api.listNodes({})).items.map(({ state }) => state)).toEqual(['ready', 'dead']);
    }));

  it('tell why they do not run', () =>
    withRig(1, async (rig, api) => {
      const spc = await rig.dispatch([
        {},
        {},
        { needs: [1, 2] },
        { requires: [{ key: 'gpu', op: 'exists', value: true }] },
      ]);
      await rig.settle();
      await rig.finish((index) => (index === 1 ? 'succeeded' : undefined));
      await rig.settle();
      expect((await api.task(testProject, testTask(3, spc))).why?.summary).toBe('waits for t2');
      const unplaced = await api.task(testProject, testTask(4, spc));
      expect(unplaced.why?.constraints).toMatchObject([{ nodes: 1 }]);
      expect((await api.task(testProject, testTask(1, spc))).why).toBeUndefined();
      await expect(api.task(testProject, testTask(9, spc))).rejects.toMatchObject({ code: 'not-found' });
    }));
});

describe('a follower', () => {
  it('hears of the spec, of each task that changes, and of the end', () =>
    withRig(2, async (rig, api) => {
      const spc = await rig.dispatch([{}, { needs: [1] }]);
      const events: SpecEvent[] = [];
      const following = api.followSpec(
        testProject,
        spc,
        { tasks: true },
        (e) => events.push(e),
        new AbortController().signal,
      );
      await rig.settle(300);
      await rig.claim(1);
      await rig.settle(300);
      await rig.runToEnd(spc);
      await rig.settle(500);
      await following;
      const told = events.map((e) =>
        e.type === 'task' ? `${e.task.ref} ${e.task.state}` : `${e.type} ${e.spec.state}`,
      );
      expect(told[0]).toBe('spec active');
      expect(told).toEqual(expect.arrayContaining(['t1 running', 't1 succeeded', 't2 succeeded']));
      expect(told.at(-1)).toBe('end succeeded');
    }));

  it('of a task hears where it is', () =>
    withRig(2, async (rig, api) => {
      const spc = await rig.dispatch([{}]);
      const states: string[] = [];
      const ends = new AbortController();
      const following = api.followTask(testProject, testTask(1, spc), ({ state }) => states.push(state), ends.signal);
      await rig.settle(200);
      await rig.claim(1);
      await rig.settle(200);
      await rig.finish(() => 'succeeded');
      await rig.settle(200);
      ends.abort();
      await following;
      expect(states).toEqual(['queued', 'running', 'succeeded']);
    }));
});

describe('the archive', () => {
  it('keeps every result of a finished spec, and is removed by age with everything of it', async () => {
    const rig = await SpecRig.create(1, { lingerMs: 60_000, archiveKeepMs: 3_600_000 });
    const api = apiOf(rig);
    const archiver = new Archiver(rig.node(1).deps);
    archiver.start();
    const single = await rig.dispatch([{}], { name: 'one' });
    const spc = await rig.dispatch(Array.from({ length: 300 }, (_, i) => (i === 0 ? {} : { needs: [1] })));
    const open = await rig.dispatch([{}]);
    const ends = (index: number) => ({ outcome: 'succeeded' as const, tail: `${index} `.repeat(600) });
    for (let turn = 0; turn < 10; turn++) {
      await rig.settle();
      for (const { key } of await rig.entries()) {
        if (key.endsWith(testTask(1, open))) continue;
        await rig.finish((index, entry) =>
          entry.def?.ref === 't1' && entry.single === true ? 'succeeded' : ends(index),
        );
        break;
      }
    }
    await rig.settle(120_000);
    expect(await rig.header(spc)).toMatchObject({ archived: { chunks: 3 } });
    expect(await rig.header(single)).toMatchObject({ archived: { chunks: 1 } });
    const kept = (await allKeys(rig.f)).filter((key) => key.startsWith('results/'));
    expect(kept.every((key) => key.startsWith(`results/${open}`))).toBe(true);
    const task = await api.task(testProject, testTask(250, spc));
    expect(task).toMatchObject({ state: 'succeeded', ref: 't250', tail: '250 '.repeat(600) });
    expect((await api.listTasks(testProject, spc, { limit: 1000 })).items).toHaveLength(300);
    expect(await api.task(testProject, testTask(1, single))).toMatchObject({ state: 'succeeded', ref: 't1' });
    expect(await api.fsck()).toMatchObject({ clean: true, findings: [] });
    await rig.settle(4_000_000);
    const left = (await allKeys(rig.f)).filter((key) => key.includes(spc) || key.includes(single));
    expect(left).toEqual([]);
    const stopped = archiver.stop();
    await rig.settle(10);
    await stopped;
    await rig.stop();
  });
});

describe('the compactor', () => {
  it('drops what is older than it keeps, and never past a hold', async () => {
    const rig = await SpecRig.create(1, { compactEveryMs: 5_000, compactKeepMs: 30_000 });
    rig.conservation.stop();
    const { store, keys } = rig.f;
    const compactor = new Compactor(rig.node(1).deps);
    compactor.start();
    const at = async (revision: string) =>
      store.range({ ...keys.all(), revision: revision as never }).then(
        () => 'kept',
        () => 'gone',
      );
    const old = rig.f.server.revision;
    await rig.dispatch([{}]);
    await rig.settle(20_000);
    expect(await at(old)).toBe('kept');
    await rig.dispatch([{}]);
    const held = rig.f.server.revision;
    await store.txn({
      compares: [],
      success: [{ op: 'put', key: keys.hold('h'), value: JSON.stringify({ v: 1, revision: held, why: 'test' }) }],
    });
    await rig.dispatch([{}]);
    await rig.settle(60_000);
    expect(await at(old)).toBe('gone');
    expect(await at(held)).toBe('kept');
    await store.txn({ compares: [], success: [{ op: 'delete', key: keys.hold('h') }] });
    await rig.dispatch([{}]);
    await rig.settle(60_000);
    expect(await at(held)).toBe('gone');
    const stopped = compactor.stop();
    await rig.settle(10);
    await stopped;
    await rig.stop();
  });
});

describe('operators', () => {
  it('cordon, drain and uncordon nodes, and pause the cluster', () =>
    withRig(2, async (rig, api) => {
      const node = rig.node(2).id;
      expect((await api.cordon(node, { name: 'eve' })).state).toBe('cordoned');
      expect((await api.drain(node, 1_000)).drain).toMatchObject({ deadlineAt: rig.f.clock.now() + 1_000 });
      expect((await api.uncordon(node)).state).toBe('ready');
      expect(await read(rig.f, rig.f.keys.nodeconf(node), codecs.nodeconf)).toEqual({ v: 1 });
      expect((await api.setPaused(true)).paused).toBe(true);
      expect((await api.setPaused(false)).paused).toBe(false);
      expect(rig.f.events.map(({ kind }) => kind)).toEqual(['cluster.paused', 'cluster.resumed']);
      await expect(api.cordon('nod_01h00000000000000000zz0000' as never)).rejects.toMatchObject({ code: 'not-found' });
    }));
});
