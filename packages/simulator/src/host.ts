/**
 * One host of the simulated cluster: a node's process, which may crash, freeze, stop and start again; its task processes;
 * its disk, that is the buffer of results, which survives the process unless it is lost too.
 */
import { type ClusterConfig, type ClusterEvent, ClusterNode, type Logger } from '@boi/cluster';
import { MemoryBuffer, VirtualRunner, type Witness } from '@boi/cluster/testing';
import { BoiError, type NodeId } from '@boi/core';
import { SeededRandom, type VirtualClock } from '@boi/core/testing';
import type { MemoryServer } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import { drawPlan, type Weather } from './faults.ts';
import { NodeClock } from './node-clock.ts';
import { ProcessStore } from './process-store.ts';
import type { Referee } from './referee.ts';
import { behave } from './workload.ts';

/** The log line of a repair, which the metric counts. */
const EVENTS_LOST = 'events were lost';
/** A watch that was silent for a while looks as if it had lost events; so much later it must have caught up. */
const CATCH_UP_MS = 12_000;

export interface HostOptions {
  readonly id: NodeId;
  readonly n: number;
  readonly seed: number;
  readonly slots: number;
  readonly zone: string;
  readonly server: MemoryServer;
  readonly clock: VirtualClock;
  readonly referee: Referee;
  readonly config: Partial<ClusterConfig>;
}

interface Life {
  readonly process: NodeClock;
  readonly store: FaultyStore;
  readonly runner: VirtualRunner;
  readonly node: ClusterNode;
  readonly rate: number;
}

export type HostState = 'off' | 'starting' | 'up' | 'stopping';

export class Host {
  readonly #options: HostOptions;
  readonly #random: SeededRandom;
  /** Of earlier lives and of this one, by the simulation's clock. */
  readonly #past: Witness[] = [];
  #buffer = new MemoryBuffer();
  #life: Life | undefined;
  /** Until then its watches may be late by more than a repair waits. */
  #calmFromMono = 0;
  state: HostState = 'off';
  cut = false;
  readonly events: ClusterEvent[] = [];

  constructor(options: HostOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed * 7919 + options.n);
  }

  get id(): NodeId {
    return this.#options.id;
  }

  get n(): number {
    return this.#options.n;
  }

  get node(): ClusterNode | undefined {
    return this.state === 'up' ? this.#life?.node : undefined;
  }

  get frozen(): boolean {
    return this.#life?.process.frozen ?? false;
  }

  /** Not asked of a process that is frozen: it does nothing, and knows nothing. */
  get believesLive(): boolean {
    return this.state === 'up' && !this.frozen && this.#life?.node.status().session === 'live';
  }

  hasKept(task: string, nonce: string): boolean {
    return this.#buffer.results.some((result) => result.task === task && result.nonce === nonce);
  }

  get witnesses(): readonly Witness[] {
    return this.#life === undefined ? this.#past : [...this.#past, ...seen(this.#life)];
  }

  /** A new process, with what is on its disk. Never rejects. */
  async start(weather: Weather): Promise<void> {
    const { referee, n } = this.#options;
    this.#bury();
    const life = this.#born(weather);
    this.#life = life;
    this.state = 'starting';
    try {
      await life.node.start();
      if (this.#life === life) this.state = 'up';
    } catch (error) {
      if (!(error instanceof BoiError)) referee.violate(`node ${n} does not start: ${(error as Error).stack}`);
      if (this.#life === life) this.#end(life);
    }
  }

  /** SIGTERM. Never rejects. */
  async stop(drainMs: number): Promise<void> {
    const life = this.#life;
    if (life === undefined || this.state !== 'up') return;
    this.state = 'stopping';
    try {
      await life.node.stop({ drainMs });
    } catch (error) {
      this.#options.referee.violate(`node ${this.n} does not stop: ${(error as Error).stack}`);
    }
    if (this.#life === life) this.#end(life);
  }

  /** The process is gone, and with it, by the guard, its tasks. */
  crash(options: { readonly loseDisk: boolean }): void {
    if (this.#life !== undefined) this.#end(this.#life);
    if (options.loseDisk) this.#buffer = new MemoryBuffer();
  }

  freeze(): void {
    this.#calmFromMono = Number.POSITIVE_INFINITY;
    this.#life?.process.freeze();
  }

  thaw(): void {
    if (this.frozen && !this.cut) this.#calm();
    this.#life?.process.thaw();
  }

  #calm(): void {
    this.#calmFromMono = this.#options.clock.mono() + CATCH_UP_MS;
  }

  partition(kind: 'silent' | 'refusing'): void {
    this.cut = true;
    this.#calmFromMono = Number.POSITIVE_INFINITY;
    this.#life?.store.partition(kind);
  }

  heal(): void {
    if (this.cut && !this.frozen) this.#calm();
    this.cut = false;
    this.#life?.store.heal();
  }

  loseWatches(): void {
    this.#life?.store.loseWatches();
  }

  weather(weather: Weather): void {
    if (this.#life !== undefined) this.#life.store.plan = drawPlan(this.#random, weather);
  }

  #end(life: Life): void {
    this.state = 'off';
    this.heal();
    life.store.crash();
    life.process.kill();
    life.runner.kill();
    this.#bury();
  }

  #bury(): void {
    if (this.#life !== undefined) this.#past.push(...seen(this.#life));
    this.#life = undefined;
  }

  #born(weather: Weather): Life {
    const { id, n, seed, slots, zone, server, clock, referee, config } = this.#options;
    const rate = 1 + (this.#random.next() - 0.5) * 0.004;
    const wallOffsetMs = this.#random.int(4_000) - 2_000;
    const process = new NodeClock({ clock, rate, wallOffsetMs });
    const store = new FaultyStore({ store: server.connect(), clock, plan: drawPlan(this.#random, weather) });
    const runner = new VirtualRunner(process.host, (assignment) => {
      referee.starts(assignment);
      return behave(assignment, seed);
    });
    const quiet = () => {};
    const log: Logger = {
      debug: quiet,
      info: quiet,
      warn: quiet,
      error: (fields, message) => {
        const { err } = fields as { err?: unknown };
        if (err instanceof BoiError || message === EVENTS_LOST) return;
        referee.violate(`node ${n} logs: ${message}${err instanceof Error ? `: ${err.stack}` : ''}`);
      },
    };
    const node = new ClusterNode({
      store: new ProcessStore(store, process),
      clock: process,
      random: new SeededRandom(this.#random.int(2 ** 31)),
      log,
      metrics: {
        count: (name) => {
          if (name !== 'boi_core_watch_repairs_total' || clock.mono() < this.#calmFromMono) return;
          referee.violate(`node ${n} missed events of a watch`);
        },
        gauge: quiet,
        observe: quiet,
      },
      emit: (event) => {
        referee.trace(`${n} ${event.kind}`);
        this.events.push(event);
      },
      config,
      identity: {
        id,
        address: `http://127.0.0.1:${n}`,
        version: '0.1.0',
        capabilities: { os: 'linux', zone },
        slots,
      },
      runner,
      buffer: this.#buffer,
    });
    return { process, store, runner, node, rate };
  }
}

/** By the simulation's clock instead of the host's. */
function seen({ runner, rate }: Life): Witness[] {
  return runner.witnesses.map((witness) => ({
    ...witness,
    startedMono: witness.startedMono / rate,
    ...(witness.endedMono === undefined ? {} : { endedMono: witness.endedMono / rate }),
  }));
}
