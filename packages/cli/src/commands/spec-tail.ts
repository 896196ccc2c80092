/** `spec tail`. */
import type { Args } from '../args.ts';
import { specFarewell, untilDetached } from '../follow/detach.ts';
import { tailSpecTasks } from '../follow/tail.ts';
import type { Session } from '../session.ts';

export function tailSpec(session: Session, args: Args): Promise<number> {
  const spec = args.one('spec');
  const follow = args.switch('follow');
  return untilDetached(
    session,
    () => specFarewell([spec]),
    async (signal) => {
      const view = await tailSpecTasks(session, spec, {
        follow,
        timestamps: args.switch('timestamps'),
        to: session.io.stdout,
        signal,
      });
      return !follow || view.state === 'succeeded' ? 0 : 1;
    },
  );
}
