/**
 * What a soak does to the cluster: one fault every few seconds, drawn from a seed, each undone after a while. Several may be
 * under way at once, but never on more than half of the nodes, and no two on one node. The first node is never killed, so
 * that one process lives through all of it: its memory and descriptors are what "flat" is said of.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandom } from '@boi/core/testing';
import type { Cluster } from '../support/cluster.ts';
import { type NodeProcess, SESSION_TTL_MS } from '../support/node-process.ts';

export interface FaultOptions {
  readonly cluster: Cluster;
  readonly random: SeededRandom;
  /** A spec that has not ended, or undefined. */
  readonly someSpec: () => string | undefined;
  readonly say: (line: string) => void;
}

type OnNode = 'kill' | 'stop' | 'term' | 'swallow' | 'refuse' | 'one-way' | 'cut' | 'drain';
type OnCluster = 'etcd-kill' | 'etcd-stop' | 'pause' | 'cancel';

const ON_NODE: readonly OnNode[] = [
  'kill',
  'kill',
  'stop',
  'stop',
  'term',
  'swallow',
  'refuse',
  'one-way',
  'cut',
  'drain',
];
const ON_CLUSTER: readonly OnCluster[] = ['etcd-kill', 'etcd-stop', 'pause', 'cancel', 'cancel'];
const ENDS_THE_PROCESS: ReadonlySet<OnNode> = new Set(['kill', 'term']);
/** On average. */
const EVERY_MS = 4_000;
/** An operator's request in the middle of faults is repeated until it is answered. */
const REQUEST_TRIES = 20;

export class Faults {
  readonly counts = new Map<string, number>();
  readonly #options: FaultOptions;
  readonly #busy = new Set<NodeProcess>();
  readonly #underWay = new Set<Promise<void>>();
  #clusterBusy = false;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  /** Until the signal aborts; resolves when every fault is undone. */
  async run(signal: AbortSignal): Promise<void> {
    const { random } = this.#options;
    while (!signal.aborted) {
      await delay(EVERY_MS * (0.5 + random.next()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      const fault = random.next() < 0.7 ? this.#onNode() : this.#onCluster();
      if (fault === undefined) continue;
      const done: Promise<void> = fault
        .catch((error: unknown) =>
          this.#options.say(`a fault could not be made or undone: ${(error as Error).message.slice(0, 300)}`),
        )
        .finally(() => this.#underWay.delete(done));
      this.#underWay.add(done);
    }
    await Promise.all(this.#underWay);
  }

  #note(what: string, more: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    this.#options.say(`${what} ${more}`);
  }

  #ms(low: number, high: number): number {
    return Math.round(low + this.#options.random.next() * (high - low));
  }

  #onNode(): Promise<void> | undefined {
    const { cluster, random } = this.#options;
    const kind = random.pick(ON_NODE);
    const able = cluster.nodes.filter(
      (node, i) => node.alive && !this.#busy.has(node) && (i > 0 || !ENDS_THE_PROCESS.has(kind)),
    );
    if (able.length === 0 || this.#busy.size >= cluster.nodes.length / 2) return undefined;
    const node = random.pick(able);
    const forMs = kind === 'stop' ? this.#ms(300, 3 * SESSION_TTL_MS) : this.#ms(500, 4 * SESSION_TTL_MS);
    this.#busy.add(node);
    this.#note(kind, `${node.name} for ${forMs} ms`);
    return this.#doToNode(kind, node, forMs).finally(() => this.#busy.delete(node));
  }

  async #doToNode(kind: OnNode, node: NodeProcess, forMs: number): Promise<void> {
    const { cluster } = this.#options;
    const proxy = cluster.proxy(node);
    switch (kind) {
      case 'kill':
        await node.kill();
        await delay(forMs / 2);
        return this.#up(node);
      case 'term':
        await node.stop();
        await delay(forMs / 2);
        return this.#up(node);
      case 'stop':
        node.pause();
        await delay(forMs);
        node.resume();
        return;
      case 'swallow':
      case 'one-way':
        proxy.set('swallow', kind === 'swallow' ? 'both' : 'to-client');
        await delay(forMs);
        proxy.set('flow');
        // What was lost on the way is lost: the connections are of no use any more.
        proxy.cut();
        return;
      case 'refuse':
        proxy.refuse();
        await delay(forMs);
        proxy.accept();
        return;
      case 'cut':
        // In the middle of an answer, whichever comes: requests whose outcome nobody knows.
        for (let i = 0; i < 5; i++) {
          proxy.cutAfter(this.#ms(1, 2_000));
          await delay(forMs / 10);
        }
        proxy.cutAfter(Number.POSITIVE_INFINITY);
        return;
      case 'drain':
        await this.#asked(() =>
          cluster.client.call('node.drain', { params: { nod: node.id }, body: { deadlineMs: 1_000 } }),
        );
        await delay(forMs);
        await this.#asked(() => cluster.client.call('node.uncordon', { params: { nod: node.id }, body: {} }));
    }
  }

  /** A daemon that finds no etcd as it starts says so and ends: whoever supervises it starts it again. */
  async #up(node: NodeProcess): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await node.start();
      } catch (error) {
        if (node.alive || tries === REQUEST_TRIES) throw error;
        await delay(1_000);
      }
    }
  }

  #onCluster(): Promise<void> | undefined {
    if (this.#clusterBusy) return undefined;
    const kind = this.#options.random.pick(ON_CLUSTER);
    const spec = kind === 'cancel' ? this.#options.someSpec() : undefined;
    if (kind === 'cancel' && spec === undefined) return undefined;
    const forMs = this.#ms(300, SESSION_TTL_MS);
    this.#clusterBusy = true;
    this.#note(kind, spec ?? `for ${forMs} ms`);
    return this.#doToCluster(kind, spec ?? '', forMs).finally(() => {
      this.#clusterBusy = false;
    });
  }

  async #doToCluster(kind: OnCluster, spec: string, forMs: number): Promise<void> {
    const { cluster } = this.#options;
    switch (kind) {
      case 'etcd-kill':
        await cluster.etcd.kill();
        await delay(forMs);
        return cluster.etcd.start();
      case 'etcd-stop':
        cluster.etcd.pause();
        await delay(forMs);
        return cluster.etcd.resume();
      case 'pause':
        await this.#asked(() => cluster.client.call('cluster.pause', { body: {} }));
        await delay(forMs);
        return this.#asked(() => cluster.client.call('cluster.resume', { body: {} }));
      case 'cancel':
        return this.#asked(() =>
          cluster.client.call('spec.cancel', { params: { prj: 'default', spc: spec }, body: {} }),
        );
    }
  }

  async #asked(ask: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await ask();
        return;
      } catch (error) {
        // It ended meanwhile, or was cancelled by a request whose answer was lost.
        if ((error as { code?: string }).code === 'wrong-state') return;
        if (tries === REQUEST_TRIES) throw error;
        await delay(500);
      }
    }
  }
}
