/** `cluster local-fallback`: of exactly one node, the one that answers. */
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';
import { presentLocal } from './local-show.ts';

export async function switchFallback(session: Session, args: Args): Promise<number> {
  const on = args.switch('on');
  if (on === args.switch('off')) throw new BoiError('bad-request', 'give either --on or --off');
  const { endpoints } = session.target();
  if (endpoints.length > 1) {
    throw new BoiError(
      'bad-request',
      `this concerns one node, and ${endpoints.length} addresses are known: name it with --endpoints`,
    );
  }
  const view = await session.client.call('local.fallback', { body: { on } });
  session.note(
    on
      ? `${view.node.id} takes no work; ${view.tasks.length} tasks and ${view.results.length} results are written down in its data directory`
      : `${view.node.id} takes work again`,
  );
  await presentLocal(session, view);
  return 0;
}
