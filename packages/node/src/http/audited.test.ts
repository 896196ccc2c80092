/** What waits for its line in the audit trail, and what does not. */
import { BoiError } from '@boi/core';
import { VirtualClock } from '@boi/core/testing';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAccess } from '../access/open.ts';
import { RateLimiter } from '../access/rate-limit.ts';
import { createServer, type ServerOptions } from './server.ts';

let server: FastifyInstance;
let written: string[];
let store: (route: string) => Promise<void>;
let logged: string[];

beforeEach(() => {
  written = [];
  logged = [];
  store = async (route) => void written.push(route);
  server = createServer({
    access: openAccess(new RateLimiter(new VirtualClock(), 0)),
    handlers: new Proxy({}, { get: () => async () => ({ id: 'done' }) }) as ServerOptions['handlers'],
    plain: [],
    audit: { revision: () => undefined, write: ({ route }) => store(route) },
    log: pino({ level: 'warn' }, { write: (line) => logged.push(line) }),
  });
});
afterEach(() => server.close());

const post = (url: string, payload: object = {}) =>
  server.inject({ method: 'POST', url, headers: { host: 'localhost' }, payload });

test('a change is answered when its line is kept, and not without', async () => {
  expect((await post('/v1/cluster/pause')).statusCode).toBe(200);
  expect(written).toEqual(['cluster.pause']);
  store = async () => {
    throw new BoiError('store-unreachable', 'nothing was changed');
  };
  const refused = await post('/v1/cluster/pause');
  expect(refused.statusCode).toBe(503);
  expect(refused.json()).toMatchObject({ code: 'outcome-unknown', detail: expect.stringMatching(/^it was done/) });
  expect(logged).toMatchObject([expect.stringContaining('cluster.pause')]);
});

test('a node is taken out of work without waiting for a store that is away; the log says what is not in the trail', async () => {
  let refuse = (): void => undefined;
  store = () =>
    new Promise((_, reject) => {
      refuse = () => reject(new BoiError('store-unreachable', 'away'));
    });
  expect((await post('/v1/local/fallback', { on: true })).statusCode).toBe(200);
  refuse();
  await new Promise((resolve) => process.nextTick(resolve));
  expect(logged).toMatchObject([expect.stringContaining('local.fallback')]);
  expect(written).toEqual([]);
});
