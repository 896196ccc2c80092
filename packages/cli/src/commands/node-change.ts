/** `node cordon`, `node uncordon`, `node remove`. */
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';
import { changeEach } from './change-each.ts';

export function cordonNodes(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('node'), async (node) => {
    const answer = await session.client.call('node.cordon', { params: { nod: node }, body: {} });
    return { answer, id: answer.id, says: answer.state };
  });
}

export function uncordonNodes(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('node'), async (node) => {
    const answer = await session.client.call('node.uncordon', { params: { nod: node }, body: {} });
    return { answer, id: answer.id, says: answer.state };
  });
}

export function removeNodes(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('node'), async (node) => {
    const answer = await session.client.call('node.remove', {
      params: { nod: node },
      ...(args.switch('force') ? { query: { force: true } } : {}),
    });
    return {
      answer,
      id: answer.id,
      says: `removed; ${answer.moved} ${answer.moved === 1 ? 'entry' : 'entries'} moved`,
    };
  });
}
