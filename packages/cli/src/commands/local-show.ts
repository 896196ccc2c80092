/** `cluster status --local`: what the node that answers holds itself. */
import type { LocalView } from '@boi/core';
import { displayName } from '@boi/core/names';
import { presentOne } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import { absolute } from '../output/time.ts';
import type { Session } from '../session.ts';

export async function showLocal(session: Session): Promise<number> {
  await presentLocal(session, await session.client.call('local.show', {}));
  return 0;
}

export async function presentLocal(session: Session, view: LocalView): Promise<void> {
  await presentOne(session, view, view.node.id, () => localText(session, view));
}

function localText(session: Session, view: LocalView): string {
  const { storeAwayMs: away, fallbackSince, tasks, results } = view;
  const { out } = session;
  return renderFields(
    [
      ['Node', displayName(view.node.name, view.node.id)],
      ['Session', view.session],
      ['Store', away === undefined ? 'reachable' : out.red(`away for ${Math.round(away / 1000)} s`)],
      [
        'Fallback',
        fallbackSince === undefined ? 'off' : out.yellow(`on since ${absolute(fallbackSince, session.io.now())}`),
      ],
      ['Tasks', tasks.length === 0 ? 'none' : tasks.map(({ id, phase }) => `${id} ${phase}`).join('\n')],
      ['Results kept', results.length === 0 ? 'none' : results.map((r) => `${r.task} ${r.outcome}`).join('\n')],
    ],
    out,
  );
}
