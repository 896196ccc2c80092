/** `token create|list|revoke`: join tokens. A token is shown by `create`, once, and by nothing else. */
import type { TokenView } from '@boi/core';
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import { presentList, renderData } from '../output/present.ts';
import { absolute, relative } from '../output/time.ts';
import type { Session } from '../session.ts';
import { changeEach } from './change-each.ts';

export async function createToken(session: Session, args: Args): Promise<number> {
  const keyFile = args.text('ca-key');
  if (keyFile === undefined && args.text('ca') !== undefined)
    throw new BoiError('bad-request', '--ca goes with --ca-key');
  const made =
    keyFile === undefined
      ? await askForToken(session, args)
      : await (await import('./token-offline.ts')).mintOffline(session, args, keyFile);
  const { format } = session;
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, made));
  else await session.print(`${made.token}\n`);
  session.note(
    `${made.id}, good for one node until ${absolute(made.expiresAt, session.io.now())}; there: boi-node join --token-file FILE`,
  );
  return 0;
}

function askForToken(session: Session, args: Args) {
  const [ttlMs, bindName, bindKey] = [args.number('ttl'), args.text('bind-name'), args.text('bind-key')];
  return session.client.call('token.create', {
    body: {
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(bindName === undefined ? {} : { bindName }),
      ...(bindKey === undefined ? {} : { bindKey }),
    },
  });
}

export async function listTokens(session: Session, _args: Args): Promise<number> {
  const { items } = await session.client.call('token.list', {});
  const now = session.io.now();
  await presentList<TokenView>(
    session,
    items,
    [
      { title: 'ID', cell: (t) => t.id },
      { title: 'STATE', cell: (t) => stateOf(t, now) },
      { title: 'EXPIRES', cell: (t) => relative(t.expiresAt, now) },
      { title: 'USED BY', cell: (t) => t.spentBy ?? '' },
      { title: 'BOUND TO', cell: (t) => t.bindName ?? t.bindKey ?? '' },
      { title: 'MADE BY', cell: (t) => t.createdBy ?? '', wide: true },
      { title: 'MADE', cell: (t) => relative(t.createdAt, now), wide: true },
    ],
    'no join tokens',
  );
  return 0;
}

function stateOf(token: TokenView, now: number): string {
  if (token.spentBy !== undefined) return 'used';
  if (token.revokedAt !== undefined) return 'revoked';
  return token.expiresAt <= now ? 'expired' : 'good';
}

export function revokeTokens(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('token'), async (tok) => {
    const answer = await session.client.call('token.revoke', { params: { tok } });
    return { answer, id: answer.id, says: 'is revoked' };
  });
}
