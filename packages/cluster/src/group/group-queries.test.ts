/** What people call members by: names of nodes, groups and users, in one name space that has no order of precedence. */
import { IdMinter, type UserId } from '@boi/core';
import { SeededRandom } from '@boi/core/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identityCodecs } from '../identity/records.ts';
import { SCHEMA_VERSION } from '../records.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';

let cluster: TestCluster;
let node: TestNode;
let minter: IdMinter;

beforeEach(async () => {
  cluster = new TestCluster();
  minter = new IdMinter(cluster.clock, new SeededRandom(1));
  node = await cluster.join(1);
  await cluster.wait(node.node.api.createGroup('builders'));
});
afterEach(() => cluster.stop());

async function user(name: string, more: { revokedAt?: number } = {}): Promise<UserId> {
  const id = minter.mint('user');
  const value = identityCodecs.user.encode({ v: SCHEMA_VERSION, name, role: 'viewer', createdAt: 0, ...more });
  await cluster.store.txn({ compares: [], success: [{ op: 'put', key: cluster.keys.user(id), value }] });
  return id;
}
const add = (...members: string[]) => cluster.wait(node.node.api.addToGroup('operators', members));

test('a member is named by the name of a node, a group or a user, and shown with it', async () => {
  const alice = await user('alice');
  const { members } = await add('alice', node.id, 'builders');
  expect(members.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual([
    'group builders',
    'node undefined',
    'user alice',
  ]);
  expect(members.find(({ kind }) => kind === 'user')?.id).toBe(alice);
  const { items } = await cluster.wait(node.node.api.listGroups({ name: 'operators' }));
  expect(items[0]?.members).toEqual(members);
  const left = await cluster.wait(node.node.api.removeFromGroup('operators', ['alice']));
  expect(left.members.map(({ kind }) => kind)).not.toContain('user');
});

test('a name of several is refused with all that have it, of whatever kind, and nothing is written', async () => {
  const ids = [await user('builders'), await user('builders')];
  const error = (await add('builders').catch((thrown: unknown) => thrown)) as { code: string; details: object };
  expect(error.code).toBe('ambiguous-name');
  expect(error.details).toEqual({ candidates: expect.arrayContaining(ids) });
  expect((error.details as { candidates: string[] }).candidates).toHaveLength(3);
  expect((await cluster.wait(node.node.api.group('operators'))).members).toEqual([]);
});

test('a user who was revoked is no candidate by name, and nobody is not guessed', async () => {
  await user('bob', { revokedAt: 1 });
  await expect(add('bob')).rejects.toMatchObject({ code: 'not-found' });
  const bob = await user('bob');
  expect((await add('bob')).members).toMatchObject([{ kind: 'user', id: bob, name: 'bob' }]);
  await expect(add('Bob')).rejects.toMatchObject({ code: 'not-found' });
});

test.each(['😀', '日', 'x'])('a name of 128 %s is taken, and found', async (character) => {
  const name = character.repeat(128);
  const { id } = await cluster.wait(node.node.api.createGroup(name));
  expect((await cluster.wait(node.node.api.listGroups({ name }))).items.map((group) => group.id)).toEqual([id]);
  expect(await cluster.wait(node.node.api.group(name))).toMatchObject({ id });
});
