/** Writes of groups, alone and in races: what a write was decided by still holds when it is made. */
import { type GroupId, isId, type UserId } from '@boi/core';
import type { MemoryStore, Txn } from '@boi/store';
import { describe, expect, test } from 'vitest';
import { initCluster } from '../init.ts';
import { allKeys, type Fixture, fixture, testNode, testProject } from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { addMembers, createGroup, deleteGroup, GROUP_MEMBERS_MAX, readGroups, removeMembers } from './change-groups.ts';
import { reservedGroup } from './reserved.ts';

const { signal } = new AbortController();

/** Lets virtual time pass until it settles. */
async function wait<T>(f: Fixture, promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  await f.clock.until(() => settled, 60_000, 'a write');
  return promise;
}

async function scene(...names: string[]) {
  const f = fixture();
  const ids: GroupId[] = [];
  for (const name of names) ids.push(await wait(f, createGroup(f.ctx, testProject, name, signal)));
  const members = async (id: GroupId) => (await readGroups(f.ctx)).byId.get(id)?.members;
  return { f, ids: ids as [GroupId, GroupId, GroupId], members };
}

describe('a group', () => {
  test('is created with its name in the index, and deleted with it', async () => {
    const { f, ids } = await scene('builders');
    expect(await allKeys(f)).toEqual([
      `groups/${ids[0]}`,
      'groups/rev',
      `names/${testProject}/group/builders/${ids[0]}`,
    ]);
    await wait(f, deleteGroup(f.ctx, testProject, ids[0], signal));
    await wait(f, deleteGroup(f.ctx, testProject, ids[0], signal));
    expect(await allKeys(f)).toEqual(['groups/rev']);
  });

  test('takes members once and gives them up once; what changes nothing writes nothing', async () => {
    const { f, ids, members } = await scene('a');
    await wait(f, addMembers(f.ctx, ids[0], [testNode(2), testNode(1), testNode(2)], signal));
    expect(await members(ids[0])).toEqual([testNode(1), testNode(2)]);
    const before = f.server.revision;
    await wait(f, addMembers(f.ctx, ids[0], [testNode(1)], signal));
    await wait(f, removeMembers(f.ctx, ids[0], [testNode(9)], signal));
    expect(f.server.revision).toBe(before);
    await wait(f, removeMembers(f.ctx, ids[0], [testNode(1)], signal));
    expect(await members(ids[0])).toEqual([testNode(2)]);
  });

  test('never contains itself, directly or by others', async () => {
    const { f, ids, members } = await scene('a', 'b', 'c');
    const [a, b, c] = ids;
    await expect(wait(f, addMembers(f.ctx, a, [a], signal))).rejects.toMatchObject({ code: 'cycle-detected' });
    await wait(f, addMembers(f.ctx, a, [b], signal));
    await wait(f, addMembers(f.ctx, b, [c], signal));
    const refused = wait(f, addMembers(f.ctx, c, [testNode(1), a], signal));
    await expect(refused).rejects.toMatchObject({ code: 'cycle-detected', details: { group: c, path: [a, b, c] } });
    expect(await members(c)).toEqual([]);
  });

  test('that is deleted stays harmlessly in others', async () => {
    const { f, ids, members } = await scene('a', 'b');
    const [a, b] = ids;
    await wait(f, addMembers(f.ctx, a, [b, testNode(1)], signal));
    await wait(f, deleteGroup(f.ctx, testProject, b, signal));
    expect(await members(a)).toHaveLength(2);
    expect([...(await readGroups(f.ctx)).holds(a)]).toEqual([testNode(1)]);
    await wait(f, removeMembers(f.ctx, a, [b], signal));
    expect(await members(a)).toEqual([testNode(1)]);
  });

  test('is refused when it is unknown, reserved, ill-named or too large', async () => {
    const { f, ids } = await scene('a');
    const gone = 'grp_01h00000000000000000000000' as GroupId;
    const code = (promise: Promise<unknown>) =>
      wait(
        f,
        promise.then(
          () => 'done',
          (error: { code: string }) => error.code,
        ),
      );
    expect(await code(addMembers(f.ctx, gone, [testNode(1)], signal))).toBe('not-found');
    expect(await code(addMembers(f.ctx, ids[0], [gone], signal))).toBe('not-found');
    expect(await code(createGroup(f.ctx, testProject, 'admins', signal))).toBe('reserved-identifier');
    expect(await code(createGroup(f.ctx, testProject, ' a', signal))).toBe('invalid-name');
    const many = Array.from(
      { length: GROUP_MEMBERS_MAX + 1 },
      (_, i) => `${testNode(1).slice(0, -4)}${String(1000 + i)}` as UserId,
    );
    expect(await code(addMembers(f.ctx, ids[0], many, signal))).toBe('too-large');
  });
});

describe('two writes at once', () => {
  test('that would make a cycle together: the second is refused', async () => {
    const { f, ids, members } = await scene('a', 'b');
    const [a, b] = ids;
    // Decided by what was there before the other's write, which comes right before its own.
    const store = meanwhile(f.store, () => addMembers(f.ctx, b, [a], signal));
    const racing = addMembers({ ...f.ctx, store }, a, [b], signal);
    await expect(wait(f, racing)).rejects.toMatchObject({ code: 'cycle-detected' });
    expect([await members(a), await members(b)]).toEqual([[], [a]]);
  });

  test('of one group both hold', async () => {
    const { f, ids, members } = await scene('a');
    const store = meanwhile(f.store, () => addMembers(f.ctx, ids[0], [testNode(2)], signal));
    await wait(f, addMembers({ ...f.ctx, store }, ids[0], [testNode(1)], signal));
    expect(await members(ids[0])).toEqual([testNode(1), testNode(2)]);
  });

  test('of which one deletes the group: nothing is added to it again', async () => {
    const { f, ids } = await scene('a');
    const store = meanwhile(f.store, () => deleteGroup(f.ctx, testProject, ids[0], signal));
    const adding = addMembers({ ...f.ctx, store }, ids[0], [testNode(1)], signal);
    await expect(wait(f, adding)).rejects.toMatchObject({ code: 'not-found' });
    expect((await readGroups(f.ctx)).byId.size).toBe(0);
  });

  test('in any order and however many: no cycle, whoever wins', async () => {
    const { f, ids } = await scene('a', 'b', 'c');
    const [a, b, c] = ids;
    const all = await wait(
      f,
      Promise.allSettled(
        [
          [a, b],
          [b, c],
          [c, a],
        ].map(([to, member]) => addMembers(f.ctx, to as GroupId, [member as GroupId], signal)),
      ),
    );
    expect(all.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    const groups = await readGroups(f.ctx);
    for (const id of ids) {
      const inside = (groups.byId.get(id)?.members ?? []).filter((member) => isId(member, 'group'));
      expect(inside.every((member) => groups.path(member as GroupId, id) === undefined)).toBe(true);
    }
  });
});

test('a write whose answer is lost is made once', async () => {
  const { f, ids, members } = await scene('a');
  let lost = 0;
  const store = new Proxy(f.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (txn: Txn) => Promise<unknown>;
      if (name !== 'txn') return call;
      return async (txn: Txn) => {
        const answer = await call(txn);
        return lost++ === 0 ? { outcome: 'unknown', cause: new Error('no answer') } : answer;
      };
    },
  }) as MemoryStore;
  const before = BigInt(f.server.revision);
  await wait(f, addMembers({ ...f.ctx, store }, ids[0], [testNode(1)], signal));
  expect(lost).toBe(2);
  expect(BigInt(f.server.revision)).toBe(before + 1n);
  expect(await members(ids[0])).toEqual([testNode(1)]);
});

describe('the groups that carry authority', () => {
  test('are made with the cluster, once, also when two begin it', async () => {
    const f = fixture();
    await wait(f, Promise.all([initCluster(f.ctx, signal), initCluster(f.ctx, signal)]));
    await wait(f, initCluster(f.ctx, signal));
    const groups = await readGroups(f.ctx);
    expect([...groups.byId.values()].map(({ name, reserved }) => [name, reserved])).toEqual([
      ['admins', true],
      ['operators', true],
    ]);
    const admins = reservedGroup(groups, 'admins') as GroupId;
    const deleting = deleteGroup(f.ctx, testProject, admins, signal);
    await expect(wait(f, deleting)).rejects.toMatchObject({ code: 'reserved-identifier' });
    expect((await readGroups(f.ctx)).byId.has(admins)).toBe(true);
  });
});
