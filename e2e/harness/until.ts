/** Waiting for what shows only from outside a container: in a file, in a view, in the state of a process. */
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 100;

/** The first answer that is neither undefined nor false; after `withinMs` an error that says what was waited for. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let failed: unknown;
  for (;;) {
    try {
      const answer = await look();
      if (answer !== undefined && answer !== false) return answer;
      failed = undefined;
    } catch (error) {
      failed = error;
    }
    if (performance.now() > deadline) {
      const why = failed instanceof Error ? `: ${failed.message}` : '';
      throw new Error(`${what}: not within ${withinMs / 1000} s${why}`);
    }
    await delay(LOOK_EVERY_MS);
  }
}
