/** A check reads at a revision that only its own hold keeps from being dropped. */
import { expect, test } from 'vitest';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import { depsOf, fixture, put, StaticMembership, testNode } from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { fsck } from './fsck.ts';

test('a check does not take over a hold that is there already: it would end with another’s', async () => {
  const f = fixture();
  const membership = await StaticMembership.create(f);
  const deps = depsOf(f, membership, await membership.join(testNode(1)));
  let hold = '';
  const theirs = { v: SCHEMA_VERSION, revision: '1', why: 'export' } as const;
  const store = meanwhile(f.store, () => put(f, hold, codecs.hold, theirs));
  const grant = f.store.grantLease.bind(f.store);
  f.store.grantLease = async (ttlMs: number) => {
    const answer = await grant(ttlMs);
    if (answer.outcome !== 'unknown') hold = f.keys.hold(`fsck-${testNode(1)}-${answer.lease}`);
    return answer;
  };
  await expect(fsck({ ...deps, ctx: { ...deps.ctx, store } })).rejects.toThrow('names one hold');
  const { kv } = await f.store.get(hold);
  expect(codecs.hold.decode('', kv?.value as Buffer)).toEqual(theirs);
});
