/**
 * One node, put together: data directory, store, protocol, worker, HTTP API.
 *
 * Start: settings are checked before anything is touched; then the data directory is locked, the identity read or minted,
 * leftovers of an earlier life are killed (no task starts while an older copy of it still lives here) and what its pools run is
 * taken up, the API listens
 * (so that its address can be registered; it answers 503 until the node is a member), the node registers, and it is ready.
 * Plugins begin before the node joins. Stop: the protocol drains first, since running tasks still need the worker; then the
 * API, the worker, the plugins, the store, the lock.
 */
import { realpath } from 'node:fs/promises';
import {
  type ClusterConfig,
  type ClusterEvent,
  ClusterNode,
  type ClusterNodeHandle,
  CrashRecords,
  Keys,
  METRICS,
} from '@boi/cluster';
import { BoiError, type NodeId, requireName } from '@boi/core';
import { CountingStore, type Store } from '@boi/store';
import { type DataDirLock, hostFacts, type Logger, lockDataDir, systemClock, systemRandom } from '@boi/system';
import type { FastifyInstance } from 'fastify';
import { RateLimiter } from './access/rate-limit.ts';
import type { DaemonConfig } from './config.ts';
import { StoredFallback } from './fallback-file.ts';
import { createDaemonServer } from './http/daemon-server.ts';
import { listen } from './http/listen.ts';
import { Office } from './identity/office.ts';
import { loadIdentity } from './identity.ts';
import { NODE_METRICS } from './metrics.ts';
import { MetricsRegistry } from './metrics-registry.ts';
import { ClusterPorts } from './plugins/cluster-ports.ts';
import { NodeHooks } from './plugins/hooks.ts';
import { PluginHouse } from './plugins/house.ts';
import { readPluginFiles } from './plugins/plugin-file.ts';
import { checkTaskUser, TaskPlugins } from './plugins/task-plugins.ts';
import { SessionFile } from './session-file.ts';
import { VERSION } from './version.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

export interface DaemonOptions {
  readonly config: DaemonConfig;
  /** Closed by the daemon when it stops. */
  readonly store: Store;
  readonly log: Logger;
  /** Held already by the caller; released when the daemon stops, or when its start fails. */
  readonly lock?: DataDirLock;
  /** With the identity in the data directory, over mutual TLS. Else plain HTTP on loopback, for anyone. */
  readonly secure?: boolean;
  /** It was removed from the cluster and is to be stopped. */
  readonly onFatal?: (error: Error) => void;
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
  static async start({
    config,
    store: plainStore,
    log: rootLog,
    lock: held,
    secure = false,
    onFatal,
  }: DaemonOptions): Promise<Daemon> {
    const undo: (() => Promise<unknown>)[] = [() => plainStore.close()];
    if (held !== undefined) undo.push(() => held.release());
    try {
      checkSettings(config, secure);
      const dataDir = config['data-dir'];
      const plugins = await readPluginFiles(dataDir);
      checkTaskUser(config['task-user'], plugins);
      const lock = held ?? (await lockDataDir(dataDir));
      if (held === undefined) undo.push(() => lock.release());
      const id = await loadIdentity(dataDir, systemClock, systemRandom);
      const log = rootLog.child({ node: id });
      const metrics = new MetricsRegistry({ ...METRICS, ...NODE_METRICS });
      const store = observedStore(plainStore, metrics);
      const tell = (event: ClusterEvent) => hooks.events.tell(event);
      const ports = new ClusterPorts({ log, tell });
      const house = new PluginHouse(plugins, {
        dataDir: await realpath(dataDir),
        clock: systemClock,
        random: systemRandom,
        nodeId: id,
        hostVersion: VERSION,
        crashLog: new CrashRecords(store, new Keys(config.prefix), id),
        log,
        metrics,
        mask: ports.mask,
        tell,
      });
      const hooks: NodeHooks = new NodeHooks({
        supervisors: house.ofKind('hooks'),
        dataDir,
        node: id,
        store,
        ...(config.prefix === undefined ? {} : { prefix: config.prefix }),
        clock: systemClock,
        random: systemRandom,
        log,
        metrics,
        behind: (plugin, isBehind) => house.health.behind(plugin, isBehind),
        problem: house.problem,
      });
      let node: ClusterNodeHandle | undefined;
      const member = (): ClusterNodeHandle => {
        if (node === undefined)
          throw new BoiError('unavailable', 'This node has not joined the cluster yet.', { retryAfterS: 1 });
        return node;
      };
      const limiter = new RateLimiter(systemClock, config['request-rate']);
      const onRemoved = () => {
        const error = new BoiError('wrong-state', `${id} was removed from the cluster`);
        log.error({ err: error }, 'this node is no member any more');
        onFatal?.(error);
      };
      const office = secure
        ? await Office.open({ config, node: id, store, log, metrics, events: hooks.events, member, limiter, onRemoved })
        : undefined;
      if (office !== undefined) undo.push(() => office.stop());
      const epoch = () => node?.snapshot().members.get(id)?.epoch;
      const taskPlugins = new TaskPlugins({ supervisors: house.all, clock: systemClock, log, epoch });
      const workshop = await openWorkshop(config, log, metrics, taskPlugins);
      undo.push(() => workshop.stop({ leave: true }));
      const server = createDaemonServer({
        config,
        id,
        log,
        metrics,
        workshop,
        house,
        hooks,
        member,
        counted: store,
        limiter,
        office,
      });
      undo.push(() => server.close());
      const port = await listen(server, config.listen);
      const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host;
      const address = config.advertise ?? `${secure ? 'https' : 'http'}://${host}:${port}`;

      undo.push(() => hooks.stop());
      await hooks.start();
      undo.push(() => house.stop());
      await house.start();
      taskPlugins.start();
      const { router, provisioner } = ports.of(house, office?.joinTokens());
      const clusterNode = new ClusterNode({
        store,
        ...(config.prefix === undefined ? {} : { prefix: config.prefix }),
        ...(office === undefined ? {} : { cluster: office.keychain.cluster }),
        clock: systemClock,
        random: systemRandom,
        log,
        metrics,
        events: hooks.hub,
        config: clusterConfig(config),
        identity: {
          id,
          ...(config.name === undefined ? {} : { name: config.name }),
          address,
          version: VERSION,
          capabilities: { ...capabilities(config), ...taskPlugins.capabilities },
          slots: config.slots ?? hostFacts().cpus,
          provisioner: provisioner !== undefined,
        },
        ...(router === undefined ? {} : { router }),
        ...(provisioner === undefined ? {} : { provisioner }),
        runner: workshop.runner,
        buffer: workshop.buffer,
        fallbackFile: new StoredFallback(dataDir, () => systemClock.now()),
        sessionMemory: new SessionFile(dataDir),
      });
      undo.push(() => clusterNode.stop({ drainMs: 0 }));
      house.health.attach((ailments) => clusterNode.ail(ailments));
      await clusterNode.start();
      node = clusterNode;
      office?.start(address);
      log.info({ address, version: VERSION, slots: config.slots ?? hostFacts().cpus }, 'ready');
      return new Daemon({
        config,
        id,
        address,
        lock,
        store,
        log,
        server,
        workshop,
        house,
        hooks,
        office,
        node: clusterNode,
      });
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
    const { node, server, workshop, house, hooks, office, store, lock, log } = this.#parts;
    log.info({ drainMs }, 'stopping');
    const steps: [string, () => Promise<unknown>][] = [
      ['leaving the cluster', () => node.stop({ drainMs })],
      ['closing the API', () => server.close()],
      ['stopping the upkeep of credentials', async () => office?.stop()],
      ['stopping the worker', () => workshop.stop()],
      ['closing the logs of events', () => hooks.stop()],
      ['stopping the plugins', () => house.stop()],
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
  readonly house: PluginHouse;
  readonly hooks: NodeHooks;
  readonly office: Office | undefined;
  readonly node: ClusterNodeHandle;
}

/** What the settings table cannot say: rules over several settings. Throws `insecure-refused` or `config-invalid`. */
export function checkSettings(config: DaemonConfig, secure = false): void {
  if (secure) checkAdvertised(config);
  else checkLoopback(config);
  if (config.prefix !== undefined && !/^\/.*\/$/.test(config.prefix)) {
    throw new BoiError(
      'config-invalid',
      `--prefix ${config.prefix}: must begin and end with \`/\`, for instance /boi/`,
    );
  }
  if (config.name !== undefined) requireName('node', config.name, '/name');
}

function checkLoopback({ listen, advertise }: DaemonConfig): void {
  const remedy = 'or found a cluster (`boi-node cluster init`) or join one (`--token`), which brings certificates';
  if (!LOOPBACK.test(listen.host)) {
    throw new BoiError(
      'insecure-refused',
      `--listen ${listen.host}: without identities the API is served on loopback only; listen on 127.0.0.1 or ::1, ${remedy}`,
    );
  }
  const host = advertise === undefined ? '127.0.0.1' : hostOf(advertise, 'http:');
  if (host === undefined || !LOOPBACK.test(host)) {
    throw new BoiError(
      'insecure-refused',
      `--advertise ${advertise}: without identities it must be an http:// URL on loopback, ${remedy}`,
    );
  }
}

function checkAdvertised({ listen, advertise }: DaemonConfig): void {
  if (advertise === undefined && (listen.host === '0.0.0.0' || listen.host === '::')) {
    throw new BoiError(
      'config-invalid',
      `--listen ${listen.host}: others cannot reach that address; say by --advertise how they do, for instance https://build-1.example.org:7440`,
    );
  }
  if (advertise !== undefined && hostOf(advertise, 'https:') === undefined) {
    throw new BoiError('config-invalid', `--advertise ${advertise}: must be an https:// URL without a path`);
  }
}

function hostOf(address: string, protocol: 'http:' | 'https:'): string | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  return url?.protocol === protocol && url.pathname === '/' ? url.hostname.replace(/^\[|\]$/g, '') : undefined;
}

function clusterConfig(config: DaemonConfig): Partial<ClusterConfig> {
  return {
    sessionTtlMs: config['session-ttl'],
    archiveKeepMs: config['archive-keep'],
    archiveSpecsMax: config['archive-specs'],
    archiveBytesMax: config['archive-bytes'],
    provisionDeadlineMs: config['provision-deadline'],
    provisionIdleMs: config['provision-idle'],
  };
}

function capabilities(config: DaemonConfig): Record<string, string | number | boolean> {
  const { os, arch, cpus, memoryBytes, hostname } = hostFacts();
  return { hostname, ...config.label, os, arch, cpus, memory: memoryBytes };
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
