/**
 * A soak: daemons as processes on a real etcd, each behind a proxy, work handed in all the time and a fault every few
 * seconds, both drawn from one seed. When the time is over everything is mended, the work that is left ends, and then it is
 * judged: the store is in order, every spec is final, and the witness file says of every result that counts that its effect
 * was made once. The same seed draws the same faults and the same work, not the same race.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SpecView } from '@boi/core';
import { SeededRandom } from '@boi/core/testing';
import { Cluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';
import { Witness } from '../support/witness.ts';
import { Faults } from './faults.ts';
import { Samples, type Trend } from './samples.ts';
import { type Dispatched, judge } from './verdict.ts';
import { type Kind, type Planned, Workload } from './workload.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Handed in over the whole time. */
  readonly tasks: number;
  readonly nodes: number;
  /** What happens, as it happens. */
  readonly say: (line: string) => void;
  /** Where to leave what the daemons logged if something does not hold; absent: nowhere. */
  readonly keep?: string | undefined;
  /** Ends the faults and the handing in before the time; what was handed in is judged. */
  readonly enough?: AbortSignal | undefined;
}

export interface SoakReport {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly tookMs: number;
  /** From the last fault undone to the last spec ended. */
  readonly settledMs: number;
  readonly specs: number;
  readonly tasks: number;
  readonly kinds: Readonly<Partial<Record<Kind, number>>>;
  readonly states: Readonly<Record<string, number>>;
  readonly effects: number;
  readonly superseded: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly trends: readonly Trend[];
  /** Lines of the daemons of level error, by message. */
  readonly errors: Readonly<Record<string, number>>;
}

const ENDED: ReadonlySet<SpecView['state']> = new Set(['succeeded', 'failed', 'cancelled']);
/** Tasks handed in and not ended, at most: a backlog, but not one that outlives the faults by much. */
const BACKLOG_MAX = 1_500;
const SETTLE_MS = 300_000;
const SLOW_MS = 15_000;
const SLOTS = 4;
/** Messages that tell of a broken invariant, whatever else holds. */
const NEVER_LOGGED = /events were lost|a mirror failed|a turn of the claim loop failed|assertion/i;
/** Standard error has besides the log what an operator is told, and, when something is very wrong, a trace. */
const NOT_TEXT = /^(?!boi-node: ).*(?:\b\w*Error\b|Exception|Warning)|^ {2,}at /;

interface Handed {
  readonly planned: Planned;
  readonly id: string;
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, say } = options;
  const started = performance.now();
  const cluster = await Cluster.start({ nodes: options.nodes, slots: SLOTS, proxied: true });
  const run = new Soak(options, cluster);
  try {
    return await run.run(started);
  } catch (error) {
    say(`seed ${seed}: ${(error as Error).message}`);
    run.keepLogs();
    throw error;
  } finally {
    await run.stop();
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #cluster: Cluster;
  readonly #witness: Witness;
  readonly #workload: Workload;
  readonly #faults: Faults;
  readonly #samples: Samples;
  readonly #over = new AbortController();
  readonly #handed: Handed[] = [];
  readonly #active = new Map<string, number>();
  #tasks = 0;

  constructor(options: SoakOptions, cluster: Cluster) {
    this.#options = options;
    this.#cluster = cluster;
    const { seed, tasks } = options;
    this.#witness = new Witness(join(cluster.dir, 'witness'));
    this.#workload = new Workload(new SeededRandom(seed), this.#witness, tasks);
    const random = new SeededRandom(seed + 1);
    this.#faults = new Faults({
      cluster,
      random,
      someSpec: () => (this.#active.size === 0 ? undefined : random.pick([...this.#active.keys()])),
      say: (line) => options.say(`${this.#clock()} fault: ${line}`),
    });
    this.#samples = new Samples(cluster);
  }

  async run(started: number): Promise<SoakReport> {
    const { minutes, tasks, say, seed } = this.#options;
    this.#beganAt = performance.now();
    this.#samples.start();
    const looking = this.#look();
    const faulting = this.#faults.run(this.#over.signal);
    try {
      await this.#handIn(minutes * 60_000, tasks);
    } finally {
      this.#over.abort();
      await faulting;
      await looking;
    }
    say(`${this.#clock()} every fault is undone; ${this.#active.size} specs are not seen to have ended`);
    const mendedAt = performance.now();
    await this.#mend();
    const slow = setTimeout(() => this.#tellWaiting(), SLOW_MS);
    for (const { id } of this.#handed) await this.#ended(id);
    clearTimeout(slow);
    const settledMs = performance.now() - mendedAt;
    this.#samples.stop();
    const dispatched: Dispatched[] = [];
    for (const { planned, id } of this.#handed)
      dispatched.push({ planned, id, spec: await this.#cluster.spec(id), tasks: await this.#cluster.tasks(id) });
    const lines = this.#witness.lines();
    const verdict = judge(dispatched, lines);
    const violations = [...verdict.violations, ...(await this.#storeFaults()), ...this.#logFaults()];
    if (violations.length > 0) this.keepLogs();
    return {
      seed,
      violations,
      tookMs: performance.now() - started,
      settledMs,
      specs: this.#handed.length,
      tasks: this.#tasks,
      kinds: count(this.#handed.map(({ planned }) => planned.kind)),
      states: verdict.states,
      effects: lines.filter(({ word }) => word === 'end').length,
      superseded: verdict.superseded,
      faults: Object.fromEntries(this.#faults.counts),
      trends: this.#samples.trends(),
      errors: count(this.#errors().map(({ msg }) => msg)),
    };
  }

  stop(): Promise<void> {
    this.#over.abort();
    this.#samples.stop();
    return this.#cluster.stop();
  }

  keepLogs(): void {
    const { keep, say } = this.#options;
    if (keep === undefined) return;
    mkdirSync(keep, { recursive: true });
    for (const { name, log } of this.#cluster.nodes)
      writeFileSync(join(keep, `${name}.jsonl`), log.map((line) => `${JSON.stringify(line)}\n`).join(''));
    writeFileSync(
      join(keep, 'witness'),
      this.#witness
        .lines()
        .map(({ word, task, attempt, fence }) => `${word} ${task} ${attempt} ${fence}\n`)
        .join(''),
    );
    say(`the logs of the daemons and the witness file are in ${keep}`);
  }

  #beganAt = 0;

  #clock(): string {
    const s = Math.floor((performance.now() - this.#beganAt) / 1000);
    return `${String(Math.floor(s / 60)).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}`;
  }

  /** Evenly over the time, as far as the backlog allows; returns when the time is over and all is handed in. */
  async #handIn(forMs: number, tasks: number): Promise<void> {
    for (;;) {
      const share = Math.min(1, (performance.now() - this.#beganAt) / forMs);
      if (this.#options.enough?.aborted || (share === 1 && this.#tasks >= tasks)) return;
      const backlog = [...this.#active.values()].reduce((sum, left) => sum + left, 0);
      if (this.#tasks < tasks * share && backlog < BACKLOG_MAX) await this.#dispatch(tasks - this.#tasks);
      else await delay(50);
    }
  }

  async #dispatch(tasksMax: number): Promise<void> {
    const planned = this.#workload.next(tasksMax);
    const body = {
      source: JSON.stringify(planned.spec),
      format: 'json' as const,
      idempotencyKey: `soak-${this.#handed.length}`,
    };
    // Until somebody has accepted it: under its key it is one spec, however often it is handed in.
    const { id } = await until(
      'a spec is accepted',
      () =>
        this.#cluster.client
          .call('spec.dispatch', { params: { prj: 'default' }, body, timeoutMs: 10_000 })
          .catch((error: { code?: string }) => {
            if (error.code === 'invalid-spec' || error.code === 'internal') throw error;
            return undefined;
          }),
      120_000,
    );
    this.#handed.push({ planned, id });
    this.#active.set(id, planned.tasks);
    this.#tasks += planned.tasks;
  }

  /** Keeps `active` about right while it lasts. */
  async #look(): Promise<void> {
    while (!this.#over.signal.aborted) {
      for (const id of [...this.#active.keys()]) {
        if (this.#over.signal.aborted) return;
        const now = await this.#cluster.spec(id).catch(() => undefined);
        if (now === undefined) continue;
        const { succeeded, failed, cancelled, skipped } = now.counts;
        if (ENDED.has(now.state)) this.#active.delete(id);
        else this.#active.set(id, now.tasks - succeeded - failed - cancelled - skipped);
      }
      await delay(250);
    }
  }

  async #mend(): Promise<void> {
    const { client, nodes } = this.#cluster;
    for (const node of nodes) if (!node.alive) await node.start();
    await Promise.all(nodes.map((node) => node.ready()));
    await client.call('cluster.resume', { body: {} });
    for (const node of nodes) await client.call('node.uncordon', { params: { nod: node.id }, body: {} });
  }

  async #ended(id: string): Promise<void> {
    if (ENDED.has((await this.#cluster.spec(id)).state)) return;
    await this.#cluster.ended(id, SETTLE_MS);
  }

  /** What still has not ended a while after all is mended, for whoever wonders why. */
  async #tellWaiting(): Promise<void> {
    for (const id of this.#active.keys()) {
      const tasks = await this.#cluster.tasks(id).catch(() => []);
      for (const task of tasks.filter(({ endedAt }) => endedAt === undefined).slice(0, 3)) {
        const { state, ref, attempt, deliveries, node, why, moves } = await this.#cluster.task(task.id);
        this.#options.say(
          `${this.#clock()} still waits: ${JSON.stringify({ id: task.id, state, ref, attempt, deliveries, node, why, moves })}`,
        );
      }
    }
  }

  async #storeFaults(): Promise<string[]> {
    const report = await this.#cluster.client.call('cluster.fsck', { timeoutMs: 120_000 });
    const found = report.findings.map((finding) => `fsck: ${JSON.stringify(finding)}`);
    const { blocked, queued } = report.records;
    if (blocked + queued > 0) found.push(`fsck: ${blocked} blocked and ${queued} queued records are left`);
    for (const node of this.#cluster.nodes) {
      const repairs = await node.metric('boi_core_watch_repairs_total');
      if (repairs > 0) found.push(`${node.name}: ${repairs} events were lost and repaired`);
    }
    return found;
  }

  #errors() {
    return this.#cluster.nodes.flatMap(({ log }) => log.filter(({ level }) => level === 'error' || level === 'fatal'));
  }

  #logFaults(): string[] {
    return this.#cluster.nodes.flatMap(({ name, log }) =>
      log
        .filter((line) => NEVER_LOGGED.test(line.msg) || (line.level === 'text' && NOT_TEXT.test(line.msg)))
        .slice(0, 5)
        .map((line) => `${name} logged ${JSON.stringify(line).slice(0, 500)}`),
    );
  }
}

function count<T extends string>(words: readonly T[]): Record<T, number> {
  const counts = {} as Record<T, number>;
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
