/** Life of the long-running commands: start, run until a signal or something fatal, stop cleanly. */
import { BoiError } from '@boi/core/errors';
import type { Session } from '../session.ts';

/**
 * `start` answers how to stop. The first signal stops cleanly, also while starting; a second ends the process at once with
 * 130. Exit code 0 after a signal; what is fatal is thrown after stopping.
 */
export async function untilStopped(
  session: Session,
  start: (fatal: (error: Error) => void) => Promise<() => Promise<void>>,
): Promise<number> {
  let failure: Error | undefined;
  let signals = 0;
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const release = session.io.onInterrupt(() => {
    signals++;
    if (signals === 1) session.note('stopping; once more to stop at once');
    else process.exit(130);
    end();
  });
  try {
    const stop = await start((error) => {
      failure ??= error;
      end();
    });
    await ended;
    await stop();
  } finally {
    release();
  }
  if (failure !== undefined) throw new BoiError('unavailable', `stopped: ${failure.message}`, { cause: failure });
  return 0;
}
