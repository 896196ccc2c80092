/** `--wait` and `--tail`, after `spec dispatch` and `spec retry`. */
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';
import { specFarewell, untilDetached } from './detach.ts';
import { tailSpecTasks } from './tail.ts';
import { waitForSpecs } from './wait.ts';

/** The exit code: of the work if waited for, else 0. Output goes to standard error, since standard output has the id alone. */
export function afterDispatch(session: Session, args: Args, id: string): Promise<number> {
  if (args.switch('tail')) {
    const timestamps = args.switch('timestamps');
    return untilDetached(
      session,
      () => specFarewell([id]),
      async (signal) => {
        const view = await tailSpecTasks(session, id, { follow: true, timestamps, to: session.io.stderr, signal });
        session.note(`${id} ${view.state}`);
        return view.state === 'succeeded' ? 0 : 1;
      },
    );
  }
  return args.switch('wait') ? waitForSpecs(session, [id]) : Promise.resolve(0);
}
