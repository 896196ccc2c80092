/** `task cancel`, `task retry`, `task kill`. */
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';
import { changeEach } from './change-each.ts';

export function cancelTasks(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('task'), async (task) => {
    const answer = await session.client.call('task.cancel', { params: { prj: session.project, tsk: task }, body: {} });
    return { answer, id: answer.id, says: `${answer.state}${answer.level > 1 ? ', without grace' : ''}` };
  });
}

export function retryTasks(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('task'), async (task) => {
    const answer = await session.client.call('task.retry', { params: { prj: session.project, tsk: task }, body: {} });
    return { answer, id: answer.id, says: `${answer.state}, attempt ${answer.attempt}` };
  });
}

export async function killTasks(session: Session, args: Args): Promise<number> {
  if (!args.switch('force')) {
    throw new BoiError(
      'bad-request',
      'the old copy may go on running on its node while a new one starts; say --force if that is acceptable, or use `boi-node task cancel`',
    );
  }
  return changeEach(session, args.many('task'), async (task) => {
    const answer = await session.client.call('task.kill', {
      params: { prj: session.project, tsk: task },
      body: { force: true },
    });
    return {
      answer,
      id: answer.id,
      says: `${answer.state}${answer.node === undefined ? '' : ` on ${answer.node.id}`}`,
    };
  });
}
