/**
 * A cluster as an operator has one: a real etcd, nodes as processes with a directory each, and a shell that knows their
 * addresses. What tests ask more than once is here: dispatch, the end of a spec, the task that runs, what fsck says.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoiClient, followSpec } from '@boi/client';
import type { FsckReport, SpecState, SpecView, TaskView } from '@boi/core';
import { type EtcdCluster, type EtcdServer, freePorts, startEtcdCluster, TcpProxy } from '@boi/store/testing';
import { ensureBuilt } from './build.ts';
import { NodeProcess } from './node-process.ts';
import { Shell } from './shell.ts';
import { until } from './until.ts';

export interface ClusterOptions {
  /** Default 3. */
  readonly nodes?: number;
  /** Of each node. Default 2. */
  readonly slots?: number;
  /** A proxy between each node and etcd, which has one member then. */
  readonly proxied?: boolean;
  /** Of etcd. Default 1. */
  readonly members?: 1 | 3;
  /** Further settings of `join`, or other values: flags without their dashes. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** What is different about the host of a node, by its name. */
  readonly hosts?: Readonly<
    Record<string, { readonly dataDir?: string; readonly env?: Readonly<Record<string, string>> }>
  >;
}

/** For the hook that starts one: a build of what changed and three daemons, on a machine that is busy otherwise. */
export const START_WITHIN_MS = 300_000;

/** States a spec does not leave. */
const ENDED: readonly SpecState[] = ['succeeded', 'failed', 'cancelled'];

export class Cluster {
  readonly dir: string;
  /** The only member, or the first. */
  readonly etcd: EtcdServer;
  readonly members: readonly EtcdServer[];
  readonly nodes: readonly NodeProcess[];
  readonly #store: EtcdCluster;
  readonly #proxies: ReadonlyMap<NodeProcess, TcpProxy>;
  #shell: Shell | undefined;
  #client: BoiClient | undefined;

  private constructor(
    dir: string,
    store: EtcdCluster,
    nodes: readonly NodeProcess[],
    proxies: ReadonlyMap<NodeProcess, TcpProxy>,
  ) {
    this.dir = dir;
    this.#store = store;
    this.members = store.servers;
    this.etcd = store.servers[0] as EtcdServer;
    this.nodes = nodes;
    this.#proxies = proxies;
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    await ensureBuilt();
    const dir = await mkdtemp(join(tmpdir(), 'boi-system-'));
    const store = await startEtcdCluster(options.members ?? 1);
    const proxies = new Map<NodeProcess, TcpProxy>();
    const nodes: NodeProcess[] = [];
    const ports = await freePorts(options.nodes ?? 3);
    for (const [i, port] of ports.entries()) {
      const name = `node-${i + 1}`;
      const proxy = options.proxied ? await TcpProxy.start({ port: (store.servers[0] as EtcdServer).port }) : undefined;
      const host = options.hosts?.[name];
      const node = new NodeProcess({
        name,
        dataDir: host?.dataDir ?? join(dir, name),
        port,
        etcd: proxy?.endpoint ?? store.endpoints.join(','),
        slots: options.slots ?? 2,
        settings: options.settings ?? {},
        env: { ...options.env, ...host?.env },
      });
      nodes.push(node);
      if (proxy !== undefined) proxies.set(node, proxy);
    }
    const cluster = new Cluster(dir, store, nodes, proxies);
    try {
      await Promise.all(nodes.map((node) => node.start()));
      cluster.#shell = await Shell.open(join(dir, 'laptop'), cluster.urls);
      cluster.#client = new BoiClient({ endpoints: cluster.urls });
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Knows all nodes. */
  get shell(): Shell {
    if (this.#shell === undefined) throw new Error('the cluster is not up');
    return this.#shell;
  }

  /** For questions about the state; what a user does goes through the shell. */
  get client(): BoiClient {
    if (this.#client === undefined) throw new Error('the cluster is not up');
    return this.#client;
  }

  /** Another shell, whose context has these addresses alone. */
  shellOf(name: string, ...nodes: readonly NodeProcess[]): Promise<Shell> {
    return Shell.open(
      join(this.dir, name),
      nodes.map(({ url }) => url),
    );
  }

  proxy(node: NodeProcess): TcpProxy {
    const proxy = this.#proxies.get(node);
    if (proxy === undefined) throw new Error('the cluster was started without proxies');
    return proxy;
  }

  node(idOrName: string | undefined): NodeProcess {
    const node = this.nodes.find(({ id, name }) => id === idOrName || name === idOrName);
    if (node === undefined) throw new Error(`there is no node ${idOrName}`);
    return node;
  }

  others(node: NodeProcess): readonly NodeProcess[] {
    return this.nodes.filter((other) => other !== node);
  }

  /** Dispatches from standard input; answers the id. */
  async dispatch(spec: object, ...flags: readonly string[]): Promise<string> {
    const stdout = await this.shell.ok(['spec', 'dispatch', '-', ...flags], JSON.stringify(spec));
    return stdout.trim();
  }

  spec(id: string): Promise<SpecView> {
    return this.client.call('spec.show', { params: { prj: 'default', spc: id } });
  }

  /** By id, or `SPEC/REF`. */
  task(id: string): Promise<TaskView> {
    return this.client.call('task.show', { params: { prj: 'default', tsk: id } });
  }

  async tasks(spec: string): Promise<readonly TaskView[]> {
    const found: TaskView[] = [];
    let after: string | undefined;
    do {
      const page = await this.client.call('spec.tasks', {
        params: { prj: 'default', spc: spec },
        query: { limit: 1000, ...(after === undefined ? {} : { after }) },
      });
      found.push(...page.items);
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  /** Resolves with the spec when it has ended, told by its events. */
  async ended(spec: string, withinMs = 60_000): Promise<SpecView> {
    const signal = AbortSignal.timeout(withinMs);
    try {
      for await (const event of followSpec(this.client, { project: 'default', spec, tasks: false, signal })) {
        if (event.type === 'end') return event.spec;
      }
    } catch (error) {
      const now = await this.spec(spec);
      if (ENDED.includes(now.state)) return now;
      const waiting = (await this.tasks(spec)).filter(({ endedAt }) => endedAt === undefined).slice(0, 5);
      throw new Error(`${spec} has not ended within ${withinMs / 1000} s: ${JSON.stringify({ now, waiting })}`, {
        cause: error,
      });
    }
    throw new Error(`the events of ${spec} ended before it did`);
  }

  /** The task when it is in that state. */
  taskIn(id: string, state: TaskView['state'], withinMs = 30_000): Promise<TaskView> {
    return this.taskThat(id, `is ${state}`, (task) => task.state === state, withinMs);
  }

  async taskThat(id: string, what: string, test: (task: TaskView) => boolean, withinMs = 30_000): Promise<TaskView> {
    let last: TaskView | undefined;
    return until(
      `${id} ${what}`,
      async () => {
        last = await this.task(id);
        return test(last) && last;
      },
      withinMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(last)}`);
    });
  }

  /** The findings, warnings too. */
  async findings(): Promise<FsckReport['findings']> {
    return (await this.client.call('cluster.fsck', {})).findings;
  }

  /** For the next test, however this one ended: all nodes are up, nothing is paused, and nothing of it runs any more. */
  async restore(): Promise<void> {
    for (const proxy of this.#proxies.values()) {
      proxy.accept();
      proxy.set('flow');
    }
    for (const node of this.nodes) if (!node.alive) await node.start();
    await Promise.all(this.nodes.map((node) => node.ready()));
    if ((await this.client.call('cluster.show', {})).paused) await this.client.call('cluster.resume', { body: {} });
    const { items } = await this.client.call('spec.list', { params: { prj: 'default' }, query: { limit: 50 } });
    for (const { id } of items.filter(({ state }) => !ENDED.includes(state))) {
      // Twice: without grace, and the cleanup tasks too.
      for (let i = 0; i < 2; i++) {
        await this.client
          .call('spec.cancel', { params: { prj: 'default', spc: id }, body: {} })
          .catch((error: { code?: string }) => {
            // It has ended since it was listed, or by the first of the two.
            if (error.code !== 'wrong-state') throw error;
          });
      }
      await this.ended(id);
    }
  }

  async stop(): Promise<void> {
    this.#client?.close();
    const stopped = await Promise.allSettled(this.nodes.map((node) => node.stop()));
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.stop()));
    await this.#store.stop();
    await rm(this.dir, { recursive: true, force: true });
    const failed = stopped.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
