/** Copies of requests that arrive when what they did has been undone. */
import { expect, test } from 'vitest';
import { testNode } from '../testing/fixtures.ts';
import { identityRig, ROOT } from '../testing/identity-rig.ts';

test('a copy of a grant that arrives after the revocation grants nothing', async () => {
  const rig = await identityRig();
  const node = await rig.join(1);
  let copies = 0;
  rig.store.plan = {
    call: (call) =>
      call.method === 'txn' && call.txn.success.some(({ key }) => key.endsWith(`admins/${node}`)) && copies++ === 0
        ? { repeatAfterMs: 3_000 }
        : undefined,
  };
  await rig.identity.grantAdmin(node, ROOT);
  await rig.identity.revokeAdmin(node, ROOT);
  await rig.f.clock.advance(10_000);
  expect((await rig.identity.listAdmins()).map(({ id }) => id)).toEqual([testNode(1)]);
});
