/** A stream ends when whoever reads it may not any more: it was let in once, perhaps days ago. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterApi } from '@boi/cluster';
import { BoiError, type NodeId, type ProjectId, type UserId, type UserRole } from '@boi/core';
import { VirtualClock } from '@boi/core/testing';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { unauthenticated } from '../access/enforce.ts';
import { RateLimiter } from '../access/rate-limit.ts';
import type { IdentityDesk } from '../identity/desk.ts';
import { LogRelay } from '../log-relay.ts';
import { noPlugins } from '../testing/no-plugins.ts';
import { createHandlers } from './handlers.ts';
import { createServer } from './server.ts';

const NODE = 'nod_01h455vb4pex5vsknk084sn02q' as NodeId;
const USER = 'usr_01h455vb4pex5vsknk084sn02q' as UserId;

let server: FastifyInstance;
let standing: UserRole | BoiError;
let closed: boolean;

beforeEach(async () => {
  // Sockets keep the real time.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  standing = 'admin';
  closed = false;
  const api = {} as ClusterApi;
  const clock = new VirtualClock();
  const relay = new LogRelay({
    api,
    clock,
    self: () => NODE,
    local: { attempts: async () => [], read: (): AsyncIterable<never> => (async function* () {})() },
    remote: (): AsyncIterable<never> => (async function* () {})(),
  });
  const desk = {
    followAudit: async (_query: unknown, signal: AbortSignal) =>
      (async function* () {
        yield { id: 'evt_1' };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      })(),
  } as unknown as IdentityDesk;
  server = createServer({
    access: {
      limiter: new RateLimiter(clock, 0),
      project: async () => 'prj_01h455vb4pex5vsknk084sn02q' as ProjectId,
      identify: () => {
        if (standing instanceof BoiError) throw standing;
        return { kind: 'user', id: USER, name: 'eric', role: standing, credential: 'secret' };
      },
    },
    handlers: createHandlers({
      api,
      relay,
      desk,
      plugins: noPlugins(api, NODE),
      version: '0.0.0',
      self: () => ({ id: NODE }),
    }),
    plain: [],
    log: pino({ level: 'silent' }),
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo;
  await new Promise<void>((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: '/v1/audit/events', agent: false }, (response) => {
        response.on('error', () => undefined);
        response.on('close', () => {
          closed = true;
        });
        response.once('data', () => resolve());
      })
      .on('error', reject);
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

const gone = () => vi.waitFor(() => expect(closed).toBe(true), { timeout: 20_000 });

test('it is cut after its reader was revoked', async () => {
  standing = unauthenticated('revoked', 'This credential was revoked.');
  await vi.advanceTimersByTimeAsync(5_000);
  await gone();
});

test('it is cut after its reader was given a role that may not read it', async () => {
  standing = 'viewer';
  await vi.advanceTimersByTimeAsync(5_000);
  await gone();
});

test('it goes on while its reader may read it, and while that cannot be told', async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  standing = new BoiError('store-unreachable', 'nobody knows');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(closed).toBe(false);
  standing = unauthenticated('revoked', 'This credential was revoked.');
  await vi.advanceTimersByTimeAsync(5_000);
  await gone();
});
