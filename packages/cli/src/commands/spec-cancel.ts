/** `spec cancel`: prints the ids of what was cancelled. */
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';
import { changeEach } from './change-each.ts';

export function cancelSpecs(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('spec'), async (spec) => {
    const answer = await session.client.call('spec.cancel', { params: { prj: session.project, spc: spec }, body: {} });
    return {
      answer,
      id: answer.id,
      says: `${answer.state}${answer.level > 1 ? ', cleanup tasks and grace included' : ''}`,
    };
  });
}
