/** `spec retry`. */
import type { Args } from '../args.ts';
import { afterDispatch } from '../follow/after-dispatch.ts';
import { dispatchDetachably } from '../follow/detach.ts';
import type { Session } from '../session.ts';
import { randomKey } from './spec-dispatch.ts';

export function retrySpec(session: Session, args: Args): Promise<number> {
  const params = { prj: session.project, spc: args.one('spec') };
  const idempotencyKey = args.text('idempotency-key') ?? randomKey();
  return dispatchDetachably(
    session,
    idempotencyKey,
    (signal) => session.client.call('spec.retry', { params, body: { idempotencyKey }, signal }),
    (answer) => {
      session.useProject(answer.project.id);
      return afterDispatch(session, args, answer.id);
    },
  );
}
