/**
 * Every route with arbitrary credentials, parameters, queries, headers and bodies, a fixed number of times: the answer is
 * always a problem of the closed vocabulary or a success, never 500, and never anything but 401 or 403 to who may not ask.
 * `BOI_FUZZ_RUNS` tries more. What once failed is in the corpus below, and is tried first.
 */
import type { ClusterApi } from '@boi/cluster';
import { BoiError, ERROR_CODES, type NodeId, type ProjectId, ROUTES, type RouteRole, type UserId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { IdentityFiles } from '@boi/identity';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Caller } from '../access/caller.ts';
import { mutualAccess } from '../access/mutual.ts';
import { permits } from '../access/permit.ts';
import { RateLimiter } from '../access/rate-limit.ts';
import { AuthorityKeys } from '../identity/authority-keys.ts';
import type { IdentityDesk } from '../identity/desk.ts';
import type { PeerCalls } from '../identity/peer-call.ts';
import type { Signing } from '../identity/signing.ts';
import { LogRelay } from '../log-relay.ts';
import { noPlugins } from '../testing/no-plugins.ts';
import { createHandlers } from './handlers.ts';
import { createServer } from './server.ts';

const RUNS = Number(process.env.BOI_FUZZ_RUNS ?? 600);
const NODE = 'nod_01h455vb4pex5vsknk084sn02q' as NodeId;
const USER = 'usr_01h455vb4pex5vsknk084sn02q' as UserId;

const nothing = <T extends object>() =>
  new Proxy({} as T, {
    get: () => async (): Promise<never> => {
      throw new BoiError('not-found', 'There is no such thing.');
    },
  });
const api = nothing<ClusterApi>();
/** The real reading of credentials; nobody has one. */
const strangers = mutualAccess({
  keychain: { cluster: 'c'.repeat(32), trusted: [], generation: 0 },
  directory: { standing: () => ({ ok: false, reason: 'unknown' }), user: () => undefined },
  roleByGroups: () => undefined,
  project: async () => 'prj_01h455vb4pex5vsknk084sn02q' as ProjectId,
  limiter: new RateLimiter(new VirtualClock(), 0),
  clock: new VirtualClock(),
  onRefused: () => {},
});
const CALLERS: Readonly<Record<string, Caller>> = {
  viewer: { kind: 'user', id: USER, name: 'v', role: 'viewer', credential: 'secret' },
  operator: { kind: 'user', id: USER, name: 'o', role: 'operator', credential: 'secret' },
  admin: { kind: 'user', id: USER, name: 'a', role: 'admin', credential: 'secret' },
  node: { kind: 'node', id: NODE, admin: false, fingerprint: '', expiresAt: 0 },
  'admin node': { kind: 'node', id: NODE, admin: true, fingerprint: '', expiresAt: 0 },
};
/** What nodes ask each other beside the table. */
const INTERNAL = {
  tail: { method: 'GET', path: '/internal/tail/:tsk', role: 'node' },
  'ca-key': { method: 'POST', path: '/internal/ca-key', role: 'node' },
  plugins: { method: 'POST', path: '/internal/plugins', role: 'node' },
  plugin: { method: 'POST', path: '/internal/plugins/:plg', role: 'node' },
  'plugin-restart': { method: 'POST', path: '/internal/plugins/:plg/restart', role: 'node' },
  'plugin-log': { method: 'GET', path: '/internal/plugins/:plg/log', role: 'node' },
} as const;
const ALL: Readonly<Record<string, { method: 'GET' | 'POST' | 'DELETE'; path: string; role: RouteRole }>> = {
  ...ROUTES,
  ...INTERNAL,
};
const relay = new LogRelay({
  api,
  clock: new VirtualClock(),
  self: () => NODE,
  local: { attempts: async () => [], read: (): AsyncIterable<never> => (async function* () {})() },
  remote: (): AsyncIterable<never> => (async function* () {})(),
});
const plugins = noPlugins(api, NODE);
/** Of an admin node whose cluster has a CA that nobody's key fits. Nothing is ever written. */
const keys = new AuthorityKeys({
  files: new IdentityFiles('/nonexistent'),
  directory: { ca: () => undefined },
  signing: nothing<Signing>(),
  calls: nothing<PeerCalls>(),
  cluster: 'c'.repeat(32),
  clock: new VirtualClock(),
  random: new SeededRandom(1),
});
const server = createServer({
  access: {
    ...strangers,
    identify: (request) => {
      const known = CALLERS[String(request.headers['x-test-caller'])];
      // No socket of TLS below an injected request: it shows no certificate.
      const raw = Object.assign(Object.create(request.raw), { socket: { getPeerCertificate: () => ({}) } });
      return known ?? strangers.identify({ ...request, raw, headers: request.headers } as typeof request);
    },
  },
  handlers: createHandlers({
    api,
    relay,
    desk: nothing<IdentityDesk>(),
    plugins,
    version: '0.0.0',
    self: () => ({ id: NODE }),
  }),
  internal: [...relay.internalRoutes(), keys.route(), ...plugins.routes],
  plain: [],
  log: pino({ level: 'silent' }),
});
beforeAll(() => server.ready());
afterAll(() => server.close());

interface Try {
  readonly route: string;
  readonly who: string;
  readonly authorization: string | undefined;
  readonly param: string;
  readonly query: string;
  readonly type: string;
  readonly body: string | undefined;
}

const CORPUS: readonly Try[] = [
  {
    route: 'ca-key',
    who: 'admin node',
    authorization: undefined,
    param: 'x',
    query: '',
    type: 'application/json',
    body: '{"which":"next","certificate":"-----BEGIN CERTIFICATE-----\\n-----END CERTIFICATE-----","key":"x"}',
  },
  {
    route: 'audit.list',
    who: 'admin',
    authorization: undefined,
    param: 'x',
    query: 'after=tok_',
    type: 'application/json',
    body: undefined,
  },
  {
    route: 'token.create',
    who: 'admin',
    authorization: undefined,
    param: 'x',
    query: '',
    type: 'application/json',
    body: '{"ttlMs":1e400}',
  },
  {
    route: 'join',
    who: 'nobody',
    authorization: undefined,
    param: 'x',
    query: '',
    type: 'application/json',
    body: '{"__proto__":{}}',
  },
  {
    route: 'node.show',
    who: 'nobody',
    authorization: 'Bearer boi_usr_7zzzzzzzzzzzzzzzzzzzzzzzzz_',
    param: '%00',
    query: '',
    type: '',
    body: undefined,
  },
];

/** A value of a header that Node lets through. */
const header = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
  maxLength: 300,
});
const secretLike = fc
  .tuple(fc.constantFrom('Bearer ', 'bearer  ', 'Basic ', ''), fc.constantFrom(`boi_${USER}_`, 'boi_', 'eyJ'), header)
  .map(([scheme, prefix, rest]) => `${scheme}${prefix}${rest.slice(0, 60)}`.trim());
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('..', '', ' ', '\u0000', NODE, USER),
);
const json = fc.oneof(
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc
    .dictionary(
      fc.constantFrom(
        'token',
        'csr',
        'address',
        'name',
        'role',
        'project',
        'step',
        'force',
        'ttlMs',
        'source',
        'format',
        'members',
        'on',
        'which',
        'certificate',
        'key',
      ),
      fc.jsonValue(),
    )
    .map((value) => JSON.stringify(value)),
  fc.string({ maxLength: 60 }),
);
const tries: fc.Arbitrary<Try> = fc.record({
  route: fc.constantFrom(...Object.keys(ALL)),
  who: fc.constantFrom('nobody', ...Object.keys(CALLERS)),
  authorization: fc.option(fc.oneof(secretLike, header), { nil: undefined }),
  param: text.map((t) => encodeURIComponent(Buffer.from(t).toString())),
  query: fc
    .array(fc.tuple(fc.constantFrom('name', 'limit', 'after', 'actor', 'since', 'stale', 'last', 'state', 'x'), text), {
      maxLength: 3,
    })
    .map((pairs) => pairs.map(([k, v]) => `${k}=${encodeURIComponent(Buffer.from(v).toString())}`).join('&')),
  type: fc.constantFrom('application/json', 'application/json; charset=utf-8', 'text/plain', ''),
  body: fc.option(json, { nil: undefined }),
});

async function check({ route, who, authorization, param, query, type, body }: Try): Promise<void> {
  const { method, path, role } = ALL[route] as (typeof ALL)[string];
  const response = await server.inject({
    method,
    url: `${path.replace(/:[a-z]+/g, () => (param === '' ? '%20' : param))}${query === '' ? '' : `?${query}`}`,
    headers: {
      host: '127.0.0.1:7440',
      ...(who === 'nobody' ? {} : { 'x-test-caller': who }),
      ...(authorization === undefined ? {} : { authorization }),
      ...(type === '' || body === undefined ? {} : { 'content-type': type }),
    },
    ...(body === undefined ? {} : { payload: body }),
  });
  const { statusCode } = response;
  expect(statusCode).toBeLessThan(500);
  if (statusCode < 300) return;
  expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
  const problem = response.json() as { code: keyof typeof ERROR_CODES; type: string; status: number };
  expect(ERROR_CODES[problem.code]?.status).toBe(statusCode);
  expect(problem.type).toBe(`urn:boi:problem:${problem.code}`);
  // `.` and `..` are folded away by whoever parses the URL, and then it is another route.
  if (param === '.' || param === '..' || param === '%2E' || param === '%2E%2E') return;
  const caller = CALLERS[who];
  if (caller === undefined && role !== 'public') expect(statusCode).toBe(401);
  else if (caller !== undefined && !permits(role, caller)) expect(statusCode).toBe(403);
  else expect([401, 403]).not.toContain(statusCode);
}

test.each(CORPUS)('what once was tried by hand: $route with $body $query', (tried) => check(tried));

test(`${RUNS} arbitrary requests`, async () => {
  await fc.assert(fc.asyncProperty(tries, check), { numRuns: RUNS });
}, 120_000);
