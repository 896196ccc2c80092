/** Keeps a plugin that writes without end from filling the daemon's log: so many lines a second, the rest counted. */
import type { Clock } from '@boi/core';

/** More than a person reads; a plugin that needs more wants a file of its own. */
const LINES_PER_SECOND_MAX = 500;

export function limitLines(clock: Clock, onLine: (text: string) => void): (text: string) => void {
  let windowStart = Number.NEGATIVE_INFINITY;
  let lines = 0;
  let dropped = 0;
  return (text) => {
    const now = clock.mono();
    if (now - windowStart >= 1_000) {
      if (dropped > 0) onLine(`(${dropped} lines dropped: more than ${LINES_PER_SECOND_MAX} in a second)`);
      windowStart = now;
      lines = 0;
      dropped = 0;
    }
    if (lines < LINES_PER_SECOND_MAX) onLine(text);
    else dropped++;
    lines++;
  };
}
