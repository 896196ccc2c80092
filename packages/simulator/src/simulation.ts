/**
 * One run: real nodes over one memory store and one virtual clock; a seed draws the work and the faults, step by step, until
 * the steps are used up. Then everything is repaired and the cluster must come to rest: every spec ended, every task with one
 * result, nothing left in a queue. The same options give the same run, event by event, which the trace's hash shows.
 */
import type { ClusterConfig } from '@boi/cluster';
import { BoiError, IdMinter, type ProjectId, type SpecId, sleep, specOf, type TaskId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { MemoryServer } from '@boi/store';
import { WEATHERS } from './faults.ts';
import { Host } from './host.ts';
import { Referee } from './referee.ts';
import { type DrawnSpec, drawSpec } from './workload.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Nodes at the start; as many may join. Default 3. */
  readonly nodes?: number;
  /** Tasks dispatched in all, about. Default 60. */
  readonly tasks?: number;
  /** Steps with faults. Default 60. */
  readonly steps?: number;
  /** Is told each event as a line: virtual time, revision, key and value, or what was done to which node. */
  readonly timeline?: (line: string) => void;
}

export interface SimulationResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly specs: number;
  readonly results: number;
  readonly starts: number;
  readonly revisions: number;
  readonly virtualMs: number;
}

const CONFIG: Partial<ClusterConfig> = {
  sessionTtlMs: 6_000,
  sweepMs: 10_000,
  // Results stay readable until the end.
  lingerMs: 24 * 3_600_000,
  cooldownMs: 20_000,
};
const STEP_MAX_MS = 3_000;
const REST_WITHIN_MS = 20 * 60_000;
const ANSWER_WITHIN_MS = 40_000;
const ASK_WITHIN_MS = 60_000;
const SPEC_TASKS_MAX = 14;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run();
}

class Simulation {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #clock = new VirtualClock();
  readonly #server = new MemoryServer({ clock: this.#clock });
  readonly #referee: Referee;
  readonly #minter: IdMinter;
  readonly #hosts: Host[] = [];
  readonly #hostsMax: number;
  readonly #steps: number;
  readonly #accepted = new Map<number, string>();
  #project: ProjectId | undefined;
  #tasksLeft: number;
  #dispatched = 0;
  #pendingCalls = 0;

  constructor({ seed, nodes = 3, tasks = 60, steps = 60, timeline }: SimulationOptions) {
    this.#seed = seed;
    const known = {
      believesLive: (node: string) => this.#hostOf(node)?.believesLive ?? false,
      hasKept: (node: string, task: string, nonce: string) => this.#hostOf(node)?.hasKept(task, nonce) ?? false,
    };
    this.#referee = new Referee(this.#server, this.#clock, known, timeline);
    this.#random = new SeededRandom(seed);
    this.#minter = new IdMinter(this.#clock, this.#random);
    this.#tasksLeft = tasks;
    this.#steps = steps;
    this.#hostsMax = 2 * nodes;
    for (let n = 0; n < nodes; n++) this.#addHost();
  }

  async run(): Promise<SimulationResult> {
    const referee = this.#referee;
    try {
      await this.#boot();
      for (let step = 0; step < this.#steps && referee.violations.length === 0; step++) {
        this.#act();
        await this.#clock.advance(1 + this.#random.int(STEP_MAX_MS));
      }
      if (referee.violations.length === 0) await this.#rest();
    } catch (error) {
      referee.violate(`the run failed: ${(error as Error).stack}`);
    }
    const witnesses = this.#hosts.flatMap((host) => host.witnesses);
    referee.judge(witnesses);
    const result = {
      seed: this.#seed,
      violations: referee.violations,
      traceHash: referee.traceHash,
      specs: this.#accepted.size,
      results: referee.resultCount,
      starts: witnesses.length,
      revisions: referee.revisions,
      virtualMs: Math.round(this.#clock.mono()),
    };
    for (const host of this.#hosts) host.crash({ loseDisk: false });
    referee.stop();
    this.#server.stop();
    return result;
  }

  #hostOf(node: string): Host | undefined {
    return this.#hosts.find(({ id }) => id === node);
  }

  #addHost(): Host {
    const n = this.#hosts.length + 1;
    const host = new Host({
      id: this.#minter.mint('node'),
      n,
      seed: this.#seed,
      slots: 2 + this.#random.int(3),
      zone: n % 2 === 0 ? 'b' : 'a',
      server: this.#server,
      clock: this.#clock,
      referee: this.#referee,
      config: CONFIG,
    });
    this.#hosts.push(host);
    return host;
  }

  async #boot(): Promise<void> {
    for (const host of this.#hosts) void host.start('fair');
    await this.#until(() => this.#hosts.every(({ state }) => state === 'up'), 60_000, 'the first start');
    this.#project = this.#hosts[0]?.node?.snapshot().cluster.defaultProject;
  }

  async #until(done: () => boolean, limitMs: number, what: string): Promise<void> {
    await this.#clock.until(() => done() || this.#referee.violations.length > 0, limitMs, what);
  }

  #act(): void {
    const random = this.#random;
    const host = random.pick(this.#hosts);
    const draw = random.int(100);
    this.#referee.trace(`act ${draw} on ${host.n}`);
    if (this.#tasksLeft > 0 && (draw < 25 || this.#dispatched === 0)) this.#dispatch();
    else if (draw < 33) host.crash({ loseDisk: random.next() < 0.3 });
    else if (draw < 48) this.#start();
    else if (draw < 53) host.freeze();
    else if (draw < 60) for (const each of this.#hosts) each.thaw();
    else if (draw < 65) host.partition(random.pick(['silent', 'refusing']));
    else if (draw < 72) for (const each of this.#hosts) each.heal();
    else if (draw < 75) host.loseWatches();
    else if (draw < 83) host.weather(random.pick(WEATHERS));
    else if (draw < 86) void host.stop(random.int(4_000));
    else this.#operate();
  }

  #start(): void {
    const off = this.#hosts.filter(({ state }) => state === 'off');
    if (off.length > 0) void this.#random.pick(off).start(this.#random.pick(WEATHERS));
    else if (this.#hosts.length < this.#hostsMax) void this.#addHost().start('fair');
  }

  /** What people do, at a random node. */
  #operate(): void {
    const random = this.#random;
    const project = this.#project as ProjectId;
    const node = random.pick(this.#hosts).node;
    if (node === undefined) return;
    const { api } = node;
    const about = random.pick(this.#hosts).id;
    const specs = [...this.#referee.specs.keys()] as SpecId[];
    const some = (tasks: readonly TaskId[]) => (tasks.length === 0 ? undefined : random.pick(tasks));
    const queued = some(this.#referee.tasks(false));
    const claimed = some(this.#referee.tasks(true));
    const ended = some(this.#referee.endedTasks);
    const answer = [
      () => api.drain(about, random.int(6_000)),
      () => api.cordon(about),
      () => api.uncordon(about),
      () => api.uncordon(about),
      () => (specs.length === 0 ? undefined : api.cancelSpec(project, random.pick(specs))),
      () => (queued === undefined ? undefined : api.cancelTask(project, queued)),
      () => (claimed === undefined ? undefined : api.cancelTask(project, claimed)),
      () => (ended === undefined ? undefined : api.retryTask(project, ended)),
      () => api.setPaused(random.next() < 0.3),
    ][random.int(9)]?.();
    if (answer !== undefined) this.#call(answer);
  }

  /** Its answer may never come, if its node goes away; an error must be one that a person can act on. */
  #call(answer: Promise<unknown>): void {
    answer.catch((error: unknown) => {
      if (!(error instanceof BoiError)) this.#referee.violate(`an operation failed: ${(error as Error).stack}`);
    });
  }

  #dispatch(): void {
    const spec = drawSpec(this.#random, Math.min(SPEC_TASKS_MAX, this.#tasksLeft), 2);
    this.#tasksLeft -= spec.tasks;
    const n = ++this.#dispatched;
    this.#pendingCalls++;
    void this.#client(n, spec).finally(() => {
      this.#pendingCalls--;
    });
  }

  /** A person's command: the same request with the same key at one node after another, until one accepts it. */
  async #client(n: number, { source }: DrawnSpec): Promise<void> {
    const random = new SeededRandom(this.#seed * 31 + n);
    for (;;) {
      const node = random.pick(this.#hosts).node;
      if (node !== undefined) {
        try {
          const body = { source, format: 'json' as const, idempotencyKey: `spec-${n}` };
          const asked = node.api.dispatch(this.#project as ProjectId, body);
          const answer = await Promise.race([asked, sleep(this.#clock, ANSWER_WITHIN_MS)]);
          if (answer !== undefined) {
            this.#accepted.set(n, answer.id);
            return;
          }
        } catch (error) {
          const final = !(error instanceof BoiError) || error.status < 500;
          if (final) {
            this.#referee.violate(`dispatch ${n} failed: ${(error as Error).stack}`);
            return;
          }
        }
      }
      await sleep(this.#clock, 200 + random.int(500));
    }
  }

  /** Everything is repaired; then all work must end. */
  async #rest(): Promise<void> {
    const referee = this.#referee;
    referee.trace('rest');
    for (const host of this.#hosts) {
      host.weather('fair');
      host.heal();
      host.thaw();
    }
    const allUp = () => {
      for (const host of this.#hosts) if (host.state === 'off') void host.start('fair');
      return this.#hosts.every(({ state }) => state === 'up');
    };
    await this.#until(allUp, 120_000, 'all nodes up again');
    await this.#repair();
    try {
      await this.#until(() => this.#atRest(), REST_WITHIN_MS, 'rest');
    } catch (error) {
      referee.violate(`${(error as Error).message}; ${this.#unrest()}`);
    }
    if (referee.violations.length > 0) return;
    const specs = new Set(this.#accepted.values());
    if (specs.size !== this.#dispatched) referee.violate(`${this.#dispatched} requests became ${specs.size} specs`);
    for (const id of referee.specs.keys()) if (!specs.has(id)) referee.violate(`${id} was dispatched, nobody was told`);
    for (const id of specs) {
      const header = referee.specs.get(id);
      const results = referee.endedTasks.filter((task) => specOf(task) === id).length;
      if (header === undefined) referee.violate(`${id} was accepted and is gone`);
      else if (header.tasks !== results) referee.violate(`${id}: ${results} results of ${header.tasks} tasks`);
    }
    // Claims that came too late leave nothing behind; archiving is far off.
    await this.#clock.advance(15_000);
    for (const lock of referee.locksHeld) referee.violate(`${lock} is held, and nothing runs`);
    await this.#audit();
  }

  /** Undoes what operators did. */
  async #repair(): Promise<void> {
    const node = this.#hosts[0]?.node;
    if (node === undefined) throw new Error('the first node is not up');
    await this.#ask('unpause', () => node.api.setPaused(false));
    for (const { id } of this.#hosts) await this.#ask(`uncordon ${id}`, () => node.api.uncordon(id));
  }

  /** An operation that must succeed, now that nothing is broken any more; asked again after an error of the store. */
  async #ask<T>(what: string, ask: () => Promise<T>): Promise<T | undefined> {
    let answer: { readonly value: T } | undefined;
    let failed: unknown;
    const asking = async () => {
      while (answer === undefined) {
        try {
          answer = { value: await ask() };
        } catch (error) {
          failed = error;
          // A node whose session has just been lost is not found until it is back.
          if (!(error instanceof BoiError) || (error.status !== 503 && error.code !== 'not-found')) break;
          await sleep(this.#clock, 500);
        }
      }
    };
    let over = false;
    void asking().finally(() => {
      over = true;
    });
    await this.#until(() => over, ASK_WITHIN_MS, what).catch((error: unknown) => {
      failed ??= error;
    });
    if (answer === undefined && this.#referee.violations.length === 0) {
      this.#referee.violate(`${what} failed: ${(failed as Error | undefined)?.stack ?? 'no answer'}`);
    }
    return (answer as { readonly value: T } | undefined)?.value;
  }

  #atRest(): boolean {
    if (this.#pendingCalls > 0 || this.#referee.entries.length > 0) return false;
    return [...this.#referee.specs.values()].every(({ endedAt }) => endedAt !== undefined);
  }

  #unrest(): string {
    const open = [...this.#referee.specs].filter(([, { endedAt }]) => endedAt === undefined);
    const specs = open.map(([id, header]) => `${id} ${header.state} at ${header.cursor} of ${header.tasks}`);
    const states = this.#hosts.map(({ n, state, node, frozen }) => {
      const status = node?.status();
      return `node ${n} ${state}${frozen ? ' frozen' : ''} ${status === undefined ? '' : JSON.stringify(status)}`;
    });
    const calls = `${this.#pendingCalls} dispatches unanswered`;
    return [calls, ...specs, ...this.#referee.entries, ...states].join('\n  ');
  }

  async #audit(): Promise<void> {
    const node = this.#hosts[0]?.node;
    if (node === undefined) throw new Error('the first node is not up');
    const report = await this.#ask('fsck', () => node.api.fsck());
    for (const finding of report?.findings ?? []) this.#referee.violate(`fsck: ${JSON.stringify(finding)}`);
  }
}
