/** The archiver beside what it cannot read and beside another holder of its duty. */
import type { SpecId } from '@boi/core';
import type { Txn } from '@boi/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs, type SpecHeader } from '../records.ts';
import { allKeys, put, read, testProject, testSpec, testTask } from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { Archiver } from './archive.ts';
import { archivedResults } from './archive-format.ts';

let rig: SpecRig;
let archiver: Archiver;

beforeEach(async () => {
  rig = await SpecRig.create(1, { lingerMs: 60_000 });
});

afterEach(async () => {
  const stopped = archiver.stop();
  await rig.settle(10);
  await stopped;
  await rig.stop();
});

function start(store: typeof rig.f.store): void {
  const { deps } = rig.node(1);
  archiver = new Archiver({ ...deps, ctx: { ...deps.ctx, store } });
  archiver.start();
}

test('a header that cannot be read does not keep the others from being archived', async () => {
  const spc = await rig.dispatch([{}]);
  await rig.runToEnd(spc);
  // Of a later version of the system, as the archiver reads it.
  const key = rig.f.keys.spec(testProject, testSpec(0));
  const { store } = rig.f;
  start(
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'range') return value.bind(target);
        return async (query: Parameters<typeof store.range>[0]) => {
          const page = await target.range(query);
          const [first] = page.kvs;
          if (query.keysOnly === true || !first?.key.startsWith(rig.f.keys.allSpecs().start)) return page;
          return { ...page, kvs: [{ ...first, key, value: Buffer.from('{"v":99}') }, ...page.kvs] };
        };
      },
    }),
  );
  await rig.settle(120_000);
  expect(await rig.header(spc)).toMatchObject({ archived: { chunks: 1 } });
  expect(rig.f.counts.get('boi_core_records_unreadable_total')).toBe(1);
});

describe.each([
  ['of one task', 1],
  ['of several tasks', 3],
])('a spec %s', (_what, tasks) => {
  /** Before the archiver's next write somebody else writes the header: another name. */
  async function renamedMeanwhile(spc: SpecId): Promise<void> {
    const key = rig.f.keys.spec(testProject, spc);
    let done = false;
    const rename = async () => {
      done = true;
      const header = await rig.header(spc);
      if (header === undefined) throw new Error('no header');
      const value = codecs.spec.encode({ ...header, name: 'renamed' });
      await rig.f.store.txn({ compares: [], success: [{ op: 'put', key, value }] });
    };
    const wrap = <A extends object, R>(send: (arg: A) => Promise<R>, writes: (arg: A) => boolean) => {
      return async (arg: A): Promise<R> => {
        if (!done && writes(arg)) await rename();
        return send(arg);
      };
    };
    const { store } = rig.f;
    start(
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') return value;
          const bound = value.bind(target) as (arg: Pick<Txn, 'compares'>) => Promise<unknown>;
          if (name === 'txn') return wrap(bound, ({ compares }) => compares.some((compare) => compare.key === key));
          return name === 'batch' ? wrap(bound, () => true) : bound;
        },
      }),
    );
  }

  test('whose header changes meanwhile keeps its results until the next pass, and the change', async () => {
    const spc = await rig.dispatch(Array.from({ length: tasks }, () => ({})));
    await rig.runToEnd(spc);
    await renamedMeanwhile(spc);
    await rig.settle(65_000);
    const header = await rig.header(spc);
    expect(header).toMatchObject({ name: 'renamed' });
    expect(header).not.toHaveProperty('archived');
    expect((await allKeys(rig.f)).filter((key) => key.startsWith('results/'))).toHaveLength(tasks);
    await rig.settle(30_000);
    expect(await rig.header(spc)).toMatchObject({ name: 'renamed', archived: { chunks: 1 } });
  });
});

test('what is archived of a one-task spec is its result as it was when the spec was archived', async () => {
  const spc = await rig.dispatch([{}]);
  await rig.runToEnd(spc);
  const key = rig.f.keys.result(spc, testTask(1, spc));
  const result = await read(rig.f, key, codecs.result);
  if (result === undefined) throw new Error('no result');
  // No part of the protocol writes a result twice; a person mending the store may, and is not undone unseen.
  rig.conservation.stop();
  start(
    meanwhile(
      rig.f.store,
      () => put(rig.f, key, codecs.result, { ...result, message: 'changed' }),
      ({ items }) => items !== undefined,
    ),
  );
  await rig.settle(120_000);
  const header = (await rig.header(spc)) as SpecHeader;
  const kept = await archivedResults(rig.f.ctx, testProject, spc, header, 1, 1);
  expect(kept.get(1)?.message).toBe('changed');
});

test('a spec that changes when it is to be removed stays until the next look at all of them', async () => {
  await rig.stop();
  rig = await SpecRig.create(1, { lingerMs: 60_000, archiveKeepMs: 3_600_000 });
  const spc = await rig.dispatch([{}, {}]);
  await rig.runToEnd(spc);
  const rename = async () => {
    const header = (await rig.header(spc)) as SpecHeader;
    await put(rig.f, rig.f.keys.spec(testProject, spc), codecs.spec, { ...header, name: 'renamed' });
  };
  const headerKey = rig.f.keys.spec(testProject, spc);
  start(
    meanwhile(rig.f.store, rename, ({ success = [] }) =>
      success.some((op) => op.op === 'delete' && op.key === headerKey),
    ),
  );
  await rig.f.clock.until(
    async () => (await rig.header(spc))?.name === 'renamed',
    2 * 3_600_000,
    'it is to be removed',
  );
  await rig.settle(1_000);
  expect(await rig.header(spc)).toMatchObject({ name: 'renamed', archived: { chunks: 1 } });
  await rig.f.clock.until(async () => (await rig.header(spc)) === undefined, 2 * 3_600_000, 'it is removed');
});

test('a wall clock that is a year ahead removes nothing', async () => {
  const spc = await rig.dispatch([{}, {}]);
  await rig.runToEnd(spc);
  start(rig.f.store);
  await rig.settle(120_000);
  rig.f.clock.wallOffsetMs += 365 * 24 * 3600_000;
  await rig.settle(4 * 3600_000);
  expect(await rig.header(spc)).toMatchObject({ archived: { chunks: 1 } });
});

test('a finished spec that lacks a result is left as it is: nothing is deleted on a guess', async () => {
  const spc = await rig.dispatch([{}, {}, {}]);
  await rig.runToEnd(spc);
  rig.conservation.stop();
  const key = rig.f.keys.result(spc, testTask(2, spc));
  await rig.f.store.txn({ compares: [], success: [{ op: 'delete', key }] });
  start(rig.f.store);
  await rig.settle(200_000);
  expect(await rig.header(spc)).not.toHaveProperty('archived');
  expect((await allKeys(rig.f)).filter((name) => name.startsWith('results/'))).toHaveLength(2);
});

test('of a spec that is removed while it is being archived no archive stays', async () => {
  const spc = await rig.dispatch([{}, {}]);
  await rig.runToEnd(spc);
  rig.conservation.stop();
  const { keys } = rig.f;
  const remove = () => rig.f.store.txn({ compares: [], success: [{ op: 'delete', key: keys.spec(testProject, spc) }] });
  start(
    meanwhile(rig.f.store, remove, ({ success = [] }) =>
      success.some(({ key }) => key.startsWith(keys.allArchives().start)),
    ),
  );
  await rig.settle(200_000);
  expect(await rig.header(spc)).toBeUndefined();
  expect((await allKeys(rig.f)).filter((name) => name.startsWith('archive/'))).toEqual([]);
});

test.each([1, 2])(
  'a result that cannot be read does not keep other specs from being archived (%i tasks)',
  async (count) => {
    const tasks = Array.from({ length: count }, () => ({}));
    const bad = await rig.dispatch(tasks);
    await rig.runToEnd(bad);
    const good = await rig.dispatch(tasks);
    await rig.runToEnd(good);
    rig.conservation.stop();
    // Of a later version of the system.
    const key = rig.f.keys.result(bad, testTask(1, bad));
    await rig.f.store.txn({ compares: [], success: [{ op: 'put', key, value: '{"v":99}' }] });
    start(rig.f.store);
    await rig.settle(120_000);
    expect(await rig.header(good)).toMatchObject({ archived: { chunks: 1 } });
    expect(await rig.header(bad)).not.toHaveProperty('archived');
  },
);
