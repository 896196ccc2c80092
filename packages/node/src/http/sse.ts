/**
 * Server-sent events. A slow reader costs bounded memory: what has not been written yet is kept as the newest state of the
 * spec and of each task, never as a list of all that happened.
 */

import type { ClusterApi } from '@boi/cluster';
import type { ProjectId, SpecEvent, SpecId } from '@boi/core';
import type { Call } from './server.ts';

/** Clients take a stream that is silent for four times as long for cut; proxies drop it after about a minute. */
export const HEARTBEAT_MS = 5_000;

export async function streamSpecEvents(
  api: ClusterApi,
  project: ProjectId,
  spec: SpecId,
  tasks: boolean,
  { reply, signal }: Call,
): Promise<void> {
  const raw = reply.raw;
  let head: SpecEvent | undefined;
  let end: SpecEvent | undefined;
  const pending = new Map<string, SpecEvent>();
  let blocked = false;
  let begun = false;

  const begin = () => {
    if (begun) return;
    begun = true;
    reply.hijack();
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  };
  const write = (text: string) => {
    if (!raw.write(text)) blocked = true;
  };
  const flush = () => {
    begin();
    while (!blocked && !raw.destroyed) {
      let event: SpecEvent | undefined;
      const first = pending.entries().next();
      if (head !== undefined) {
        event = head;
        head = undefined;
      } else if (!first.done) {
        event = first.value[1];
        pending.delete(first.value[0]);
      } else {
        event = end;
        end = undefined;
      }
      if (event === undefined) return;
      write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    }
  };
  const onDrain = () => {
    blocked = false;
    flush();
  };
  raw.on('drain', onDrain);
  const heartbeat = setInterval(() => begun && !blocked && write(': alive\n\n'), HEARTBEAT_MS);
  try {
    await api.followSpec(
      project,
      spec,
      { tasks },
      (event) => {
        if (event.type === 'spec') head = event;
        else if (event.type === 'end') end = event;
        else pending.set(event.task.id, event);
        flush();
      },
      signal,
    );
    while (blocked && !raw.destroyed) await onceDrainedOrClosed(raw);
    flush();
  } catch (error) {
    // Once streaming there is no status left to set: the connection is cut, and the client comes back to where it was.
    if (!begun) throw error;
    raw.destroy();
  } finally {
    clearInterval(heartbeat);
    raw.off('drain', onDrain);
    if (begun) raw.end();
  }
}

export function onceDrainedOrClosed(raw: NodeJS.WritableStream & { destroyed?: boolean }): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done);
      raw.off('close', done);
      resolve();
    };
    raw.on('drain', done);
    raw.on('close', done);
    if (raw.destroyed === true) done();
  });
}
