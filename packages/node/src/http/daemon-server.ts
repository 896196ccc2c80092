/**
 * The daemon's API put together: the routes of the table over the cluster's API, health, readiness, metrics, the OpenAPI
 * document. It listens before the node is a member (its address must be known to register) and answers 503 until then.
 */
import { statfs } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ClusterNodeHandle } from '@boi/cluster';
import { type LocalView, type NodeId, ROUTES } from '@boi/core';
import { daysRemaining } from '@boi/identity';
import type { CountingStore } from '@boi/store';
import { type Logger, systemClock } from '@boi/system';
import type { FastifyInstance } from 'fastify';
import { openAccess } from '../access/open.ts';
import type { RateLimiter } from '../access/rate-limit.ts';
import type { DaemonConfig } from '../config.ts';
import type { IdentityDesk } from '../identity/desk.ts';
import { inTime } from '../identity/in-time.ts';
import { namedNodes } from '../identity/named-nodes.ts';
import type { Office } from '../identity/office.ts';
import type { Peer } from '../identity/peer-call.ts';
import { auditActor } from '../identity/views.ts';
import { LogRelay } from '../log-relay.ts';
import type { MetricsRegistry } from '../metrics-registry.ts';
import { PluginDesk } from '../plugins/desk.ts';
import type { NodeHooks } from '../plugins/hooks.ts';
import type { PluginHouse } from '../plugins/house.ts';
import { remoteLogs } from '../remote-logs.ts';
import { VERSION } from '../version.ts';
import type { Workshop } from '../workshop.ts';
import { createHandlers } from './handlers.ts';
import { openApiDocument } from './openapi.ts';
import { type Audit, createServer, type PlainRoute } from './server.ts';

/**
 * The delay of the event loop is looked at so often: each look wakes a node that has nothing to do. No divisor or multiple of
 * what else is done at intervals, which would meet it always or never.
 */
const LAG_SAMPLE_MS = 97;

export interface DaemonServerDeps {
  readonly config: DaemonConfig;
  readonly id: NodeId;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly workshop: Workshop;
  readonly house: PluginHouse;
  readonly hooks: Pick<NodeHooks, 'count'>;
  readonly member: () => ClusterNodeHandle;
  readonly counted: CountingStore;
  readonly limiter: RateLimiter;
  /** Undefined: plain HTTP without identities. */
  readonly office: Office | undefined;
}

export function createDaemonServer({
  config,
  id,
  log,
  metrics,
  workshop,
  house,
  hooks,
  member,
  counted,
  limiter,
  office,
}: DaemonServerDeps): FastifyInstance {
  const late = lateApi(member);
  const api = office === undefined ? late : namedNodes(late, (node) => office.identity.directory.member(node)?.name);
  const tlsOf = (peer: Peer) => office?.tlsOf(peer);
  const relay = new LogRelay({
    api,
    local: workshop.logs,
    self: () => id,
    clock: systemClock,
    remote: remoteLogs(tlsOf),
  });
  const plugins = new PluginDesk({ api, self: id, house, tlsOf });
  const lag = monitorEventLoopDelay({ resolution: LAG_SAMPLE_MS });
  lag.enable();
  let scraped = { writes: 0, reads: 0 };
  const plain: PlainRoute[] = [
    {
      path: '/healthz',
      role: 'public',
      type: 'application/json',
      handler: async () => ({ status: 200, body: '{"status":"ok"}' }),
    },
    {
      path: '/readyz',
      role: 'viewer',
      type: 'application/json',
      handler: async () => readiness(member, house, office),
    },
    {
      path: '/metrics',
      role: 'viewer',
      type: metrics.contentType,
      handler: async () => {
        metrics.gauge('boi_core_process_resident_bytes', process.memoryUsage.rss());
        metrics.gauge('boi_core_process_event_loop_lag_seconds', meanLagSeconds(lag.mean));
        lag.reset();
        const { writes, reads } = counted.counts;
        metrics.count('boi_core_store_writes_total', writes - scraped.writes);
        metrics.count('boi_core_store_reads_total', reads - scraped.reads);
        scraped = { writes, reads };
        metrics.gauge('boi_core_buffered_results_bytes', workshop.bufferedBytes());
        hooks.count();
        const free = await freeBytes(config['data-dir']);
        if (free !== undefined) metrics.gauge('boi_core_data_dir_free_bytes', free);
        return { status: 200, body: await metrics.text() };
      },
    },
    {
      path: '/openapi.json',
      role: 'viewer',
      type: 'application/json',
      handler: async () => ({ status: 200, body: JSON.stringify(openApiDocument(VERSION)) }),
    },
  ];
  const server = createServer({
    handlers: createHandlers({
      api,
      relay,
      version: VERSION,
      ...(office === undefined ? {} : { desk: deskOf(office, member, metrics) }),
      plugins,
      self: () => ({ id, ...(config.name === undefined ? {} : { name: config.name }) }),
    }),
    internal: [...relay.internalRoutes(), ...plugins.routes, ...(office?.routes ?? [])],
    ...(office === undefined
      ? { access: openAccess(limiter) }
      : { access: office.access, tls: office.keychain, audit: auditOf(office, counted) }),
    notice: () => notices(member, office),
    plain,
    log,
    onRequest: ({ method, route, status, seconds }) => {
      metrics.count('boi_core_http_requests_total', 1, { method, route, status: String(status) });
      metrics.observe('boi_core_http_request_seconds', seconds, { method, route });
      const dispatch = ROUTES['spec.dispatch'];
      if (method === dispatch.method && route === dispatch.path && status < 300)
        metrics.observe('boi_core_dispatch_seconds', seconds);
    },
  });
  server.addHook('onClose', async () => lag.disable());
  return server;
}

/** Of intervals in nanoseconds, NaN when there was none: by how much they were longer than they should have been. */
function meanLagSeconds(meanNs: number): number {
  return Number.isNaN(meanNs) ? 0 : Math.max(0, meanNs / 1e9 - LAG_SAMPLE_MS / 1e3);
}

/** Before it is a member nobody has asked the store for it yet. */
function deskOf(office: Office, member: () => ClusterNodeHandle, metrics: MetricsRegistry): IdentityDesk {
  return inTime(office.desk, {
    awayMs: async () => (await local(member))?.storeAwayMs,
    clock: systemClock,
    onRejected: (code) => metrics.count('boi_core_store_rejections_total', 1, { code }),
  });
}

/** What the node holds itself, which no store is asked for; undefined before it is a member. */
async function local(member: () => ClusterNodeHandle): Promise<LocalView | undefined> {
  try {
    return await member().api.local();
  } catch {
    return undefined;
  }
}

/** Undefined where nobody can tell. */
async function freeBytes(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Each change leaves a line before it is answered. Identity's own have theirs in their transactions. */
function auditOf(office: Office, counted: CountingStore): Audit {
  return {
    revision: () => counted.revision,
    write: ({ caller, route, subject, before, after }) =>
      office.identity.audit({
        actor: auditActor(caller),
        what: route,
        ...(subject === undefined ? {} : { subject }),
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
      }),
  };
}

/** Ready: it takes tasks. Degraded by a plugin it may be ready still; one that is unstable makes it not. */
async function readiness(
  member: () => ClusterNodeHandle,
  house: PluginHouse,
  office: Office | undefined,
): Promise<{ status: number; body: string }> {
  const own = await local(member);
  const session = own?.session ?? 'joining';
  const awayMs = own?.storeAwayMs;
  const store =
    own === undefined ? undefined : { reachable: awayMs === undefined, ...(awayMs === undefined ? {} : { awayMs }) };
  const certificate = office === undefined ? undefined : certificateFacts(office.keychain);
  const { ailments } = house.health;
  const ready = session === 'live' && !ailments.some(({ closes }) => closes);
  const plugins = house.statuses.map(({ plugin, kind, state }) => ({ plugin, kind, state }));
  const degraded = ailments.map(({ what }) => what);
  return { status: ready ? 200 : 503, body: JSON.stringify({ ready, session, store, plugins, degraded, certificate }) };
}

function certificateFacts({ certificate, caFingerprint }: Office['keychain']) {
  const { notAfter, fingerprint } = certificate;
  return { fingerprint, caFingerprint, notAfter, daysRemaining: daysRemaining({ notAfter }, systemClock.now()) };
}

/** Said with every answer of a node without identities, so that every command says it. */
const INSECURE_NOTICE =
  'this node runs without identities (--insecure): whoever can open a connection on its host may do everything';

function notices(member: () => ClusterNodeHandle, office: Office | undefined): string | undefined {
  const said = [office === undefined ? INSECURE_NOTICE : undefined, noticeOf(member)].filter(
    (text) => text !== undefined,
  );
  return said.length === 0 ? undefined : said.join('; ');
}

/** A node that is still joining has nothing to say. */
function noticeOf(member: () => ClusterNodeHandle): string | undefined {
  try {
    return member().api.notice();
  } catch {
    return undefined;
  }
}

/** The cluster's API of a node that may still be joining: every call asks for it anew. */
function lateApi(member: () => ClusterNodeHandle): ClusterNodeHandle['api'] {
  return new Proxy({} as ClusterNodeHandle['api'], {
    get: (_target, name: string) => {
      return (...args: unknown[]) => {
        const api = member().api as unknown as Record<string, (...args: unknown[]) => unknown>;
        return (api[name] as (...args: unknown[]) => unknown).apply(api, args);
      };
    },
  });
}
