/**
 * One node, put together: data directory, store, protocol, worker, HTTP API.
 *
 * Start: settings are checked before anything is touched; then the data directory is locked, the identity read or minted,
 * leftovers of an earlier life are killed (no task starts while an older copy of it still lives here), the API listens
 * (so that its address can be registered; it answers 503 until the node is a member), the node registers, and it is ready.
 * Stop: the protocol drains first, since running tasks still need the worker; then the API, the worker, the store, the lock.
 */
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ClusterNode, type ClusterNodeHandle, METRICS } from '@boi/cluster';
import { BoiError, type NodeId, requireName } from '@boi/core';
import { CountingStore, type Store } from '@boi/store';
import { type DataDirLock, hostFacts, type Logger, lockDataDir, systemClock, systemRandom } from '@boi/system';
import type { FastifyInstance } from 'fastify';
import type { DaemonConfig } from './config.ts';
import { StoredFallback } from './fallback-file.ts';
import { createHandlers } from './http/handlers.ts';
import { openApiDocument } from './http/openapi.ts';
import { createServer, type PlainRoute } from './http/server.ts';
import { loadIdentity } from './identity.ts';
import { LogRelay } from './log-relay.ts';
import { NODE_METRICS } from './metrics.ts';
import { MetricsRegistry } from './metrics-registry.ts';
import { remoteLogs } from './remote-logs.ts';
import { VERSION } from './version.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

export interface DaemonOptions {
  readonly config: DaemonConfig;
  /** Closed by the daemon when it stops. */
  readonly store: Store;
  readonly log: Logger;
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

export class Daemon {
  readonly id: NodeId;
  readonly name: string | undefined;
  /** URL of its API. */
  readonly address: string;
  readonly #parts: Parts;
  #stopped: Promise<void> | undefined;

  private constructor(parts: Parts) {
    this.id = parts.id;
    this.name = parts.config.name;
    this.address = parts.address;
    this.#parts = parts;
  }

  /** Resolves when it is a member and takes work. Throws what is wrong; nothing is left running then. */
  static async start({ config, store: plainStore, log: rootLog }: DaemonOptions): Promise<Daemon> {
    checkSettings(config);
    const undo: (() => Promise<unknown>)[] = [() => plainStore.close()];
    try {
      const dataDir = config['data-dir'];
      const lock = await lockDataDir(dataDir);
      undo.push(() => lock.release());
      const id = await loadIdentity(dataDir, systemClock, systemRandom);
      const log = rootLog.child({ node: id });
      const metrics = new MetricsRegistry({ ...METRICS, ...NODE_METRICS });
      const store = observedStore(plainStore, metrics);
      const workshop = await openWorkshop(config, log, metrics);
      undo.push(() => workshop.stop());

      let node: ClusterNodeHandle | undefined;
      const member = (): ClusterNodeHandle => {
        if (node === undefined)
          throw new BoiError('unavailable', 'This node has not joined the cluster yet.', { retryAfterS: 1 });
        return node;
      };
      const server = createDaemonServer({ config, id, log, metrics, workshop, member, counted: store });
      undo.push(() => server.close());
      await server.listen({ host: config.listen.host, port: config.listen.port });
      const port = (server.server.address() as AddressInfo).port;
      const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host;
      const address = config.advertise ?? `http://${host}:${port}`;

      const clusterNode = new ClusterNode({
        store,
        prefix: config.prefix,
        clock: systemClock,
        random: systemRandom,
        log,
        metrics,
        emit: (event) => {
          metrics.count('boi_core_events_total', 1, { kind: event.kind });
          log.debug({ event }, 'event');
        },
        config: { sessionTtlMs: config['session-ttl'] },
        identity: {
          id,
          ...(config.name === undefined ? {} : { name: config.name }),
          address,
          version: VERSION,
          capabilities: capabilities(config),
          slots: config.slots ?? hostFacts().cpus,
        },
        runner: workshop.runner,
        buffer: workshop.buffer,
        fallbackFile: new StoredFallback(dataDir, () => systemClock.now()),
      });
      undo.push(() => clusterNode.stop({ drainMs: 0 }));
      await clusterNode.start();
      node = clusterNode;
      log.info({ address, version: VERSION, slots: config.slots ?? hostFacts().cpus }, 'ready');
      return new Daemon({ config, id, address, lock, store, log, server, workshop, node: clusterNode });
    } catch (error) {
      for (const step of undo.reverse()) await step().catch((cause) => rootLog.warn({ err: cause }, 'while giving up'));
      throw error;
    }
  }

  get node(): ClusterNodeHandle {
    return this.#parts.node;
  }

  /** Waits up to `drainMs` (default: the setting `shutdown-drain`) for running tasks, requeues the rest, leaves. */
  stop(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.drainMs ?? this.#parts.config['shutdown-drain']);
    return this.#stopped;
  }

  async #stop(drainMs: number): Promise<void> {
    const { node, server, workshop, store, lock, log } = this.#parts;
    log.info({ drainMs }, 'stopping');
    const steps: [string, () => Promise<unknown>][] = [
      ['leaving the cluster', () => node.stop({ drainMs })],
      ['closing the API', () => server.close()],
      ['stopping the worker', () => workshop.stop()],
      ['closing the store', () => store.close()],
      ['releasing the data directory', () => lock.release()],
    ];
    for (const [what, step] of steps) {
      // Each step must be tried: a store that is away must not keep the worker's processes alive.
      await step().catch((error: unknown) => log.error({ err: error }, `${what} failed`));
    }
    log.info({}, 'stopped');
  }
}

interface Parts {
  readonly config: DaemonConfig;
  readonly id: NodeId;
  readonly address: string;
  readonly lock: DataDirLock;
  readonly store: Store;
  readonly log: Logger;
  readonly server: FastifyInstance;
  readonly workshop: Workshop;
  readonly node: ClusterNodeHandle;
}

/** What the settings table cannot say: rules over several settings. Throws `insecure-refused` or `config-invalid`. */
export function checkSettings(config: DaemonConfig): void {
  if (!LOOPBACK.test(config.listen.host)) {
    throw new BoiError(
      'insecure-refused',
      `--listen ${config.listen.host}: without transport security the API is served on loopback only; listen on 127.0.0.1 or ::1`,
    );
  }
  if (config.advertise !== undefined) {
    const host = URL.canParse(config.advertise)
      ? new URL(config.advertise).hostname.replace(/^\[|\]$/g, '')
      : undefined;
    if (host === undefined || !LOOPBACK.test(host)) {
      throw new BoiError(
        'insecure-refused',
        `--advertise ${config.advertise}: must be an http:// URL on loopback until transport security exists`,
      );
    }
  }
  if (!/^\/.*\/$/.test(config.prefix)) {
    throw new BoiError(
      'config-invalid',
      `--prefix ${config.prefix}: must begin and end with \`/\`, for instance /boi/`,
    );
  }
  if (config.name !== undefined) requireName('node', config.name, '/name');
}

function capabilities(config: DaemonConfig): Record<string, string | number | boolean> {
  const { os, arch, cpus, memoryBytes, hostname } = hostFacts();
  return { hostname, ...config.label, os, arch, cpus, memory: memoryBytes };
}

interface ServerDeps {
  readonly config: DaemonConfig;
  readonly id: NodeId;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly workshop: Workshop;
  readonly member: () => ClusterNodeHandle;
  readonly counted: CountingStore;
}

function createDaemonServer({ config, id, log, metrics, workshop, member, counted }: ServerDeps): FastifyInstance {
  const api = lateApi(member);
  const relay = new LogRelay({ api, local: workshop.logs, self: () => id, clock: systemClock, remote: remoteLogs });
  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  let scraped = { writes: 0, reads: 0 };
  const plain: PlainRoute[] = [
    { path: '/healthz', type: 'application/json', handler: async () => ({ status: 200, body: '{"status":"ok"}' }) },
    { path: '/readyz', type: 'application/json', handler: async () => readiness(member) },
    {
      path: '/metrics',
      type: metrics.contentType,
      handler: async () => {
        metrics.gauge('boi_core_process_resident_bytes', process.memoryUsage.rss());
        metrics.gauge('boi_core_process_event_loop_lag_seconds', Number.isNaN(lag.mean) ? 0 : lag.mean / 1e9);
        lag.reset();
        const { writes, reads } = counted.counts;
        metrics.count('boi_core_store_writes_total', writes - scraped.writes);
        metrics.count('boi_core_store_reads_total', reads - scraped.reads);
        scraped = { writes, reads };
        return { status: 200, body: await metrics.text() };
      },
    },
    {
      path: '/openapi.json',
      type: 'application/json',
      handler: async () => ({ status: 200, body: JSON.stringify(openApiDocument(VERSION)) }),
    },
  ];
  const server = createServer({
    handlers: createHandlers({
      api,
      relay,
      version: VERSION,
      self: () => ({ id, ...(config.name === undefined ? {} : { name: config.name }) }),
    }),
    internal: relay.internalRoutes(),
    notice: () => noticeOf(member),
    plain,
    log,
    onRequest: (route, status, seconds) => {
      metrics.count('boi_core_http_requests_total', 1, { route, status: String(status) });
      metrics.observe('boi_core_http_request_seconds', seconds, { route });
    },
  });
  server.addHook('onClose', async () => lag.disable());
  return server;
}

/** Counts what goes to the store; the sums of operations are read at each scrape. */
function observedStore(store: Store, metrics: MetricsRegistry): CountingStore {
  return new CountingStore({
    store,
    clock: systemClock,
    observer: {
      onRequest: ({ method, outcome, ms }) => {
        metrics.count('boi_core_store_requests_total', 1, { method, outcome });
        metrics.observe('boi_core_store_request_seconds', ms / 1000, { method });
      },
      onWatchEvents: (count) => metrics.count('boi_core_store_watch_events_total', count),
      onWatchLost: (reason) => metrics.count('boi_core_store_watches_lost_total', 1, { reason }),
    },
  });
}

async function readiness(member: () => ClusterNodeHandle): Promise<{ status: number; body: string }> {
  let session = 'joining';
  try {
    session = member().status().session;
  } catch {
    // Not a member yet.
  }
  return { status: session === 'live' ? 200 : 503, body: JSON.stringify({ ready: session === 'live', session }) };
}

/** For every answer; a node that is still joining has nothing to say. */
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
