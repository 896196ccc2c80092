/** What the asked node says when the node that holds a log does not give it: always a typed error, never a hang or half a log taken for whole. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dataLine, type LogEvent, type NodeId, type TaskId } from '@boi/core';
import { afterEach, expect, test } from 'vitest';
import type { LogLine } from './log-relay.ts';
import { remoteLogs } from './remote-logs.ts';

const TASK = 'tsk_01kapz0vge5n3m8q2r7t4w0001' as TaskId;
const NODE = 'nod_01kapz0vge5n3m8q2r7t4w0000' as NodeId;
const END: LogEvent = { type: 'end', complete: true, state: 'succeeded' };

let server: Server | undefined;
afterEach(async () => {
  const closing = server;
  server = undefined;
  closing?.closeAllConnections();
  await new Promise<void>((resolve) => (closing === undefined ? resolve() : closing.close(() => resolve())));
});

async function holder(answer: RequestListener): Promise<string> {
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

async function read(address: string): Promise<LogLine[]> {
  const events: LogLine[] = [];
  const signal = new AbortController().signal;
  const source = remoteLogs(() => undefined)({ id: NODE, address }, TASK, {
    attempt: 1,
    delivery: 1,
    follow: false,
    signal,
  });
  for await (const event of source) events.push(event);
  return events;
}

test('a whole log is passed on', async () => {
  const address = await holder((_, response) => response.end(`${JSON.stringify(END)}\n`));
  expect(await read(address)).toEqual([END]);
});

test('output passes as the bytes that came, however they are cut on the way', async () => {
  const bytes = Buffer.from('output of the task\n'.repeat(1000));
  const line = dataLine({ offset: 3, stream: 'stderr', at: 5 }, bytes);
  const whole = Buffer.concat([line, Buffer.from(`\n${JSON.stringify(END)}\n`)]);
  const address = await holder(async (_, response) => {
    const piece = 6_000;
    for (let at = 0; at < whole.length; at += piece) {
      // Its own packet each: what is written next waits until this one was taken.
      await new Promise((resolve) => response.write(whole.subarray(at, at + piece), resolve));
    }
    response.end();
  });
  expect(await read(address)).toEqual([{ type: 'data', offset: 3, next: 3 + bytes.length, line }, END]);
});

test('output of a holder that writes its JSON in another way passes too', async () => {
  const line = Buffer.from('{ "data": "aGk=", "type": "data", "stream": "stdout", "offset": 4 }\n');
  const address = await holder((_, response) => {
    response.write(line);
    response.end(`${JSON.stringify(END)}\n`);
  });
  expect(await read(address)).toEqual([{ type: 'data', offset: 4, next: 6, line }, END]);
});

test('a holder that is not there is unreachable, with its address', async () => {
  const address = await holder(() => undefined);
  const gone = server as Server;
  server = undefined;
  await new Promise((resolve) => gone.close(resolve));
  await expect(read(address)).rejects.toMatchObject({
    code: 'holder-unreachable',
    message: expect.stringContaining(address),
  });
});

test.each([
  ['ends before the log does', (response: Parameters<RequestListener>[1]) => response.end('\n'), 'in the middle'],
  [
    'sends a line without end',
    (response: Parameters<RequestListener>[1]) => response.end('x'.repeat(300_000)),
    'line of over',
  ],
  ['fails', (response: Parameters<RequestListener>[1]) => response.writeHead(500).end('oops'), 'answered 500'],
])('a holder that %s is unreachable', async (_, answer, message) => {
  const address = await holder((_request, response) => {
    answer(response);
  });
  await expect(read(address)).rejects.toMatchObject({
    code: 'holder-unreachable',
    message: expect.stringContaining(message),
  });
});

test('a holder that has no such log says so itself', async () => {
  const address = await holder((_, response) => {
    response.writeHead(404, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code: 'log-unavailable', detail: 'removed by age' }));
  });
  await expect(read(address)).rejects.toMatchObject({ code: 'log-unavailable', message: 'removed by age' });
});
