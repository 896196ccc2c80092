/** What is too much is refused with the limit named, on real connections: here they are, and not in a double of them. */
import http from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { ClusterApi } from '@boi/cluster';
import { BoiError, type NodeId } from '@boi/core';
import { VirtualClock } from '@boi/core/testing';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { openAccess } from '../access/open.ts';
import { RateLimiter } from '../access/rate-limit.ts';
import { LogRelay } from '../log-relay.ts';
import { noPlugins } from '../testing/no-plugins.ts';
import { createHandlers } from './handlers.ts';
import { BODY_BYTES_MAX } from './limits.ts';
import { createServer } from './server.ts';

const NODE = 'nod_01h455vb4pex5vsknk084sn02q' as NodeId;
let server: FastifyInstance;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});

async function listen(options: { connectionsMax?: number; perSecond?: number } = {}): Promise<number> {
  const api = new Proxy({} as ClusterApi, {
    get: () => async () => {
      throw new BoiError('not-found', 'There is no such thing.');
    },
  });
  const relay = new LogRelay({
    api,
    clock: new VirtualClock(),
    self: () => NODE,
    local: { attempts: async () => [], read: (): AsyncIterable<never> => (async function* () {})() },
    remote: (): AsyncIterable<never> => (async function* () {})(),
  });
  server = createServer({
    access: openAccess(new RateLimiter(new VirtualClock(), options.perSecond ?? 0)),
    handlers: createHandlers({
      api,
      relay,
      plugins: noPlugins(api, NODE),
      version: '0.0.0',
      self: () => ({ id: NODE }),
    }),
    plain: [],
    log: pino({ level: 'silent' }),
    ...(options.connectionsMax === undefined ? {} : { connectionsMax: options.connectionsMax }),
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  return (server.server.address() as AddressInfo).port;
}

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly details?: { readonly limit?: string };
}

function ask(port: number, headers: Record<string, string> = {}): Promise<Problem> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: '/v1/nodes', agent: false, headers }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ ...(JSON.parse(text) as Problem), status: response.statusCode ?? 0 }));
      })
      .on('error', reject);
  });
}

/** The first bytes that come back, up to the end. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

test('headers over 16 KiB', async () => {
  const answer = await ask(await listen(), { 'x-long': 'x'.repeat(17_000) });
  expect(answer).toMatchObject({ status: 413, code: 'too-large', details: { limit: 'header-bytes', max: 16_384 } });
});

test('a body over 1.5 MiB, whether its length is told or not', async () => {
  const port = await listen();
  const send = (headers: Record<string, string>, path = '/v1/groups', bytes = BODY_BYTES_MAX) =>
    new Promise<Problem>((resolve, reject) => {
      const request = http.request({
        host: '127.0.0.1',
        port,
        path,
        method: 'POST',
        agent: false,
        headers,
      });
      request.on('response', (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ ...(JSON.parse(text) as Problem), status: response.statusCode ?? 0 }));
      });
      request.on('error', reject);
      const body = JSON.stringify({ name: 'x'.repeat(bytes) });
      request.write(body);
      // Its end is not waited for by who has read enough.
      if ('content-length' in headers) request.end();
    });
  const json = { 'content-type': 'application/json' };
  const refusal = { status: 413, code: 'too-large', details: { limit: 'body-bytes' } };
  const length = String(JSON.stringify({ name: '' }).length + BODY_BYTES_MAX);
  expect(await send({ ...json, 'content-length': length })).toMatchObject(refusal);
  expect(await send({ ...json, 'transfer-encoding': 'chunked' })).toMatchObject(refusal);
  // Anybody may send to this one.
  expect(await send({ ...json, 'transfer-encoding': 'chunked' }, '/v1/join', 64 * 1024)).toMatchObject(refusal);
});

test('what is no HTTP is told so, and the connection closed', async () => {
  const text = await raw(await listen(), 'EHLO example.org\r\n\r\n');
  expect(text).toMatch(/^HTTP\/1\.1 400 bad-request\r\n/);
  expect(text).toContain('application/problem+json');
});

test.each([
  ['without a Host', 'GET /v1/nodes HTTP/1.1\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'that expects what nobody offers',
    'GET /v1/nodes HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: miracles\r\nconnection: close\r\n\r\n',
    /^HTTP\/1\.1 404 /,
  ],
])('a request %s is answered by a problem, too', async (_what, request, status) => {
  const text = await raw(await listen(), request);
  expect(text).toMatch(status);
  expect(text).toContain('application/problem+json');
});

test('more connections than the limit: those above are told which limit, and served when others have gone', async () => {
  const port = await listen({ connectionsMax: 2 });
  for (let i = 0; i < 2; i++) {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
  }
  await expect.poll(() => ask(port)).toMatchObject({ status: 429, details: { limit: 'connections', max: 2 } });
  for (const socket of sockets.splice(0)) socket.destroy();
  await expect.poll(async () => (await ask(port)).status).toBe(404);
});

test('more requests than the rate: 429 with the limit and when to come back', async () => {
  const port = await listen({ perSecond: 2 });
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask(port)));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(2);
  expect(refused[0]).toMatchObject({ code: 'rate-limited', details: { limit: 'request-rate', perSecond: 2 } });
});
