/**
 * The compares of what writes a spec's header, each by what goes wrong without it: right before the write somebody else
 * changes what it rests on. A name that is written meanwhile and still there at the end was not overwritten.
 */
import { type SpecId, taskId } from '@boi/core';
import type { MemoryStore, Op } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import { describe, expect, test } from 'vitest';
import { cordon, drain } from '../api/node-admin.ts';
import { lastPart } from '../keys.ts';
import { codecs, SCHEMA_VERSION, type SpecHeader } from '../records.ts';
import { takeOverCoordination } from '../takeover/take-over.ts';
import {
  definition,
  depsOf,
  fixture,
  put,
  StaticMembership,
  testNode,
  testProject,
  testSpec,
  testTask,
} from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { dispatchRecords } from './accept-in-parts.ts';
import { cancelSpec, cancelTask } from './cancel.ts';
import { ChunkList } from './chunk-list.ts';
import { HeaderFence } from './header-fence.ts';
import { freeWriting, takeDispatch } from './resume.ts';
import { retryTask } from './retry.ts';
import { readHeader } from './spec-ref.ts';

const spc = testSpec(1);
const ref = { prj: testProject, spc };
const one = testNode(1);
const two = testNode(2);
const { signal } = new AbortController();

const base: SpecHeader = {
  v: SCHEMA_VERSION,
  state: 'active',
  cursor: 2,
  tasks: 2,
  chunks: 1,
  counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
  failure: 'continue',
  digest: 'd',
  createdAt: 0,
  coordinator: one,
};

/** A node of its own and its connection, beside whose first write `change` is written. */
async function scene(header: Partial<SpecHeader> | undefined, change: Op) {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const member = await membership.join(one);
  const key = f.keys.spec(testProject, spc);
  if (header !== undefined) await put(f, key, codecs.spec, { ...base, ...header });
  const deps = depsOf(f, membership, member);
  const store = meanwhile(f.store, () => f.store.txn({ compares: [], success: [change] }));
  const now = () => readHeader(f.ctx, ref);
  return { f, membership, key, deps: { ...deps, ctx: { ...deps.ctx, store } }, now };
}

const { keys } = fixture();
const headerKey = keys.spec(testProject, spc);
const headerPut = (over: Partial<SpecHeader>): Op => ({
  op: 'put',
  key: headerKey,
  value: codecs.spec.encode({ ...base, ...over }),
});
const gone = (key: string): Op => ({ op: 'delete', key });
const nodePut = (key: string): Op => ({ op: 'put', key, value: '{}' });

/** Lets virtual time pass until the promise settles. */
async function wait<T>(f: ReturnType<typeof fixture>, promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  await f.clock.until(() => settled, 60_000, 'a promise');
  return promise;
}

describe('the cancel', () => {
  test('of a spec keeps what was written meanwhile', async () => {
    const { f, deps, now } = await scene({}, headerPut({ name: 'renamed' }));
    await wait(f, cancelSpec(deps, testProject, spc, signal));
    expect((await now())?.record).toMatchObject({ name: 'renamed', state: 'cancelling' });
  });

  test('of a blocked task counts the attempt that it has by then', async () => {
    const blocked = keys.blocked(spc, testTask(1));
    const value = codecs.blocked.encode({ v: SCHEMA_VERSION, attempt: 2 });
    const { f, deps } = await scene({}, { op: 'put', key: blocked, value });
    await put(f, blocked, codecs.blocked, { v: SCHEMA_VERSION });
    await wait(f, cancelTask(deps, testProject, testTask(1), signal));
    const { kv } = await f.store.get(keys.result(spc, testTask(1)));
    expect(codecs.result.decode('', kv?.value as Buffer)).toMatchObject({ outcome: 'cancelled', attempt: 2 });
  });

  test('of a blocked task does not replace a result', async () => {
    const result = keys.result(spc, testTask(1));
    const value = codecs.result.encode({ v: SCHEMA_VERSION, outcome: 'succeeded', endedAt: 0, attempt: 1 });
    const { f, deps } = await scene({}, { op: 'put', key: result, value });
    await put(f, keys.blocked(spc, testTask(1)), codecs.blocked, { v: SCHEMA_VERSION });
    await expect(wait(f, cancelTask(deps, testProject, testTask(1), signal))).rejects.toMatchObject({
      code: 'wrong-state',
    });
    const { kv } = await f.store.get(result);
    expect(codecs.result.decode('', kv?.value as Buffer).outcome).toBe('succeeded');
  });

  test('of a one-task spec keeps what was written meanwhile into its header, and an entry that was claimed', async () => {
    for (const what of ['header', 'entry'] as const) {
      const rig = await SpecRig.create(1);
      const id = await rig.dispatch([{}]);
      const rename = async () => {
        if (what === 'entry') return rig.claim(1);
        const header = await rig.header(id);
        await put(rig.f, rig.f.keys.spec(testProject, id), codecs.spec, { ...(header as SpecHeader), name: 'renamed' });
      };
      const { deps } = rig.node(1);
      const store = meanwhile(rig.f.store, rename);
      await wait(rig.f, cancelSpec({ ...deps, ctx: { ...deps.ctx, store } }, testProject, id, signal));
      if (what === 'header') expect(await rig.header(id)).toMatchObject({ name: 'renamed', state: 'cancelled' });
      else expect((await rig.entries())[0]?.record).toMatchObject({ claim: { nonce: 'n' }, cancel: {} });
      await rig.finish(() => 'cancelled');
      await rig.stop();
    }
  });
});

describe('taking over the coordination of a dead node', () => {
  const coordOf = (node: typeof one) => keys.coord(node, spc);

  async function take(header: Partial<SpecHeader> | undefined, change: Op) {
    const at = await scene(header, change);
    await put(at.f, coordOf(two), codecs.coord, { v: SCHEMA_VERSION, prj: testProject });
    const outcome = await wait(at.f, takeOverCoordination(at.deps, two, testProject, spc, signal));
    const present = async (key: string) => (await at.f.store.get(key)).kv !== undefined;
    return { ...at, outcome, own: await present(coordOf(one)), old: await present(coordOf(two)) };
  }

  test('keeps what was written into the header meanwhile', async () => {
    const { now, own, old } = await take({ coordinator: two }, headerPut({ coordinator: two, name: 'renamed' }));
    expect((await now())?.record).toMatchObject({ name: 'renamed', coordinator: one });
    expect([own, old]).toEqual([true, false]);
  });

  test('takes nothing from one that is back', async () => {
    const { now, own, old, outcome } = await take({ coordinator: two }, nodePut(keys.node(two)));
    expect((await now())?.record.coordinator).toBe(two);
    expect([own, old, outcome]).toEqual([false, true, 'later']);
  });

  test('gives nothing to one that is gone by then', async () => {
    const { now, outcome } = await take({ coordinator: two }, gone(keys.node(one)));
    expect((await now())?.record.coordinator).toBe(two);
    expect(outcome).toBe('later');
  });

  test('forgets no spec whose header appears meanwhile', async () => {
    const { now, own } = await take(undefined, headerPut({ coordinator: two }));
    expect((await now())?.record.coordinator).toBe(one);
    expect(own).toBe(true);
  });
});

describe('a dispatch that its dispatcher left', () => {
  const dispatching = { state: 'dispatching', dispatcher: { node: two, epoch: '1' } } as const;

  test('is not taken when its header was changed meanwhile, nor by a session that is over', async () => {
    for (const change of [headerPut({ ...dispatching, name: 'renamed' }), gone(keys.node(one))]) {
      const { f, deps, now } = await scene(dispatching, change);
      const header = await now();
      if (header === undefined) throw new Error('no header');
      expect(await wait(f, takeDispatch(deps, ref, header, signal))).toBeUndefined();
      expect((await now())?.record.dispatcher).toEqual(dispatching.dispatcher);
    }
  });

  test('is not removed when it was accepted meanwhile', async () => {
    const { f, deps, now } = await scene({ ...dispatching, state: 'writing' }, headerPut(dispatching));
    const header = await now();
    if (header === undefined) throw new Error('no header');
    await wait(f, freeWriting(deps, ref, header, signal));
    expect((await now())?.record.state).toBe('dispatching');
  });
});

describe('a spec that is dispatched in parts', () => {
  const dispatcher = { node: one, epoch: '1' };
  const tasks = [definition(), definition()];

  test('is dispatched to its end though another node comes to coordinate it meanwhile', async () => {
    const header = { state: 'dispatching', cursor: 0, dispatcher } as const;
    const { f, deps, now } = await scene(header, headerPut({ ...header, coordinator: two }));
    const from = await now();
    if (from === undefined) throw new Error('no header');
    await wait(f, dispatchRecords(deps, ref, from, new ChunkList(tasks), signal));
    expect((await now())?.record).toMatchObject({ state: 'active', cursor: 2, coordinator: two });
  });

  test('is removed when its body cannot be written, though another node comes to coordinate it meanwhile', async () => {
    const header = { state: 'writing', cursor: 0, dispatcher } as const;
    const { f, deps, now } = await scene(header, headerPut({ ...header, coordinator: two }));
    await put(f, keys.coord(two, spc), codecs.coord, { v: SCHEMA_VERSION, prj: testProject });
    const from = await now();
    if (from === undefined) throw new Error('no header');
    await wait(f, freeWriting(deps, ref, from, signal));
    expect(await now()).toBeUndefined();
    expect((await f.store.get(keys.coord(two, spc))).kv).toBeUndefined();
  });

  test('is written by whoever coordinates it, once its dispatcher is gone: none is named any more', async () => {
    const { f, deps, now } = await scene({ state: 'dispatching', cursor: 0, dispatcher }, headerPut({}));
    const from = await now();
    if (from === undefined) throw new Error('no header');
    const taken = await wait(f, takeDispatch({ ...deps, ctx: f.ctx }, ref, from, signal));
    expect(taken?.record.dispatcher).toBeUndefined();
    expect((await now())?.record).toEqual(taken?.record);
  });
});

describe('the settings of a node', () => {
  test('of two operators at once both hold', async () => {
    const value = codecs.nodeconf.encode({ v: SCHEMA_VERSION, cordoned: { at: 1 } });
    const { f, deps } = await scene(undefined, { op: 'put', key: keys.nodeconf(one), value });
    await wait(f, drain(deps, one, 1_000, signal));
    await wait(f, cordon(deps, one, signal));
    const { kv } = await f.store.get(keys.nodeconf(one));
    expect(codecs.nodeconf.decode('', kv?.value as Buffer)).toMatchObject({ cordoned: { at: 1 }, drain: {} });
  });
});

describe('a coordinator', () => {
  /** Writes a name into the header right before the first header put that `which` is about. */
  async function renamedBefore(which: (next: SpecHeader) => boolean) {
    let id: SpecId | undefined;
    const rename = async () => {
      const header = await rig.header(id as SpecId);
      await put(rig.f, rig.f.keys.spec(testProject, id as SpecId), codecs.spec, {
        ...(header as SpecHeader),
        name: 'renamed',
      });
    };
    const wrap = (store: MemoryStore) =>
      meanwhile(store, rename, ({ success = [] }) =>
        success.some(
          (op) =>
            id !== undefined &&
            op.op === 'put' &&
            lastPart(op.key) === id &&
            op.key === rig.f.keys.spec(testProject, id) &&
            which(codecs.spec.decode(op.key, Buffer.from(op.value))),
        ),
      );
    const rig: SpecRig = await SpecRig.create(1, {}, wrap);
    // The rig gives a coordinator its connection in `deps`.
    id = await rig.dispatch([{}, { needs: [1] }, { needs: [2] }]);
    const header = await rig.runToEnd(id);
    await rig.stop();
    return header;
  }

  test('that writes its progress keeps what was written meanwhile', async () => {
    const header = await renamedBefore(({ endedAt }) => endedAt === undefined);
    expect(header).toMatchObject({ name: 'renamed', state: 'succeeded' });
  });

  test('that finalizes keeps what was written meanwhile', async () => {
    const header = await renamedBefore(({ endedAt }) => endedAt !== undefined);
    expect(header).toMatchObject({ name: 'renamed', state: 'succeeded' });
  });

  test('that leaves stays when it is named again meanwhile', async () => {
    const rig = await SpecRig.create(2);
    const id = await rig.dispatch([{}, { needs: [1] }]);
    const key = rig.f.keys.spec(testProject, id);
    const header = (await rig.header(id)) as SpecHeader;
    const [owner, other] = header.coordinator === rig.node(1).id ? [1, 2] : [2, 1];
    const name = (n: number) => put(rig.f, key, codecs.spec, { ...header, coordinator: rig.node(n).id });
    // Named in the header, it hears of that; the other one's key is left there, as by a hand-over half seen.
    const back = meanwhile(
      rig.node(owner).store,
      () => name(owner),
      ({ success = [] }) => {
        return success.some((op) => op.op === 'delete' && op.key === rig.f.keys.coord(rig.node(owner).id, id));
      },
    );
    Object.assign(rig.node(owner).deps.ctx, { store: back });
    await name(other);
    expect(await rig.runToEnd(id)).toMatchObject({ state: 'succeeded' });
    await rig.stop();
  });
});

describe('the retry of a task', () => {
  test('that was skipped is refused: it would be skipped again', async () => {
    const rig = await SpecRig.create(1);
    const id = await rig.dispatch([{}, { needs: [1] }, {}]);
    await rig.settle();
    await rig.finish((index) => (index === 1 ? 'failed' : undefined));
    await rig.settle();
    const retrying = retryTask(rig.node(1).deps, testProject, taskId(id, 2), signal);
    await expect(wait(rig.f, retrying)).rejects.toMatchObject({ code: 'wrong-state' });
    expect(await rig.runToEnd(id)).toMatchObject({ state: 'failed', counts: { skipped: 1 } });
    await rig.stop();
  });

  test('keeps what was written into the header meanwhile', async () => {
    const rig = await SpecRig.create(1);
    const id = await rig.dispatch([{}, {}]);
    await rig.settle();
    await rig.finish((index) => (index === 1 ? 'failed' : undefined));
    await rig.settle();
    const key = rig.f.keys.spec(testProject, id);
    const rename = async () =>
      put(rig.f, key, codecs.spec, { ...((await rig.header(id)) as SpecHeader), name: 'renamed' });
    const { deps } = rig.node(1);
    const store = meanwhile(rig.f.store, rename);
    await wait(rig.f, retryTask({ ...deps, ctx: { ...deps.ctx, store } }, testProject, taskId(id, 1), signal));
    expect(await rig.runToEnd(id)).toMatchObject({ name: 'renamed', state: 'succeeded' });
    await rig.stop();
  });
});

test.each([
  ['archived since: it was this end', { archived: { chunks: 1 } }, true],
  ['retried since: nobody can tell', { state: 'active', endedAt: undefined }, undefined],
] as const)('the answer to the end of a spec was lost, and it was %s (seed 510401)', async (_what, since, told) => {
  const f = fixture();
  const key = f.keys.spec(testProject, spc);
  await put(f, key, codecs.spec, base);
  let sent = 0;
  const call = ({ method }: { method: string }) => (method === 'txn' && sent++ === 0 ? { dropReply: true } : undefined);
  const store = new FaultyStore({ store: f.store, clock: f.clock, plan: { call } });
  const fence = new HeaderFence({ ...f.ctx, store }, ref, signal);
  await fence.read();
  const last = { ...base, state: 'succeeded', endedAt: 7 } as const;
  const ending = fence.end(last, []);
  await f.clock.advance(1_000);
  const { endedAt, ...rest } = { ...last, ...since };
  await put(f, key, codecs.spec, endedAt === undefined ? rest : { ...rest, endedAt });
  await f.clock.advance(10_000);
  expect(await ending).toBe(told);
  expect(sent).toBe(2);
});
