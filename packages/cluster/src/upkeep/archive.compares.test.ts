/** The archiver beside what it cannot read and beside another holder of its duty. */
import type { SpecId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { allKeys, testProject, testSpec } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { Archiver } from './archive.ts';

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
          const bound = value.bind(target) as (arg: { compares: readonly unknown[] }) => Promise<unknown>;
          if (name === 'txn') return wrap(bound, ({ compares }) => compares.length > 0);
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
