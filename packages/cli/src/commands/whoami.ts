/** `whoami`. */
import { displayName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { presentOne } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import { absolute } from '../output/time.ts';
import type { Session } from '../session.ts';

export async function showWhoami(session: Session, _args: Args): Promise<number> {
  const view = await session.client.call('whoami', {});
  const { actor } = view;
  const who =
    actor === undefined || actor.kind === 'anyone'
      ? 'anyone: the node runs without identities'
      : `${actor.kind} ${displayName(actor.name, actor.id ?? '')}`;
  await presentOne(session, view, actor?.id ?? view.node.id, () =>
    renderFields(
      [
        ['You', who],
        ['Role', actor?.role],
        ['Project', actor?.project],
        [
          'Certificate',
          actor?.certificateExpiresAt === undefined
            ? undefined
            : `expires ${absolute(actor.certificateExpiresAt, session.io.now())}`,
        ],
        ['Cluster', view.cluster],
        ['Answered by', displayName(view.node.name, view.node.id)],
      ],
      session.out,
    ),
  );
  return 0;
}
