/**
 * One run: real nodes over one memory store and one virtual clock; a seed draws the work and the faults, step by step, until
 * the steps are used up. Then everything is repaired and the cluster must come to rest (rest.ts). The same options give the
 * same run, event by event, which the trace's hash shows. Each step draws from a generator of its own, so that leaving one
 * out (`without`) leaves the others what they are: that is how a failing run is made smaller.
 */
import type { ClusterConfig } from '@boi/cluster';
import { BoiError, type DispatchAnswer, IdMinter, type ProjectId, type SpecId, sleep } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { MemoryServer } from '@boi/store';
import { Ambusher } from './ambush.ts';
import { CALAMITIES } from './calamities.ts';
import { Cloud, RARE } from './cloud.ts';
import { Host } from './host.ts';
import { type Counts, Tally } from './kinds.ts';
import { operate } from './operators.ts';
import { Referee } from './referee.ts';
import { comeToRest } from './rest.ts';
import type { Sizes } from './shrink.ts';
import { drawSpec } from './workload.ts';
import type { World } from './world.ts';

export interface SimulationOptions extends Partial<Sizes> {
  readonly seed: number;
  /** Is told each event as a line: virtual time, revision and what it means, or what was done to which node. */
  readonly timeline?: (line: string) => void;
}

export const DEFAULT_SIZES = { nodes: 3, tasks: 60, steps: 60 } as const;

export interface SimulationResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly specs: number;
  readonly results: number;
  readonly starts: number;
  readonly revisions: number;
  readonly virtualMs: number;
  readonly counts: Counts;
}

const STEP_MAX_MS = 3_000;
const ANSWER_WITHIN_MS = 40_000;
const SPEC_TASKS_MAX = 14;
const SLOTS_MAX = 4;
/** In each so many seeds nodes are made by a provisioner in one, and a router advises in the next. */
const CLOUDY = 4;
/** In those, chance of a step to dispatch a task that only a node that is made can run. */
const RARE_DISPATCH = 0.12;
const DELIVERIES_MAX = 3;
/** Of a hundred steps so many dispatch, and so many are what people do. */
const DISPATCHES = 20;
const OPERATIONS = 22;
/** While some node has a result on its disk that is still to be committed, chance of a power cut in each step. */
const HAUNTED_CUT = 0.12;
/** While one has a result that is over, chance that its task is sent for again. */
const HAUNTED_RETRY = 0.5;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run();
}

/** What differs from run to run, besides what happens. */
function drawConfig(random: SeededRandom): Partial<ClusterConfig> {
  return {
    sessionTtlMs: 6_000,
    sweepMs: 10_000,
    cooldownMs: 20_000,
    deliveriesMax: DELIVERIES_MAX,
    // Some specs are written in parts, and some are archived while others run.
    dispatchChunk: random.pick([500, 3, 5]),
    lingerMs: random.pick([4_000, 15_000, 3_600_000]),
    compactKeepMs: random.pick([30_000, 1_000]),
    relistMs: random.pick([60_000, 15_000]),
    provisionDeadlineMs: 10_000,
    provisionIdleMs: 15_000,
    provisionCooldownMs: 20_000,
  };
}

class Simulation implements World {
  readonly seed: number;
  readonly clock = new VirtualClock();
  readonly server = new MemoryServer({ clock: this.clock });
  readonly tally = new Tally();
  readonly referee: Referee;
  readonly hosts: Host[] = [];
  readonly retired: Host[] = [];
  readonly config: Partial<ClusterConfig>;
  project: ProjectId | undefined;
  readonly cloud: Cloud | undefined;
  readonly #random: SeededRandom;
  readonly #minter: IdMinter;
  readonly #ambusher: Ambusher;
  readonly #hostsMax: number;
  readonly #steps: number;
  readonly #without: ReadonlySet<number>;
  readonly #accepted = new Map<number, string>();
  #tasksLeft: number;
  #asked = 0;
  #pendingCalls = 0;

  constructor({ seed, timeline, ...sizes }: SimulationOptions) {
    const { nodes, tasks, steps } = { ...DEFAULT_SIZES, ...sizes };
    this.seed = seed;
    this.#random = new SeededRandom(seed);
    this.config = drawConfig(this.#random);
    this.referee = new Referee({
      server: this.server,
      clock: this.clock,
      known: {
        believesLive: (node) => this.#hostOf(node)?.believesLive ?? false,
        hasKept: (node, task, nonce) => this.#hostOf(node)?.hasKept(task, nonce) ?? false,
        isStopping: (node) => this.#hostOf(node)?.state === 'stopping',
      },
      tally: this.tally,
      deliveriesMax: DELIVERIES_MAX,
      ...(timeline === undefined ? {} : { timeline }),
    });
    this.#minter = new IdMinter(this.clock, this.#random);
    this.#ambusher = new Ambusher(this);
    this.#tasksLeft = tasks;
    this.#steps = steps;
    this.#without = new Set(sizes.without ?? []);
    this.#hostsMax = 2 * nodes;
    if (seed % CLOUDY === 0) {
      this.cloud = new Cloud({
        seed,
        clock: this.clock,
        server: this.server,
        tally: this.tally,
        config: this.config,
        violate: (what) => this.referee.violate(what),
        add: (capabilities) => this.#addHost(capabilities),
        remove: (host) => this.#retire(host),
      });
    }
    for (let n = 0; n < nodes; n++) this.#addHost();
  }

  async run(): Promise<SimulationResult> {
    const { referee, clock } = this;
    try {
      await this.#boot();
      this.#ambusher.armed = true;
      for (let step = 1; step <= this.#steps && referee.violations.length === 0; step++) {
        const random = new SeededRandom(this.seed * 1_000_003 + step);
        const forMs = 1 + random.int(STEP_MAX_MS);
        if (!this.#without.has(step)) this.#act(step, random);
        await clock.advance(forMs);
      }
      this.#ambusher.armed = false;
      if (referee.violations.length === 0) {
        await comeToRest(this, {
          accepted: this.#accepted,
          asked: () => this.#asked,
          pending: () => this.#pendingCalls,
        });
      }
    } catch (error) {
      referee.violate(`the run failed: ${(error as Error).stack}`);
    }
    const witnesses = [...this.hosts, ...this.retired].flatMap((host) => host.witnesses);
    referee.judge(witnesses);
    const result = {
      seed: this.seed,
      violations: referee.violations.map((violation) => referee.names.replace(violation)),
      traceHash: referee.traceHash,
      specs: this.#accepted.size,
      results: referee.resultCount,
      starts: witnesses.length,
      revisions: referee.revisions,
      virtualMs: Math.round(clock.mono()),
      counts: this.tally.counts,
    };
    for (const host of this.hosts) host.crash({ loseDisk: false });
    referee.stop();
    this.server.stop();
    return result;
  }

  #hostOf(node: string): Host | undefined {
    return this.hosts.find(({ id }) => id === node);
  }

  #retire(host: Host): void {
    host.retire();
    this.hosts.splice(this.hosts.indexOf(host), 1);
    this.retired.push(host);
  }

  /** `made`: what a host of the cloud advertises. */
  #addHost(made?: Readonly<Record<string, string>>): Host {
    const n = this.hosts.length + this.retired.length + 1;
    const host = new Host({
      id: this.#minter.mint('node'),
      n,
      seed: this.seed,
      slots: 2 + this.#random.int(SLOTS_MAX - 1),
      zone: n % 2 === 0 ? 'b' : 'a',
      ...(made === undefined ? {} : { capabilities: made }),
      ...(made === undefined && this.cloud !== undefined ? { cloud: this.cloud } : {}),
      routed: this.seed % CLOUDY === 1,
      server: this.server,
      clock: this.clock,
      referee: this.referee,
      config: this.config,
      tally: this.tally,
      ambush: (at, call) => this.#ambusher.ambush(at, call),
    });
    this.referee.names.name(host.id, `node-${n}`);
    this.hosts.push(host);
    return host;
  }

  async #boot(): Promise<void> {
    for (const host of this.hosts) void host.start('fair');
    const done = () => this.hosts.every(({ state }) => state === 'up') || this.referee.violations.length > 0;
    await this.clock.until(done, 60_000, 'the first start');
    this.project = this.hosts[0]?.node?.snapshot().cluster.defaultProject;
  }

  #act(step: number, random: SeededRandom): void {
    const host = random.pick(this.hosts);
    const note = (what: string) => this.referee.trace(`step ${step}: ${what}`);
    if (this.#haunt(random, note)) return;
    if (this.cloud !== undefined && new SeededRandom(this.seed * 7 + step).next() < RARE_DISPATCH) {
      note('dispatch of what no node can run');
      this.#dispatchRare();
      return;
    }
    const draw = random.int(100);
    if (this.#tasksLeft > 0 && (draw < DISPATCHES || this.#asked === 0)) {
      note('dispatch');
      this.#dispatch(random);
    } else if (draw < DISPATCHES + OPERATIONS) {
      note('an operator');
      operate({ world: this, random, retrySpec: (spec) => this.#retrySpec(spec) });
    } else {
      let left = random.next() * CALAMITIES.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, name, act] of CALAMITIES) {
        left -= weight;
        if (left >= 0) continue;
        note(`${name}, node-${host.n}`);
        act({ world: this, random, host, join: () => this.#join() });
        return;
      }
    }
  }

  /** Results on disks are rare, and what goes wrong with them needs more than one accident: draws the second. */
  #haunt(random: SeededRandom, note: (what: string) => void): boolean {
    const { hosts, referee, project } = this;
    const cut = CALAMITIES.find(([, name]) => name === 'power cut')?.[2];
    for (const host of hosts) {
      for (const { task, nonce } of host.disk.results) {
        const held = referee.nonceOf(host.id, task as never);
        if (held !== undefined && held !== nonce) {
          note(`node-${host.n} crashes with an old result of ${task}, which it holds anew`);
          this.tally.add('result left on a disk that its task comes back to');
          cut?.({ world: this, random, host, join: () => {} });
          return true;
        }
        const api = random.pick(hosts).node?.api;
        const ended = referee.endedTasks.find((id) => id === task);
        if (ended !== undefined && api !== undefined && project !== undefined && random.next() < HAUNTED_RETRY) {
          note(`retry of ${task}, whose old result is on the disk of node-${host.n}`);
          this.tally.add('task retry');
          this.call(api.retryTask(project, ended));
          return true;
        }
        if (held === nonce && random.next() < HAUNTED_CUT) {
          note(`power cut while node-${host.n} has a result of ${task}`);
          cut?.({ world: this, random, host, join: () => {} });
          return true;
        }
      }
    }
    return false;
  }

  #join(): void {
    if (this.hosts.length >= this.#hostsMax) return;
    this.tally.add('node joins');
    void this.#addHost().start('fair');
  }

  call(answer: Promise<unknown>): void {
    answer.catch((error: unknown) => {
      if (!(error instanceof BoiError)) this.referee.violate(`an operation failed: ${(error as Error).stack}`);
    });
  }

  #dispatch(random: SeededRandom): void {
    const options = {
      tasksMax: Math.min(SPEC_TASKS_MAX, this.#tasksLeft),
      slotsMax: 2,
      chunk: this.config.dispatchChunk ?? SPEC_TASKS_MAX,
    };
    const { source, tasks } = drawSpec(random, options, this.tally);
    this.#tasksLeft -= tasks;
    this.tally.add('dispatch');
    this.#ask((host, idempotencyKey) =>
      host.node?.api.dispatch(this.project as ProjectId, { source, format: 'json', idempotencyKey }),
    );
  }

  #dispatchRare(): void {
    this.tally.add('requires what no node has');
    const source = JSON.stringify({ tasks: [{ ref: 't', run: 'ok', requires: { [RARE]: 'yes' } }] });
    this.#ask((host, idempotencyKey) =>
      host.node?.api.dispatch(this.project as ProjectId, { source, format: 'json', idempotencyKey }),
    );
  }

  #retrySpec(spec: SpecId): void {
    this.#ask((host, key) => host.node?.api.retrySpec(this.project as ProjectId, spec, key));
  }

  #ask(ask: (host: Host, key: string) => Promise<DispatchAnswer> | undefined): void {
    const n = ++this.#asked;
    this.#pendingCalls++;
    void this.#client(n, ask).finally(() => {
      this.#pendingCalls--;
    });
  }

  /** A person's command: the same request with the same key at one node after another, until one accepts it. */
  async #client(n: number, ask: (host: Host, key: string) => Promise<DispatchAnswer> | undefined): Promise<void> {
    const random = new SeededRandom(this.seed * 31 + n);
    for (;;) {
      try {
        const asked = ask(random.pick(this.hosts), `request-${n}`);
        const answer = asked && (await Promise.race([asked, sleep(this.clock, ANSWER_WITHIN_MS)]));
        if (answer !== undefined) {
          this.#accepted.set(n, answer.id);
          return;
        }
      } catch (error) {
        const final = !(error instanceof BoiError) || error.status < 500;
        if (final) {
          this.referee.violate(`request ${n} failed: ${(error as Error).stack}`);
          return;
        }
      }
      await sleep(this.clock, 200 + random.int(500));
    }
  }
}
