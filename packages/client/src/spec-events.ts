/**
 * Follows a spec: server-sent events, opened again on another address when cut. Each opening begins with the spec as it
 * is, so no state is missed; single task changes during a cut are, and the reader sees `link` then to list them itself.
 */
import type { IncomingMessage } from 'node:http';
import type { SpecEvent } from '@boi/core';
import type { BoiClient } from './client.ts';
import { type FollowOptions, followStream, type LinkEvent, lines } from './link.ts';

/** One event holds one spec or task; tasks carry at most a few KiB each. */
const LINE_BYTES_MAX = 4 * 2 ** 20;

export interface SpecEventsOptions extends FollowOptions {
  readonly project: string;
  readonly spec: string;
  /** Also the changes of single tasks. Default true. */
  readonly tasks?: boolean | undefined;
}

/** Ends after the event `end`. Throws `unreachable` when given up, else what the daemon refuses with. */
export function followSpec(client: BoiClient, options: SpecEventsOptions): AsyncGenerator<SpecEvent | LinkEvent, void> {
  return followStream<SpecEvent>(
    () =>
      client.open('spec.events', {
        params: { prj: options.project, spc: options.spec },
        query: { tasks: options.tasks ?? true },
        signal: options.signal,
      }),
    readEvents,
    options,
  );
}

async function* readEvents(body: IncomingMessage): AsyncGenerator<SpecEvent, 'done' | 'cut'> {
  for await (const message of sseMessages(body)) {
    const event = specEvent(message);
    if (event === undefined) continue;
    yield event;
    if (event.type === 'end') return 'done';
  }
  return 'cut';
}

/** The data is the whole {@link SpecEvent}; the event's name repeats its type. Types this client does not know are passed over. */
function specEvent({ event, data }: SseMessage): SpecEvent | undefined {
  if (event !== 'spec' && event !== 'task' && event !== 'end') return undefined;
  return JSON.parse(data) as SpecEvent;
}

export interface SseMessage {
  readonly event: string;
  readonly data: string;
}

/** The server-sent events of a body; comments (heartbeats) and other fields are passed over. */
export async function* sseMessages(body: AsyncIterable<Buffer>): AsyncGenerator<SseMessage, void> {
  let data: string[] = [];
  let event = 'message';
  for await (const line of lines(body, LINE_BYTES_MAX)) {
    if (line === '') {
      if (data.length > 0) yield { event, data: data.join('\n') };
      data = [];
      event = 'message';
    } else if (line.startsWith('data:')) data.push(fieldValue(line, 5));
    else if (line.startsWith('event:')) event = fieldValue(line, 6);
  }
}

function fieldValue(line: string, from: number): string {
  return line.slice(line[from] === ' ' ? from + 1 : from);
}
