/** `spec wait`. */
import type { Args } from '../args.ts';
import { waitForSpecs } from '../follow/wait.ts';
import type { Session } from '../session.ts';

export function waitSpecs(session: Session, args: Args): Promise<number> {
  return waitForSpecs(session, [...new Set(args.many('spec'))], { timeoutMs: args.number('timeout') });
}
