/** The compares of the duties over waiting work, each by what goes wrong without it: something changes right before the write. */
import { type BoiError, type SpecId, type TaskId, taskId } from '@boi/core';
import type { MemoryStore, Op, Revision } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HeldTasks, newHeld } from '../claim/held.ts';
import { OwnQueue } from '../claim/own-queue.ts';
import { Stealer } from '../claim/steal.ts';
import { lastPart } from '../keys.ts';
import type { Member } from '../membership/membership-types.ts';
import { codecs, type QueueEntry, SCHEMA_VERSION } from '../records.ts';
import { Adopter } from '../takeover/adopter.ts';
import {
  claimedEntry,
  definition,
  depsOf,
  entry,
  type Fixture,
  fixture,
  nodeRecord,
  put,
  read,
  StaticMembership,
  testNode,
  testProject,
  testTask,
} from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { planRebalance, Rebalancer } from './rebalance.ts';
import { sendMoves } from './send-moves.ts';
import { UnassignedDuty } from './unassigned.ts';

const one = testNode(1);
const two = testNode(2);
let f: Fixture;
let membership: StaticMembership;
let self: Member;

beforeEach(async () => {
  f = fixture();
  membership = await StaticMembership.create(f);
  self = await membership.join(one);
});

/** What a service of the first node is built from; right before its first write `change` is written. */
function deps(...change: Op[]) {
  const made = depsOf(f, membership, self);
  const store = meanwhile(f.store, () => f.store.txn({ compares: [], success: change }));
  return { ...made, ctx: { ...made.ctx, store } };
}

const inQueue = (node: typeof one, over: Partial<QueueEntry> = {}) =>
  put(f, f.keys.queue(node, testTask(1)), codecs.entry, entry(over));
const at = (node: typeof one) => read(f, f.keys.queue(node, testTask(1)), codecs.entry);
const gone = (key: string): Op => ({ op: 'delete', key });

describe('a theft is refused when', () => {
  let queue: OwnQueue;
  const held = new HeldTasks();

  beforeEach(async () => {
    for (const each of held.all()) held.remove(each);
    await membership.join(two);
    membership.setLoad(two, { busy: 4, queued: 20 });
    queue = new OwnQueue(f.ctx, one, (task, nonce) => held.runsHere(task, nonce));
    await queue.mirror.start();
    await inQueue(two);
  });

  afterEach(() => queue.mirror.stop());

  const steal = (...change: Op[]) =>
    new Stealer(deps(...change), { held, queue, capacity: 4, mayClaim: () => true, wake: () => {} }).steal();

  test('nothing is: it takes the entry', async () => {
    expect(await steal(gone('/boi/nothing'))).toBe(1);
  });

  test('the session of the thief is over', async () => {
    expect(await steal(gone(f.keys.node(one)))).toBe(0);
    expect(await at(two)).not.toHaveProperty('claim');
  });

  test('the thief was cordoned', async () => {
    const value = codecs.nodeconf.encode({ v: SCHEMA_VERSION, cordoned: { at: 0 } });
    expect(await steal({ op: 'put', key: f.keys.nodeconf(one), value })).toBe(0);
    expect(await at(two)).toBeDefined();
  });

  test('the cluster was restored', async () => {
    const value = codecs.incarnation.encode({ v: SCHEMA_VERSION, id: 'i2' });
    expect(await steal({ op: 'put', key: f.keys.incarnation(), value })).toBe(0);
    expect(await at(two)).toBeDefined();
  });

  test('its owner has claimed the entry', async () => {
    const value = codecs.entry.encode(claimedEntry());
    expect(await steal({ op: 'put', key: f.keys.queue(two, testTask(1)), value })).toBe(0);
    expect(await at(two)).toMatchObject({ claim: { nonce: 'c1' } });
  });

  test('a copy that was taken from the thief is still ending there (seed 501543)', async () => {
    const key = f.keys.queue(one, testTask(1));
    const copy = {
      task: testTask(1),
      key,
      nonce: 'n',
      fence: '5' as Revision,
      incarnation: '1' as Revision,
      entry: claimedEntry(),
    };
    held.add(newHeld({ ...copy, phase: 'running' }));
    expect(await steal(gone('/boi/nothing'))).toBe(0);
    expect(await at(two)).not.toHaveProperty('claim');
  });

  test('an entry of the task is in the own queue', async () => {
    const value = codecs.entry.encode(entry({ priority: 7 }));
    expect(await steal({ op: 'put', key: f.keys.queue(one, testTask(1)), value })).toBe(0);
    expect(await at(one)).toMatchObject({ priority: 7 });
  });
});

describe('a theft whose answer was lost is held', () => {
  const held = new HeldTasks();

  /** `meanwhile` happens between the two sendings. */
  async function theft(meanwhile: () => Promise<unknown>): Promise<void> {
    for (const each of held.all()) held.remove(each);
    await membership.join(two);
    membership.setLoad(two, { busy: 4, queued: 20 });
    const queue = new OwnQueue(f.ctx, one, (task, nonce) => held.runsHere(task, nonce));
    await queue.mirror.start();
    await inQueue(two);
    let batches = 0;
    const call = ({ method }: { method: string }) =>
      method === 'batch' && batches++ === 0 ? { dropReply: true } : undefined;
    const made = depsOf(f, membership, self);
    const store = new FaultyStore({ store: f.store, clock: f.clock, plan: { call } });
    const options = { held, queue, capacity: 4, mayClaim: () => true, wake: () => {} };
    const taken = new Stealer({ ...made, ctx: { ...made.ctx, store } }, options).steal();
    await f.clock.until(() => batches === 1, 1_000, 'the theft is sent');
    await meanwhile();
    await f.clock.until(() => batches === 2, 30_000, 'it is sent again');
    expect(await taken).toBe(1);
    expect(held.get(testTask(1))).toMatchObject({ nonce: (await at(one))?.claim?.nonce, entry: { deliveries: 1 } });
    await queue.mirror.stop();
  }

  const key = () => f.keys.queue(one, testTask(1));
  const cordon = () => put(f, f.keys.nodeconf(one), codecs.nodeconf, { v: SCHEMA_VERSION, cordoned: { at: 0 } });
  const mark = async () => put(f, key(), codecs.entry, { ...((await at(one)) as QueueEntry), cancel: { at: 0 } });

  test('although the thief was cordoned before it could be sent again', () => theft(cordon));

  test.each([
    ['', mark],
    [', and the thief cordoned', async () => [await mark(), await cordon()]],
  ])('as one to be cancelled, under the fence of its claim, if it was marked meanwhile%s', async (_also, meanwhile) => {
    await theft(meanwhile);
    const { kv } = await f.store.get(key());
    expect(kv?.modRevision).not.toBe(kv?.createRevision);
    expect(held.get(testTask(1))).toMatchObject({
      fence: kv?.createRevision,
      revision: kv?.modRevision,
      entry: { cancel: { at: 0 } },
    });
  });
});

describe('a rebalancing is refused when', () => {
  async function rebalance(change: Op): Promise<number> {
    await membership.join(two, { slots: 1_000_000 });
    const stored = await inQueue(one);
    const own = deps(change);
    const moves = planRebalance(own, two, [stored]);
    expect(moves).toHaveLength(1);
    return (await sendMoves(own, moves, own.session.compares(), own.session.signal())).applied.length;
  }

  test('the session of this node is over', async () => {
    const stored = await inQueue(one);
    const rebalancer = new Rebalancer(deps(gone(f.keys.node(one))), () => [stored]);
    rebalancer.start();
    await membership.join(two, { slots: 1_000_000 });
    await f.clock.advance(100);
    await rebalancer.stop();
    expect((await f.store.get(f.keys.node(one))).kv).toBeUndefined();
    expect(await at(one)).toBeDefined();
  });

  test('the newcomer is gone again', async () => {
    expect(await rebalance(gone(f.keys.node(two)))).toBe(0);
    expect(await at(one)).toBeDefined();
  });
});

test('why an entry waits is not written back over one that was placed meanwhile', async () => {
  const key = f.keys.unassigned(testTask(1));
  await put(f, key, codecs.entry, entry({ requires: [{ key: 'gpu', op: 'exists', value: true }] }));
  const duty = new UnassignedDuty(deps(gone(key)));
  duty.start();
  await f.clock.advance(100);
  expect((await f.store.get(key)).kv).toBeUndefined();
  await duty.stop();
});

describe('an adoption', () => {
  const adopter = (...change: Op[]) => new Adopter(deps(...change));
  const back = (): Op => ({ op: 'put', key: f.keys.node(two), value: codecs.node.encode(nodeRecord()) });

  test('gives up as poison nothing of a node that is back', async () => {
    await inQueue(two, claimedEntry({ deliveries: 3 }));
    expect(await adopter(back()).adopt(two)).toMatchObject({ outcome: 'alive' });
    expect(await at(two)).toMatchObject({ claim: { nonce: 'c1' } });
  });

  test('forgets no settings of a node that is back', async () => {
    const conf = f.keys.nodeconf(two);
    await put(f, conf, codecs.nodeconf, { v: SCHEMA_VERSION, cordoned: { at: 0 } });
    await expect(adopter(back()).removeNode(two)).rejects.toMatchObject({ code: 'wrong-state' });
    expect(await read(f, conf, codecs.nodeconf)).toBeDefined();
  });
});

describe('a dispatch', () => {
  /** A rig whose first node finds `change` done right before the first write that `which` is about. */
  function rigged(nodes: number, change: (rig: SpecRig) => Promise<unknown>, which: (ops: readonly Op[]) => boolean) {
    let rig: SpecRig | undefined;
    const wrap = (store: MemoryStore, n: number) =>
      n === 1
        ? meanwhile(
            store,
            () => change(rig as SpecRig),
            (request) =>
              which([request, ...('items' in request ? request.items : [])].flatMap(({ success = [] }) => success)),
          )
        : store;
    return SpecRig.create(nodes, {}, wrap).then((made) => {
      rig = made;
      return made;
    });
  }
  const many = (count: number) => Array.from({ length: count }, () => ({}));
  const drop = (rig: SpecRig, key: string) => rig.f.store.txn({ compares: [], success: [gone(key)] });

  test('puts no record into the queue of a node that is gone', async () => {
    const rig = await rigged(
      2,
      (made) => drop(made, made.f.keys.node(two)),
      (ops) => ops.filter(({ key }) => key.includes(`/queue/${two}/`)).length > 10,
    );
    await rig.dispatch(many(200));
    await rig.settle(10);
    expect((await rig.entries()).filter(({ key }) => key.includes(`/queue/${two}/`))).toEqual([]);
    await rig.membership.die(two);
    await rig.settle(2_000);
    expect(await rig.queued()).toHaveLength(200);
    await rig.stop();
  });

  test('takes no id that there is already', async () => {
    let taken = '';
    const theirs = codecs.spec.encode({
      v: SCHEMA_VERSION,
      state: 'succeeded',
      cursor: 0,
      tasks: 0,
      chunks: 0,
      counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
      failure: 'continue',
      digest: 'theirs',
      createdAt: 0,
      endedAt: 0,
    });
    const rig = await rigged(
      1,
      (made) => made.f.store.txn({ compares: [], success: [{ op: 'put', key: taken, value: theirs }] }),
      (ops) => {
        taken = ops.find(({ key }) => key.includes('/specs/'))?.key ?? '';
        return taken !== '';
      },
    );
    const spc = await rig.dispatch([{}, {}]);
    expect(spc).not.toBe(lastPart(taken));
    expect((await rig.header(lastPart(taken) as SpecId))?.digest).toBe('theirs');
    await rig.stop();
  });

  test('names no coordinator that is gone', async () => {
    // Nothing can run: the coordinator's is the only node record compared.
    const nowhere = { requires: [{ key: 'gpu', op: 'exists' as const, value: true }] };
    let coordinator = one;
    const rig = await rigged(
      2,
      async (made) => {
        await drop(made, made.f.keys.node(coordinator));
        await made.membership.die(coordinator);
      },
      (ops) => {
        const key = ops.find(({ key }) => key.includes('/coord/'))?.key;
        coordinator = (key?.split('/').at(-2) ?? one) as typeof one;
        return key !== undefined;
      },
    );
    const dispatching = rig.dispatch([nowhere, nowhere]);
    await rig.settle(1_000);
    expect((await rig.header(await dispatching))?.coordinator).not.toBe(coordinator);
    await rig.stop();
  });

  test('is begun by no session that is over', async () => {
    let dropped = false;
    const rig = await rigged(
      2,
      (made) => {
        dropped = true;
        return drop(made, made.f.keys.node(one));
      },
      // Coordinated by the other node: its record is not the one that is gone.
      (ops) => ops.some(({ key }) => key.includes(`/coord/${two}/`)) && ops.some(({ key }) => key.includes('/specs/')),
    );
    const tasks = many(200).map((_, i) => definition({ ref: `t${i}` }));
    const spec = { failurePolicy: 'continue' as const, tasks };
    for (let n = 0; n < 50; n++) {
      const dispatching = rig.node(1).dispatcher.accept({ project: testProject, spec, digest: `d${n}` });
      const outcome = dispatching.catch((error: BoiError) => error);
      await rig.settle(5_000);
      if (!dropped) continue;
      expect(await outcome).toMatchObject({ code: 'unavailable' });
      break;
    }
    expect(dropped).toBe(true);
    await rig.stop();
  });

  test('that was freed before its body was whole is refused, and leaves nothing', async () => {
    let key = '';
    const rig = await rigged(
      1,
      (made) => drop(made, key),
      (ops) => {
        const [op] = ops;
        if (op?.op !== 'put' || !op.key.includes('/specs/')) return false;
        key = op.key;
        return codecs.spec.decode(key, Buffer.from(op.value)).state === 'dispatching';
      },
    );
    const tasks = many(200).map((_, i) => definition({ ref: `t${i}` }));
    const spec = { failurePolicy: 'continue' as const, tasks };
    const refused = rig
      .node(1)
      .dispatcher.accept({ project: testProject, spec, digest: 'd' })
      .catch((error: BoiError) => error);
    await rig.settle(1_000);
    expect(await refused).toMatchObject({ code: 'unavailable' });
    expect((await rig.f.store.get(key)).kv).toBeUndefined();
    const task: TaskId = taskId(lastPart(key) as SpecId, 1);
    expect((await rig.entries()).filter((found) => lastPart(found.key) === task)).toEqual([]);
    await rig.stop();
  });
});
