/**
 * What a command may touch of its process: streams, environment, clock, Ctrl-C. Handed in, so that tests run commands in
 * process; the one of the real process is made in `main.ts`.
 */
import type { Readable, Writable } from 'node:stream';

export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
  /** Calls `fn` at each Ctrl-C or TERM until the answered function is called. While nobody listens, a signal ends the process as usual. */
  readonly onInterrupt: (fn: () => void) => () => void;
}

/** Writes and waits until the stream has taken it, so that a slow reader slows the command instead of filling its memory. */
export function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  if (stream.destroyed || stream.write(data)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.once('drain', done);
    stream.once('close', done);
  });
}
