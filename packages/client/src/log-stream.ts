/**
 * Reads a task's output: newline-delimited {@link LogEvent}s, opened again after a cut where they stopped.
 *
 * Invariant: within one attempt and delivery the bytes yielded have no gap (but those the daemon marks as `gap`) and no
 * repeat. What came already is cut off the front of a chunk by its offset, and an event for an older log is dropped.
 * A followed stream that ends without being complete (the node stops) is opened again too.
 */
import type { IncomingMessage } from 'node:http';
import type { LogEvent, LogQuery } from '@boi/core';
import { splitDataLine } from '@boi/core/log-line';
import type { BoiClient } from './client.ts';
import { byteLines, type FollowOptions, followStream, type LinkEvent } from './link.ts';

/** A data event carries at most some 64 KiB of output in base64. */
const LINE_BYTES_MAX = 4 * 2 ** 20;

export interface ReadLogOptions extends FollowOptions {
  readonly project: string;
  /** Task id, or `<spec id or name>/<ref>`. */
  readonly task: string;
  readonly query?: LogQuery | undefined;
}

/** The output of a log event, decoded. */
export interface LogData {
  readonly type: 'data';
  readonly offset: number;
  readonly stream: 'stdout' | 'stderr' | 'system';
  /** When the task wrote it, milliseconds since the epoch. */
  readonly at?: number;
  readonly bytes: Buffer;
}

export type LogItem = DecodedEvent | LinkEvent;
type DecodedEvent = Exclude<LogEvent, { type: 'data' }> | LogData;

/** Ends after the event `end`, which is yielded too. */
export function readLog(client: BoiClient, options: ReadLogOptions): AsyncGenerator<LogItem, void> {
  const position = new LogPosition(options.query ?? {});
  return followStream<DecodedEvent>(
    () =>
      client.open('task.log', {
        params: { prj: options.project, tsk: options.task },
        query: position.query(),
        signal: options.signal,
      }),
    (body) => readItems(body, position),
    options,
  );
}

async function* readItems(body: IncomingMessage, position: LogPosition): AsyncGenerator<DecodedEvent, 'done' | 'cut'> {
  for await (const line of byteLines(body, LINE_BYTES_MAX)) {
    if (line.length === 0) continue;
    const item = position.take(decoded(line));
    if (item === undefined) continue;
    if (item.type === 'end') {
      if (!item.complete && position.goOnAfterEnd()) return 'cut';
      yield item;
      return 'done';
    }
    yield item;
  }
  return 'cut';
}

function decoded(line: Buffer): DecodedEvent {
  const data = splitDataLine(line);
  if (data !== undefined) {
    const { from, to, bytes: _, ...head } = data;
    return { type: 'data', ...head, bytes: Buffer.from(line.toString('latin1', from, to), 'base64') };
  }
  const event = JSON.parse(line.toString('utf8')) as LogEvent;
  if (event.type !== 'data') return event;
  const { data: base64, ...head } = event;
  return { ...head, bytes: Buffer.from(base64, 'base64') };
}

/** How far the output was read: what to ask for next, and what of an event is new. */
export class LogPosition {
  readonly #asked: LogQuery;
  #attempt: number | undefined;
  #delivery: number | undefined;
  #next: number | undefined;
  #taken = 0;
  /** Inside an older log than the one read last: nothing of it is new. */
  #older = false;

  constructor(asked: LogQuery) {
    this.#asked = asked;
  }

  /** Whether an end that is not complete, a node that stops, is to be asked past. */
  goOnAfterEnd(): boolean {
    const { follow, limit } = this.#asked;
    return follow === true && (limit === undefined || this.#taken < limit);
  }

  query(): LogQuery {
    if (this.#attempt === undefined || this.#delivery === undefined || this.#next === undefined) return this.#asked;
    const { follow, limit } = this.#asked;
    return {
      attempt: this.#attempt,
      delivery: this.#delivery,
      offset: this.#next,
      ...(follow === undefined ? {} : { follow }),
      ...(limit === undefined ? {} : { limit: Math.max(1, limit - this.#taken) }),
    };
  }

  /** The event with what was seen before taken off, or undefined if nothing of it is new. */
  take(event: DecodedEvent): DecodedEvent | undefined {
    switch (event.type) {
      case 'begin': {
        const order = this.#compare(event.attempt, event.delivery);
        this.#older = order < 0;
        if (order <= 0) return undefined;
        this.#attempt = event.attempt;
        this.#delivery = event.delivery;
        this.#next = event.offset;
        return event;
      }
      case 'data': {
        if (this.#older) return undefined;
        const { bytes } = event;
        const seen = Math.max(0, (this.#next ?? event.offset) - event.offset);
        if (seen >= bytes.length) return undefined;
        this.#next = event.offset + bytes.length;
        this.#taken += bytes.length - seen;
        return { ...event, offset: event.offset + seen, bytes: bytes.subarray(seen) };
      }
      case 'gap': {
        if (this.#older || (this.#next !== undefined && event.to <= this.#next)) return undefined;
        const from = Math.max(event.offset, this.#next ?? event.offset);
        this.#next = event.to;
        return { type: 'gap', offset: from, to: event.to };
      }
      default:
        return event;
    }
  }

  /** Negative: the event is of an older log; 0: of the one being read; positive: of a later one, or the first. */
  #compare(attempt: number, delivery: number): number {
    if (this.#attempt === undefined || this.#delivery === undefined) return 1;
    return attempt - this.#attempt || delivery - this.#delivery;
  }
}
