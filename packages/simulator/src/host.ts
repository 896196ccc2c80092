/**
 * One host of the simulated cluster: a node's process, which may crash, freeze, stop and start again; its task processes;
 * its disk, that is the buffer of results, which survives the process unless it is lost too.
 */
import { type ClusterConfig, ClusterNode, type Logger } from '@boi/cluster';
import { type RecordedEvent, RecordingPort, VirtualRunner, type Witness } from '@boi/cluster/testing';
import { BoiError, type NodeId } from '@boi/core';
import { SeededRandom, type VirtualClock } from '@boi/core/testing';
import type { MemoryServer } from '@boi/store';
import { type CallFault, type FaultPlan, FaultyStore, type StoreCall } from '@boi/store/testing';
import type { Cloud } from './cloud.ts';
import { Disk } from './disk.ts';
import { drawPlan, type Weather } from './faults.ts';
import type { Tally } from './kinds.ts';
import { NodeClock } from './node-clock.ts';
import { ProcessStore } from './process-store.ts';
import type { Referee } from './referee.ts';
import { wildRouter } from './wild-router.ts';
import { behave } from './workload.ts';

/** The log line of a repair, which the metric counts. */
const EVENTS_LOST = 'events were lost';
/** What a node says of itself that cannot start three tasks in a row. */
const COOLS = 'tasks cannot be started here; the node takes no more for a while';
/** A watch that was silent for a while looks as if it had lost events; so much later it must have caught up. */
const CATCH_UP_MS = 12_000;
/** What was delayed while it was blind is on its way yet. */
const BLIND_CALM_MS = 40_000;

export interface HostOptions {
  readonly id: NodeId;
  readonly n: number;
  readonly seed: number;
  readonly slots: number;
  readonly zone: string;
  /** What it advertises besides. */
  readonly capabilities?: Readonly<Record<string, string>>;
  /** Whom its node asks for nodes. */
  readonly cloud?: Cloud;
  /** Its node asks a router, which answers anything. */
  readonly routed?: boolean;
  readonly server: MemoryServer;
  readonly clock: VirtualClock;
  readonly referee: Referee;
  readonly config: Partial<ClusterConfig>;
  readonly tally: Tally;
  /** Asked for each call before the weather is. */
  readonly ambush: (host: Host, call: StoreCall) => CallFault | undefined;
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
  readonly disk: Disk;
  #life: Life | undefined;
  #diskLost = false;
  #retired = false;
  #lives = 0;
  /** Until then its watches may be late by more than a repair waits. */
  #calmFromMono = 0;
  #blindTillMono = Number.NEGATIVE_INFINITY;
  #weather: Weather = 'fair';
  state: HostState = 'off';
  cut = false;
  readonly events: RecordedEvent[] = [];
  /** One for each life of its process. */
  readonly ports: RecordingPort[] = [];

  constructor(options: HostOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed * 7919 + options.n);
    this.disk = new Disk(options.tally);
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
    return this.disk.has(task, nonce);
  }

  get witnesses(): readonly Witness[] {
    return this.#life === undefined ? this.#past : [...this.#past, ...seen(this.#life)];
  }

  /** A new process, with what is on its disk. Never rejects. */
  async start(weather: Weather): Promise<void> {
    const { referee, n, tally } = this.#options;
    if (this.#retired) return;
    if (this.#lives > 0) tally.add(this.#diskLost ? 'restart without its disk' : 'restart with its disk');
    this.#lives++;
    this.#diskLost = false;
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
    if (options.loseDisk) {
      this.disk.lose();
      this.#diskLost = true;
    }
  }

  /** Gone for good, with its disk. */
  retire(): void {
    this.crash({ loseDisk: true });
    this.#retired = true;
  }

  /** The store's end of its session, now: of a process that is gone, as if its last keep-alives had been lost before. */
  expire(): void {
    const { server, referee, id } = this.#options;
    const lease = server.get(referee.keys.node(id)).kv?.lease;
    if (this.state === 'off' && lease !== undefined) server.revokeLease(lease);
  }

  /** So far from the right time, set at once. */
  setClock(offsetMs: number): void {
    this.#life?.process.setWall(offsetMs);
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
    this.#calmFromMono = Math.max(
      this.#options.clock.mono() + CATCH_UP_MS,
      this.#weather === 'blind' ? Number.POSITIVE_INFINITY : this.#blindTillMono + BLIND_CALM_MS,
    );
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
    const life = this.#life;
    if (life === undefined) return;
    life.store.plan = this.#plan(weather);
    if (this.#weather === 'blind' && weather !== 'blind') this.#blindTillMono = this.#options.clock.mono();
    this.#weather = weather;
    if (weather === 'blind') this.#calmFromMono = Number.POSITIVE_INFINITY;
    else if (!this.cut && !this.frozen) this.#calm();
  }

  #plan(weather: Weather): FaultPlan {
    const plan = drawPlan(this.#random, weather, this.#options.tally);
    const { ambush } = this.#options;
    return { ...plan, call: (call) => ambush(this, call) ?? plan.call?.(call) };
  }

  #end(life: Life): void {
    this.state = 'off';
    this.disk.state = 'sound';
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
    const { id, n, seed, slots, zone, server, clock, referee, config, tally, cloud, routed } = this.#options;
    // A hundredth is far more than a host with a working clock is off.
    const rate = 1 + (this.#random.next() - 0.5) * 0.02;
    const wallOffsetMs = this.#random.int(4_000) - 2_000;
    tally.add('clock drifts');
    this.#weather = weather;
    if (weather === 'blind') this.#calmFromMono = Number.POSITIVE_INFINITY;
    const process = new NodeClock({ clock, rate, wallOffsetMs });
    const store = new FaultyStore({ store: server.connect(), clock, plan: this.#plan(weather) });
    const runner: VirtualRunner = new VirtualRunner(process.host, (assignment) => {
      referee.starts(assignment);
      const { behaviour, killsAfterMs } = behave(assignment, seed, tally);
      if (killsAfterMs !== undefined)
        process.host.timer(killsAfterMs, () => {
          const runs = runner.running.some((witness) => witness.assignment === assignment);
          if (runs && this.#life?.runner === runner) this.crash({ loseDisk: false });
        });
      return behaviour;
    });
    const quiet = () => {};
    const log: Logger = {
      debug: quiet,
      info: quiet,
      warn: quiet,
      error: (fields, message) => {
        const { err } = fields as { err?: unknown };
        if (err instanceof BoiError || message === EVENTS_LOST || message === COOLS) return;
        referee.violate(`node ${n} logs: ${message}${err instanceof Error ? `: ${err.stack}` : ''}`);
      },
    };
    const port = new RecordingPort({
      onEvent: (event) => {
        referee.trace(`${n} ${event.kind}`);
        this.events.push(event);
        if (event.kind === 'provision.fulfilled') tally.add('provisioned');
      },
      onProblem: (problem) => referee.violate(`node ${n}: ${problem}`),
    });
    this.ports.push(port);
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
      events: port,
      config,
      identity: {
        id,
        address: `http://127.0.0.1:${n}`,
        version: '0.1.0',
        capabilities: { os: 'linux', zone, ...this.#options.capabilities },
        slots,
        ...(cloud === undefined ? {} : { provisioner: true }),
      },
      ...(cloud === undefined ? {} : { provisioner: { plugin: cloud.port(process) } }),
      ...(routed === true ? { router: wildRouter(seed * 17 + n, process, tally) } : {}),
      runner,
      buffer: this.disk,
      sessionMemory: this.disk.session,
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
