/** Ctrl-C while waiting for work: the work goes on, the command says so and how to cancel it, and exits 130. */
import { EXIT_DETACHED } from '../fail.ts';
import type { Session } from '../session.ts';

/** Runs `body` until it is done or Ctrl-C; then writes `farewell` and answers 130. */
export async function untilDetached(
  session: Session,
  farewell: () => string,
  body: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const stop = new AbortController();
  const release = session.io.onInterrupt(() => stop.abort());
  try {
    return await body(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    session.note(farewell());
    return EXIT_DETACHED;
  } finally {
    release();
    // Streams that still follow end with the command.
    stop.abort();
  }
}

/**
 * What is dispatched under `key`. Ctrl-C before its answer leaves open whether it was accepted, and the command says how to find
 * out; behind it `follow` is asked, and what it waits for goes on.
 */
export function dispatchDetachably<A extends { readonly id: string }>(
  session: Session,
  key: string,
  dispatch: (signal: AbortSignal) => Promise<A>,
  follow: (answer: A) => Promise<number>,
): Promise<number> {
  let id: string | undefined;
  return untilDetached(
    session,
    () => (id === undefined ? unansweredFarewell(key) : specFarewell([id])),
    async (signal) => {
      const answer = await dispatch(signal);
      id = answer.id;
      await session.print(`${id}\n`);
      signal.throwIfAborted();
      return follow(answer);
    },
  );
}

function unansweredFarewell(key: string): string {
  return [
    'interrupted before the cluster answered: it may have been dispatched',
    `  to get its id, or dispatch it if it was not: the same command with --idempotency-key ${key}`,
  ].join('\n');
}

export function specFarewell(ids: readonly string[]): string {
  const all = ids.join(' ');
  return [
    `detached; the work goes on: ${all}`,
    `  to cancel it:     boi-node spec cancel ${all}`,
    `  to wait again:    boi-node spec wait ${all}`,
  ].join('\n');
}
