/**
 * What the two followed streams (spec events, logs) share: opening again after a cut, with growing pauses, for as long as
 * something may come back; and telling the reader so. A stream is given up when nothing arrived for `reconnectForMs`.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BoiError } from '@boi/core/errors';

/** Told between events when the connection is gone or back. */
export interface LinkEvent {
  readonly type: 'link';
  readonly state: 'lost' | 'restored';
  /** Why it was lost, or the address it goes on with. */
  readonly text: string;
}

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined;
  /** Give up when no byte arrived for so long in spite of trying, milliseconds. Default 60 000. */
  readonly reconnectForMs?: number | undefined;
  /** A stream on which nothing arrives for so long, not even a heartbeat, is opened again, milliseconds. Default 20 000. */
  readonly silentForMs?: number | undefined;
}

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 3_000;
/** Four heartbeats of the daemon. */
const SILENT_MS = 20_000;

/**
 * Reads streams opened by `open` one after the other and yields what `read` makes of their bytes, until `read` returns
 * `'done'`. Errors that asking again cannot mend (not found, refused) are thrown at once, also later; what is only away (the address
 * itself, the holder of a log) is thrown if it was so from the start.
 */
export async function* followStream<E>(
  open: () => Promise<{ readonly body: IncomingMessage; readonly origin: string }>,
  read: (body: IncomingMessage) => AsyncGenerator<E, 'done' | 'cut'>,
  options: FollowOptions,
): AsyncGenerator<E | LinkEvent, void> {
  const { signal } = options;
  const { reconnectForMs = 60_000, silentForMs = SILENT_MS } = options;
  let opened = false;
  let lost: string | undefined;
  let aliveAt = performance.now();
  let backoffMs = BACKOFF_FIRST_MS;
  for (;;) {
    signal?.throwIfAborted();
    let body: IncomingMessage | undefined;
    // Nothing but the end of the body ends a wait for it.
    const onAbort = () => body?.destroy();
    signal?.addEventListener('abort', onAbort, { once: true });
    let reading = false;
    let socket: Socket | undefined;
    // A process that is stopped keeps its connections and its kernel answers for them: only the missing heartbeats tell.
    // A reader that does not take what has come makes a socket silent, too: that is its own business.
    const onSilence = () => {
      if (reading) body?.destroy();
    };
    try {
      const stream = await open();
      body = stream.body;
      if (signal?.aborted) body.destroy();
      // Kept: a body that has been read to its end has none any more.
      socket = body.socket;
      socket.setTimeout(silentForMs);
      socket.on('timeout', onSilence);
      opened = true;
      if (lost !== undefined) yield { type: 'link', state: 'restored', text: stream.origin };
      lost = undefined;
      const events = read(body);
      for (;;) {
        reading = true;
        const next = await events.next();
        reading = false;
        if (next.done) {
          if (next.value === 'done') return;
          break;
        }
        aliveAt = performance.now();
        backoffMs = BACKOFF_FIRST_MS;
        yield next.value;
      }
      lost ??= 'the stream was cut';
    } catch (error) {
      signal?.throwIfAborted();
      if (!(opened ? isTransient(error) : isStoreAway(error))) throw error;
      if (lost === undefined) yield { type: 'link', state: 'lost', text: (error as Error).message };
      lost = (error as Error).message;
      if (performance.now() - aliveAt > reconnectForMs) throw error;
      await delay(backoffMs, undefined, signal === undefined ? {} : { signal });
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
      continue;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      socket?.setTimeout(0);
      socket?.off('timeout', onSilence);
      body?.destroy();
    }
    signal?.throwIfAborted();
    yield { type: 'link', state: 'lost', text: lost };
    if (performance.now() - aliveAt > reconnectForMs) {
      throw new BoiError('unreachable', `the stream was cut again and again for ${reconnectForMs / 1000} s`);
    }
    await delay(backoffMs, undefined, signal === undefined ? {} : { signal });
    backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
  }
}

/** A node was found, and cannot answer yet: whoever waits for something waits for that, too. A wrong address is told at once. */
function isStoreAway(error: unknown): boolean {
  return error instanceof BoiError && (error.code === 'store-unreachable' || error.code === 'unavailable');
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof BoiError)) return false;
  return ['unreachable', 'unavailable', 'store-unreachable', 'outcome-unknown', 'holder-unreachable'].includes(
    error.code,
  );
}

/** As {@link byteLines}, read as text. */
export async function* lines(body: AsyncIterable<Buffer>, lineBytesMax: number): AsyncGenerator<string, void> {
  for await (const line of byteLines(body, lineBytesMax)) yield line.toString('utf8');
}

/** Lines of a body, without their ends; ends silently where the body does, cut or not. The last, unfinished line is dropped. */
export async function* byteLines(body: AsyncIterable<Buffer>, lineBytesMax: number): AsyncGenerator<Buffer, void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  try {
    for await (const chunk of body) {
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        const part = chunk.subarray(from, at);
        const line = pending.length === 0 ? part : Buffer.concat([...pending, part]);
        pending = [];
        pendingBytes = 0;
        from = at + 1;
        yield line.at(-1) === 13 ? line.subarray(0, -1) : line;
      }
      if (from < chunk.length) {
        pending.push(chunk.subarray(from));
        pendingBytes += chunk.length - from;
        if (pendingBytes > lineBytesMax) {
          throw new BoiError('internal', `the stream has a line longer than ${lineBytesMax} bytes`);
        }
      }
    }
  } catch (error) {
    if (error instanceof BoiError) throw error;
    // Cut: what was read stands, and the caller sees that no end came.
  }
}
