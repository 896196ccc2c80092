/** Who may hold duties. */
import { expect, test } from 'vitest';
import type { NodeConfRecord } from '../records.ts';
import { fixture, StaticMembership, testNode } from '../testing/fixtures.ts';
import { dutyWinner, holdsDuty } from './duty.ts';

async function winnerAmong(...confs: (NodeConfRecord | undefined)[]) {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  for (const [i, conf] of confs.entries()) await membership.join(testNode(i + 1), {}, conf);
  return (except?: ReturnType<typeof testNode>) => dutyWinner('compact', membership.snapshot(), except);
}

test('a node that is cordoned or cools down keeps its duties: somebody must take over what the dead left', async () => {
  expect((await winnerAmong({ v: 1, cordoned: { at: 0 } }))()).toBe(testNode(1));
  expect((await winnerAmong({ v: 1, coolingUntil: Number.MAX_SAFE_INTEGER }))()).toBe(testNode(1));
});

test('a node that drains holds none, nor does one hold the duty about itself', async () => {
  expect((await winnerAmong({ v: 1, drain: { at: 0, deadlineAt: 1 } }))()).toBeUndefined();
  expect((await winnerAmong(undefined, undefined))(testNode(1))).toBe(testNode(2));
});

test('exactly one of several holds it', async () => {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  for (let n = 1; n <= 5; n++) await membership.join(testNode(n));
  const snapshot = membership.snapshot();
  const holders = [...snapshot.members.keys()].filter((id) => holdsDuty(id, 'archive', snapshot));
  expect(holders).toHaveLength(1);
});
