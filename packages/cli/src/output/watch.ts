/**
 * `--watch`: shows a result again whenever it changed. On a terminal it is redrawn in place; elsewhere each change is written
 * below the one before, so that a pipe sees the history. Ctrl-C ends it, which is no failure.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BoiError } from '@boi/core/errors';
import type { Session } from '../session.ts';

/** Between looks, milliseconds. A look is one request that any node answers from the store. */
const INTERVAL_MS = 1_000;

export async function watch(session: Session, look: (signal: AbortSignal) => Promise<string>): Promise<number> {
  const stop = new AbortController();
  const release = session.io.onInterrupt(() => stop.abort());
  const { stdout } = session.io;
  const inPlace = stdout.isTTY === true && session.out.coloured;
  let before: string | undefined;
  let complained = false;
  try {
    for (;;) {
      try {
        const text = await look(stop.signal);
        complained = false;
        if (text !== before || inPlace) {
          const separator = before === undefined ? '' : inPlace ? '' : '\n';
          await session.print(inPlace ? redraw(text) : `${separator}${text}`);
          before = text;
        }
      } catch (error) {
        if (stop.signal.aborted) return 0;
        // The first look must succeed; later a node may go away and come back.
        if (before === undefined || !(error instanceof BoiError) || error.exitCode !== 3) throw error;
        if (!complained) session.note(`${error.message}; trying again`);
        complained = true;
      }
      await delay(INTERVAL_MS, undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) return 0;
    }
  } finally {
    release();
  }
}

/** From the top of the screen, each line cleared to its end and the rest below: no flicker, nothing left of longer lines. */
function redraw(text: string): string {
  return `\x1b[H${text.replaceAll('\n', '\x1b[K\n')}\x1b[J`;
}
