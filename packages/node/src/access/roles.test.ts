import type { ClusterApi } from '@boi/cluster';
import { BoiError, type NodeId, type ProjectId, ROUTES, type RouteId, type UserId } from '@boi/core';
import { VirtualClock } from '@boi/core/testing';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHandlers } from '../http/handlers.ts';
import { createServer } from '../http/server.ts';
import type { IdentityDesk } from '../identity/desk.ts';
import { LogRelay } from '../log-relay.ts';
import { noPlugins } from '../testing/no-plugins.ts';
import { deriveRoles, rolesDocument, type Who } from '../testing/roles-table.ts';
import type { Caller } from './caller.ts';
import { type Access, unauthenticated } from './enforce.ts';
import { RateLimiter } from './rate-limit.ts';

const NODE = 'nod_01h455vb4pex5vsknk084sn02q' as NodeId;
const OWN = 'prj_01h455vb4pex5vsknk084sn02q' as ProjectId;
const user = (role: 'viewer' | 'operator' | 'admin'): Caller => ({
  kind: 'user',
  id: 'usr_01h455vb4pex5vsknk084sn02q' as UserId,
  name: role,
  role,
  credential: 'secret',
});
const node = (admin: boolean): Caller => ({ kind: 'node', id: NODE, admin, fingerprint: '', expiresAt: 0 });
const CALLERS: Record<Exclude<Who, 'nobody'>, Caller> & Record<string, Caller> = {
  viewer: user('viewer'),
  operator: user('operator'),
  admin: user('admin'),
  node: node(false),
  'admin node': node(true),
  limited: { ...user('admin'), project: OWN } as Caller,
};

/** Whatever is asked is not there: what counts is whether it was asked at all. */
const nothing = <T extends object>() =>
  new Proxy({} as T, {
    get: () => async (): Promise<never> => {
      throw new BoiError('not-found', 'There is no such thing.');
    },
  });
const api = nothing<ClusterApi>();

const access: Access = {
  limiter: new RateLimiter(new VirtualClock(), 0),
  project: async (name) => {
    if (name === 'own' || name === OWN) return OWN;
    if (name === 'other') return 'prj_01h455vb4pex5vsknk084sn03q' as ProjectId;
    throw new BoiError('not-found', 'There is no such project.');
  },
  identify: ({ headers }) => {
    if (headers.authorization === undefined) return undefined;
    const caller = CALLERS[headers.authorization];
    if (caller === undefined) throw unauthenticated('unknown', 'Who is that?');
    return caller;
  },
};
const desk = nothing<IdentityDesk>();
const relay = new LogRelay({
  api,
  clock: new VirtualClock(),
  self: () => NODE,
  local: { attempts: async () => [], read: (): AsyncIterable<never> => (async function* () {})() },
  remote: (): AsyncIterable<never> => (async function* () {})(),
});
const plain = (path: string, role: 'public' | 'viewer') => ({
  path,
  role,
  type: 'text/plain',
  handler: async () => ({ status: 200, body: '' }),
});
const server = createServer({
  access,
  handlers: createHandlers({
    api,
    relay,
    desk,
    plugins: noPlugins(api, NODE),
    version: '0.0.0',
    self: () => ({ id: NODE }),
  }),
  internal: relay.internalRoutes(),
  plain: [plain('/healthz', 'public'), ...['/readyz', '/metrics', '/openapi.json'].map((p) => plain(p, 'viewer'))],
  log: pino({ level: 'silent' }),
});
beforeAll(() => server.ready());
afterAll(() => server.close());

async function ask(who: string, method: string, path: string, body?: string) {
  return server.inject({
    method: method as 'GET',
    url: path,
    headers: {
      host: '127.0.0.1:7440',
      ...(who === 'nobody' ? {} : { authorization: who }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { payload: body }),
  });
}
const status = async (who: string, method: string, path: string, body?: string) =>
  (await ask(who, method, path, body)).statusCode;

test('docs/roles.md is what the server answers each role on each route (`npx vitest run -u` writes it anew)', async () => {
  await expect(rolesDocument(await deriveRoles(status))).toMatchFileSnapshot('../../../../docs/roles.md');
});

test('without a credential only health is told and only joining may be tried', async () => {
  const open = (await deriveRoles(status)).filter(({ may }) => may.nobody).map(({ request }) => request);
  expect(open.sort()).toEqual(['GET /healthz', 'POST /v1/join']);
  expect(await status('nobody', 'GET', '/nowhere')).toBe(401);
  expect(await status('nobody', 'DELETE', '/v1/nodes')).toBe(401);
});

test('whatever changes something asks for more than to be a viewer', async () => {
  const rows = await deriveRoles(status);
  const changing = (Object.keys(ROUTES) as RouteId[]).filter(
    // Everybody renews their own certificate, and only that.
    (id) => ROUTES[id].method !== 'GET' && !('reads' in ROUTES[id]) && id !== 'join' && id !== 'user.renew',
  );
  expect(changing.length).toBeGreaterThan(15);
  for (const id of changing) expect([id, rows.find(({ route }) => route === id)?.may.viewer]).toEqual([id, false]);
});

test('a refusal is made before the body is read', async () => {
  const big = JSON.stringify({ source: 'x'.repeat(2_000_000), format: 'yaml' });
  expect(await status('viewer', 'POST', '/v1/projects/own/specs', big)).toBe(403);
  expect(await status('operator', 'POST', '/v1/projects/own/specs', big)).toBe(413);
});

test('an unknown credential is 401 with the reason, also where none would be needed to be told that nothing is there', async () => {
  const response = await ask('stranger', 'GET', '/nowhere');
  expect(response.json()).toMatchObject({ status: 401, code: 'unauthenticated', details: { reason: 'unknown' } });
  expect((await ask('nobody', 'GET', '/v1/nodes')).json()).toMatchObject({ details: { reason: 'missing' } });
});

test('a user limited to a project reaches that one by id and by name, and of others not even whether they are there', async () => {
  for (const own of ['own', OWN]) expect(await status('limited', 'GET', `/v1/projects/${own}/specs`)).toBe(404);
  const other = await ask('limited', 'GET', '/v1/projects/other/specs');
  const absent = await ask('limited', 'GET', '/v1/projects/absent/specs');
  expect([other.statusCode, other.json().code]).toEqual([403, 'forbidden']);
  expect({ ...absent.json(), requestId: '' }).toEqual({ ...other.json(), requestId: '' });
  expect(await status('limited', 'POST', '/v1/cluster/pause', '{}')).toBe(403);
  expect(await status('limited', 'GET', '/v1/users')).toBe(403);
  expect(await status('limited', 'GET', '/v1/nodes')).toBe(404);
});
