import type { GroupId, NodeId, UserId } from '@boi/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SCHEMA_VERSION } from '../records.ts';
import { fixture, StaticMembership, testNode } from '../testing/fixtures.ts';
import { Groups } from './groups.ts';
import type { GroupMember, GroupRecord } from './records.ts';
import { roleByGroups } from './reserved.ts';
import { targetOf } from './target.ts';

const grp = (n: number) => testNode(n).replace('nod_', 'grp_') as GroupId;
const usr = (n: number) => testNode(n).replace('nod_', 'usr_') as UserId;

const record = (members: readonly GroupMember[], over: Partial<GroupRecord> = {}): GroupRecord => ({
  v: SCHEMA_VERSION,
  members: [...members],
  createdAt: 0,
  ...over,
});

const groupsOf = (...records: readonly GroupRecord[]) =>
  new Groups(new Map(records.map((each, i) => [grp(i + 1), each])), '7' as Groups['revision']);

describe('what a group holds', () => {
  test('is its nodes and users, and those of the groups in it, however deep', () => {
    const groups = groupsOf(record([testNode(1), grp(2)]), record([usr(5), grp(3)]), record([testNode(2)]));
    expect([...groups.holds(grp(1))].sort()).toEqual([testNode(1), testNode(2), usr(5)].sort());
    expect(groups.has(grp(3), testNode(1))).toBe(false);
  });

  test('is nothing for a group that there is not, and such a member harms nobody', () => {
    const groups = groupsOf(record([testNode(1), grp(9)]));
    expect([...groups.holds(grp(1))]).toEqual([testNode(1)]);
    expect(groups.holds(grp(9)).size).toBe(0);
  });

  test('of any records, cycles included, is what can be reached', () => {
    const member = fc.integer({ min: 1, max: 12 });
    const shape = fc.array(fc.tuple(fc.array(member, { maxLength: 4 }), fc.array(member, { maxLength: 3 })), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(shape, (lists) => {
        const groups = groupsOf(...lists.map(([inner, nodes]) => record([...inner.map(grp), ...nodes.map(testNode)])));
        // Until nothing is added any more: the definition, without an order of visiting.
        const reached = new Set([1]);
        for (let size = 0; size !== reached.size; ) {
          size = reached.size;
          for (const n of [...reached]) for (const inner of lists[n - 1]?.[0] ?? []) reached.add(inner);
        }
        const nodes = new Set([...reached].flatMap((n) => lists[n - 1]?.[1] ?? []).map(testNode));
        expect(groups.holds(grp(1))).toEqual(nodes);
        for (let n = 1; n <= 12; n++) expect(groups.path(grp(1), grp(n)) !== undefined).toBe(reached.has(n));
      }),
    );
  });
});

test('a path between groups names each on the way', () => {
  const groups = groupsOf(record([grp(2)]), record([grp(3), grp(4)]), record([]), record([]));
  expect(groups.path(grp(1), grp(4))).toEqual([grp(1), grp(2), grp(4)]);
  expect(groups.path(grp(1), grp(1))).toEqual([grp(1)]);
  expect(groups.path(grp(3), grp(1))).toBeUndefined();
});

test('the groups that carry authority give their users a role, the higher first; a group of the same name does not', () => {
  const groups = groupsOf(
    record([grp(3)], { name: 'admins', reserved: true }),
    record([usr(1), usr(2)], { name: 'operators', reserved: true }),
    record([usr(1)], { name: 'team' }),
    record([usr(4)], { name: 'admins' }),
  );
  expect([1, 2, 3, 4].map((n) => roleByGroups(groups, usr(n)))).toEqual(['admin', 'operator', undefined, undefined]);
});

describe('a target', () => {
  async function look(target: string, groups: Groups, nodes: Readonly<Record<number, string>>) {
    const membership = await StaticMembership.create(fixture());
    for (const [n, name] of Object.entries(nodes)) await membership.join(testNode(Number(n)), { name });
    const { has, explain } = targetOf({ ...membership.snapshot(), groups }, target);
    const ids: NodeId[] = Object.keys(nodes).map((n) => testNode(Number(n)));
    return { in: ids.filter(has).map((id) => ids.indexOf(id) + 1), why: explain(ids.length) };
  }
  const groups = groupsOf(
    record([testNode(1), grp(2)], { name: 'builders' }),
    record([testNode(2)], { name: 'inner' }),
    record([], { name: 'empty' }),
    record([testNode(1)], { name: 'web' }),
  );
  const nodes = { 1: 'one', 2: 'two', 3: 'web' };

  test('is a node or a group, by id or name', async () => {
    expect((await look(testNode(2), groups, nodes)).in).toEqual([2]);
    expect((await look('two', groups, nodes)).in).toEqual([2]);
    expect((await look(grp(1), groups, nodes)).in).toEqual([1, 2]);
    expect((await look('builders', groups, nodes)).in).toEqual([1, 2]);
  });

  test('that holds no live node says so', async () => {
    expect(await look('empty', groups, nodes)).toEqual({
      in: [],
      why: 'target group empty: 0 of 3 nodes are members',
    });
    expect((await look('nothing', groups, nodes)).why).toContain('no live node and no group of this name');
    expect((await look(grp(9), groups, nodes)).why).toContain('no such group');
    expect((await look(testNode(9), groups, nodes)).why).toContain('is not live');
  });

  test('of a name that two things have is nobody', async () => {
    const { in: members, why } = await look('web', groups, nodes);
    expect(members).toEqual([]);
    expect(why).toContain(`ambiguous (${testNode(3)}, ${grp(4)})`);
  });
});
