/**
 * Runs what was claimed: reads the definition and the outputs of the tasks it needs, hands it to the runner, waits for the
 * report. Hears of every change of the own queue: a cancel mark moves the fence that the commit will compare and stops the
 * task; an entry that is gone or carries another nonce was taken away: the task is stopped and its result dropped.
 */
import {
  type Assignment,
  type BoiError,
  indexOf,
  type Outcome,
  sleep,
  type TaskDefinition,
  type TaskReport,
  type TaskRunner,
  taskId,
} from '@boi/core';
import { compareRevisions, type Op } from '@boi/store';
import type { Change } from '../base/mirror.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { codecs, type QueueEntry } from '../records.ts';
import { PASS_MAX } from './claim-plan.ts';
import { claimFacts, type Held, type HeldTasks } from './held.ts';
import type { OwnQueue } from './own-queue.ts';

/** Results read in one request. */
const READS_MAX = 100;
const RETRY_MS = 500;

export interface RunsOptions {
  readonly deps: NodeDeps;
  readonly runner: TaskRunner;
  readonly held: HeldTasks;
  /** Its report is here; it is to be committed. */
  readonly ended: (held: Held, report: TaskReport) => void;
  /** A slot is free, or a task is no longer here. */
  readonly freed: (held: Held) => void;
}

/** What a task learns of those it needs: their outputs, and how they ended if that can be anything but well. */
type Learnt = Pick<Assignment, 'inputs' | 'needs'>;

export class Runs {
  readonly #options: RunsOptions;
  readonly #stopping = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  /** How often each task claimed ahead was passed over by a smaller one. */
  readonly #passed = new WeakMap<Held, number>();

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** The caller has stopped or given up what runs before. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#tasks);
  }

  start(held: Held): void {
    held.phase = 'starting';
    this.#passed.delete(held);
    const definition = this.#known(held);
    if (definition !== undefined) {
      this.#launch(held, definition, { inputs: {} });
      return;
    }
    const task = this.#run(held).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** Takes over what runs already, from an earlier life of the daemon. */
  attach(held: Held, running: NonNullable<Held['running']>): void {
    held.phase = 'running';
    held.running = running;
    if (held.entry.cancel !== undefined) this.#cancel(held, held.entry.cancel.force === true);
    this.#await(held, running);
  }

  /**
   * Starts what was claimed ahead and fits now, in the order of its claims. Answers how many stay, and whether free slots
   * are to be kept for one that was passed over too often.
   */
  startAhead(capacity: number): { readonly count: number; readonly holding: boolean } {
    const { held } = this.#options;
    let free = capacity - held.busySlots;
    let count = 0;
    const tooLarge: Held[] = [];
    for (const ahead of held.inPhase('ahead')) {
      const holding = tooLarge.some((other) => (this.#passed.get(other) ?? 0) >= PASS_MAX);
      if (holding || ahead.slots > free) {
        tooLarge.push(ahead);
        count++;
        continue;
      }
      this.start(ahead);
      free -= ahead.slots;
      for (const other of tooLarge) this.#passed.set(other, (this.#passed.get(other) ?? 0) + 1);
    }
    return { count, holding: tooLarge.some((other) => (this.#passed.get(other) ?? 0) >= PASS_MAX) };
  }

  /** Whether a smaller one was started before this claim, which was made ahead. */
  wasPassedOver(held: Held): boolean {
    return (this.#passed.get(held) ?? 0) > 0;
  }

  /**
   * Changes of the own queue, in order. What is older than the claim tells of an earlier stay of the task in this queue: the view
   * can be far behind the answer that made the claim.
   */
  heard(changes: readonly Change<QueueEntry>[]): void {
    for (const { key, after, revision } of changes) {
      const held = this.#options.held.get(lastPart(key) as Held['task']);
      if (held === undefined || compareRevisions(revision, held.fence) < 0) continue;
      if (after?.record.claim?.nonce === held.nonce) {
        held.entry = after.record;
        held.revision = after.modRevision;
        if (after.record.cancel !== undefined) this.#cancel(held, after.record.cancel.force === true);
      } else if (held.phase !== 'ended') this.#takenAway(held);
      // Ended: the change may be this node's own commit, whose answer is on its way and tells.
    }
  }

  /**
   * Stops what is not in the own queue any more though no change told so: it left before the view had seen the claim, which is
   * how a theft looks to a view that was listed anew. What is newer than the view is left alone.
   */
  missing(queue: Pick<OwnQueue, 'mirror' | 'entry'>): void {
    const shown = queue.mirror.revision;
    for (const held of this.#options.held.all()) {
      if (held.phase === 'ended' || compareRevisions(shown, held.fence) < 0) continue;
      if (queue.entry(held.task)?.record.claim?.nonce !== held.nonce) this.#takenAway(held);
    }
  }

  /** Stops a running task; it goes back to a queue instead of being committed. */
  drain(held: Held): void {
    if (held.stop !== undefined || held.phase === 'ended') return;
    held.stop = 'drained';
    if (held.running !== undefined) {
      held.cancels++;
      held.running.cancel();
    }
  }

  #cancel(held: Held, force: boolean): void {
    if (held.stop === 'superseded') return;
    if (held.phase === 'ahead') {
      this.#end(held, this.#cancelled());
      return;
    }
    const wanted = force ? 2 : 1;
    if (held.cancels >= wanted) return;
    held.cancels = wanted;
    held.running?.cancel(force ? { force: true } : {});
  }

  #takenAway(held: Held): void {
    if (held.stop === 'superseded') return;
    const { deps, freed } = this.#options;
    held.stop = 'superseded';
    deps.ctx.log.warn({ task: held.task, fence: held.fence }, 'the task was taken away; its copy here is stopped');
    deps.ctx.metrics.count('boi_core_superseded_total', 1, { step: 'running' });
    deps.ctx.events.tell({ kind: 'task.superseded', ...claimFacts(deps.self, held), reason: 'taken-away' });
    if (held.phase === 'ahead') {
      this.#options.held.remove(held);
      freed(held);
      return;
    }
    held.running?.cancel(held.entry.exclusive ? { force: true } : {});
  }

  /** Its definition, when that is in memory and all there is to know. */
  #known({ entry, spec, task }: Held): TaskDefinition | undefined {
    if (entry.inputs === true) return undefined;
    const inline = entry.def as TaskDefinition | undefined;
    const definition = inline ?? this.#options.deps.bodies.known(spec, indexOf(task), entry.chunk ?? 0);
    return definition?.when === undefined ? definition : undefined;
  }

  async #run(held: Held): Promise<void> {
    let definition: TaskDefinition;
    let learnt: Learnt;
    try {
      ({ definition, learnt } = await this.#read(held));
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      // Stopped while the store was away, it has not failed: it goes where the reason of the stop sends it.
      this.#finish(held, held.stop === undefined ? this.#failedToStart(error as BoiError) : this.#cancelled());
      return;
    }
    this.#launch(held, definition, learnt);
  }

  #launch(held: Held, definition: TaskDefinition, learnt: Learnt): void {
    const { deps, runner } = this.#options;
    const { entry, task, spec, project } = held;
    if (held.stop !== undefined || held.entry.cancel !== undefined) {
      this.#finish(held, this.#cancelled());
      return;
    }
    const running = runner.start({
      task,
      spec,
      project,
      node: deps.self,
      definition,
      attempt: entry.attempt,
      delivery: entry.deliveries,
      fence: held.fence,
      nonce: held.nonce,
      ...learnt,
    });
    held.phase = 'running';
    held.running = running;
    deps.ctx.metrics.count('boi_core_tasks_started_total');
    deps.ctx.events.tell({ kind: 'task.started', ...claimFacts(deps.self, held) });
    this.#await(held, running);
  }

  /** Not waited for by `stop`: what runs may outlive this object, its report then goes nowhere. */
  #await(held: Held, running: NonNullable<Held['running']>): void {
    running.done.then((report) => {
      if (!this.#stopping.signal.aborted) this.#finish(held, report);
    });
  }

  #finish(held: Held, report: TaskReport): void {
    if (held.stop === 'superseded') {
      held.phase = 'ended';
      this.#options.held.remove(held);
      this.#options.freed(held);
      return;
    }
    this.#end(held, report);
  }

  #end(held: Held, report: TaskReport): void {
    held.phase = 'ended';
    this.#options.ended(held, report);
    this.#options.freed(held);
  }

  /** Waits out a store that is away; rejects when there is nothing to read. */
  async #read(held: Held): Promise<{ definition: TaskDefinition; learnt: Learnt }> {
    const { ctx } = this.#options.deps;
    for (;;) {
      try {
        const definition = await definitionOf(this.#options.deps, held);
        const toLearn = held.entry.inputs === true || definition.when !== undefined;
        return { definition, learnt: toLearn ? await this.#learn(held, definition) : { inputs: {} } };
      } catch (error) {
        if ((error as BoiError).code !== 'store-unreachable' || held.stop !== undefined) throw error;
        await sleep(ctx.clock, RETRY_MS, this.#stopping.signal);
      }
    }
  }

  async #learn(held: Held, { needs = [], when }: TaskDefinition): Promise<Learnt> {
    const { ctx, bodies } = this.#options.deps;
    const { spec, project } = held;
    const header = await ctx.store.get(ctx.keys.spec(project, spec));
    if (header.kv === undefined) return { inputs: {} };
    const { record } = { record: codecs.spec.decode(header.kv.key, header.kv.value) };
    const inputs: Record<string, Readonly<Record<string, string>>> = {};
    const outcomes: Record<string, Outcome> = {};
    for (let i = 0; i < needs.length; i += READS_MAX) {
      const some = needs.slice(i, i + READS_MAX);
      const success = some.map((index): Op => ({ op: 'get', key: ctx.keys.result(spec, taskId(spec, index)) }));
      const read = await ctx.store.txn({ compares: [], success });
      if (read.outcome === 'unknown') throw read.cause;
      for (const [n, index] of some.entries()) {
        const answer = read.answers[n];
        if (answer?.op !== 'get' || answer.kv === undefined) continue;
        const { outcome, outputs } = codecs.result.decode(answer.kv.key, answer.kv.value);
        if (outputs === undefined && when === undefined) continue;
        const { ref } = await bodies.find(spec, record, index);
        outcomes[ref] = outcome;
        if (outputs !== undefined) inputs[ref] = outputs;
      }
    }
    return { inputs, ...(when === undefined ? {} : { needs: outcomes }) };
  }

  #failedToStart(error: BoiError): TaskReport {
    const message = `its definition cannot be read: ${error.message}`;
    this.#options.deps.ctx.log.error({ err: error }, 'a claimed task cannot be started');
    return { outcome: 'failed', reason: 'start-failed', message, ...this.#noProcess() };
  }

  #cancelled(): TaskReport {
    return { outcome: 'cancelled', ...this.#noProcess() };
  }

  #noProcess() {
    return { endedAt: this.#options.deps.ctx.clock.now(), tail: '', logBytes: 0 };
  }
}

/** The definition of a held task: in its entry, or in its spec's body. */
export async function definitionOf(
  { bodies }: Pick<NodeDeps, 'bodies'>,
  { entry, spec, task }: Pick<Held, 'entry' | 'spec' | 'task'>,
): Promise<TaskDefinition> {
  if (entry.def !== undefined) return entry.def as unknown as TaskDefinition;
  return bodies.definition(spec, indexOf(task), entry.chunk ?? 0);
}
