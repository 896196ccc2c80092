/** `spec retry`. */
import type { Args } from '../args.ts';
import { afterDispatch } from '../follow/after-dispatch.ts';
import type { Session } from '../session.ts';
import { randomKey } from './spec-dispatch.ts';

export async function retrySpec(session: Session, args: Args): Promise<number> {
  const answer = await session.client.call('spec.retry', {
    params: { prj: session.project, spc: args.one('spec') },
    body: { idempotencyKey: args.text('idempotency-key') ?? randomKey() },
  });
  session.useProject(answer.project.id);
  await session.print(`${answer.id}\n`);
  return afterDispatch(session, args, answer.id);
}
