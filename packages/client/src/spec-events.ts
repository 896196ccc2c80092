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
    const event = JSON.parse(message) as SpecEvent;
    if (event.type !== 'spec' && event.type !== 'task' && event.type !== 'end') continue;
    yield event;
    if (event.type === 'end') return 'done';
  }
  return 'cut';
}

/** The `data` of each server-sent event; comments (heartbeats) and other fields are passed over. */
export async function* sseMessages(body: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  let data: string[] = [];
  for await (const line of lines(body, LINE_BYTES_MAX)) {
    if (line === '') {
      if (data.length > 0) yield data.join('\n');
      data = [];
    } else if (line.startsWith('data:')) {
      data.push(line.startsWith('data: ') ? line.slice(6) : line.slice(5));
    }
  }
}
