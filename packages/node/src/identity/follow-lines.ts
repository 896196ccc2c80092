/** What is told by a callback, as an iterable at the reader's pace; a reader that falls too far behind is cut off. */
import { BoiError } from '@boi/core';

const PENDING_MAX = 10_000;

export async function* followLines<T>(
  first: readonly T[],
  follow: (onLine: (line: T) => void) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  const pending: T[] = [...first];
  let wake = () => {};
  let ended: { error?: unknown } | undefined;
  const following = follow((line) => {
    pending.push(line);
    wake();
  }).then(
    () => {
      ended = {};
    },
    (error: unknown) => {
      ended = { error };
    },
  );
  const onEnd = () => wake();
  void following.then(onEnd);
  signal.addEventListener('abort', onEnd, { once: true });
  try {
    for (;;) {
      const line = pending.shift();
      if (line !== undefined) {
        yield line;
      } else {
        if (signal.aborted) return;
        if (ended !== undefined) {
          if ('error' in ended) throw ended.error;
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (pending.length > PENDING_MAX) throw new BoiError('unavailable', 'the reader is too far behind');
    }
  } finally {
    signal.removeEventListener('abort', onEnd);
  }
}
