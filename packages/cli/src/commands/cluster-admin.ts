/** `cluster admin list|grant|revoke`: which nodes hold the key of the CA. */
import type { AdminView } from '@boi/core';
import { compareNamed, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { presentList } from '../output/present.ts';
import { relative } from '../output/time.ts';
import type { Session } from '../session.ts';
import { changeEach } from './change-each.ts';

export async function listAdmins(session: Session, _args: Args): Promise<number> {
  const { items } = await session.client.call('admin.list', {});
  const now = session.io.now();
  await presentList<AdminView>(
    session,
    [...items].sort(compareNamed),
    [
      { title: 'NAME', cell: (a) => escapeName(a.name ?? ''), widthMax: 32 },
      { title: 'ID', cell: (a) => a.id },
      { title: 'SINCE', cell: (a) => relative(a.since, now) },
      { title: 'ADDRESS', cell: (a) => a.address ?? '' },
    ],
    'no admin nodes',
  );
  return 0;
}

export function grantAdmins(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('node'), async (nod) => {
    const answer = await session.client.call('admin.grant', { params: { nod }, body: {} });
    return { answer, id: nod, says: `is an admin; there are ${answer.items.length}` };
  });
}

export function revokeAdmins(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('node'), async (nod) => {
    const answer = await session.client.call('admin.revoke', { params: { nod } });
    return { answer, id: nod, says: `is no admin any more; there are ${answer.items.length}` };
  });
}
