/** Waiting for what shows only from outside: in files, in /proc, in views. What the API tells by events is awaited there. */
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 20;

/** The first answer that is neither undefined nor false; after `withinMs` an error that says what was waited for and the last answer. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await look();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1000} s`);
    await delay(LOOK_EVERY_MS);
  }
}
