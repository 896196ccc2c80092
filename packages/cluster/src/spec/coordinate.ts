/**
 * The work of a coordinator while its spec is active or being cancelled: builds the plan from the store (header first, then
 * results at least as new, then blocked records), makes its moves in batches, repeats a stop until every task it is about has
 * a result, keeps progress in the header, and ends the spec when all have theirs. What it plans from its view is refused if
 * the header changes (header-fence.ts), and results are taken back only by transactions that change the header; so no plan
 * rests on a result that no longer stands.
 */
import { indexOf, type TaskId } from '@boi/core';
import { batchItemsMax } from '@boi/store';
import { Mirror } from '../base/mirror.ts';
import { pages } from '../base/pages.ts';
import type { NodeDeps } from '../deps.ts';
import type { ClusterEvent, Foretold } from '../events/cluster-event.ts';
import { lastPart } from '../keys.ts';
import { entriesOf, queueOwners } from '../placement/queue-scan.ts';
import { type Codec, codecs, type SpecHeader, type Stored } from '../records.ts';
import { type BlockedTask, CoordinatePlan, type SeenResult, type Stop } from './coordinate-plan.ts';
import { finalHeader, specCounts } from './finalize.ts';
import type { HeaderFence } from './header-fence.ts';
import { planMoves, routedReleases, type SpecMove } from './plan-moves.ts';
import { stopEntryItem } from './release.ts';
import { gotten, type SpecRef } from './spec-ref.ts';
import { taskCancelled } from './task-entry.ts';

/** Compares, or writes and reads, of the widest item there is. */
const ITEM_WIDTH = 3;
/** Batches that are read at once when a spec is stopped. */
const STOP_BATCHES = 4;
/** A cancel is repeated this often while tasks it is about have no result: entries move while they are looked for. */
const STOP_AGAIN_MS = 1_000;
/** A target's node went away between the view and the transaction; the membership hears of it in a moment. */
const PLACE_AGAIN_MS = 50;

/** Of a result only what coordination needs: 100,000 results with their last output would fill the memory. */
const seenResult: Codec<SeenResult> = {
  encode: () => {
    throw new Error('a coordinator does not write what it has only seen');
  },
  decode(key, value) {
    const { outcome, byFailure, outputs } = codecs.result.decode(key, Buffer.from(value));
    return {
      outcome,
      ...(byFailure === true ? { byFailure } : {}),
      ...(outputs !== undefined && Object.keys(outputs).length > 0 ? { hasOutputs: true } : {}),
    };
  },
};

type ToldTxn = Pick<SpecMove, 'txn' | 'event'>;

/** What is to come next: `done`; `look`, the header anew; in so many milliseconds; or when something happens. */
export type Next = 'done' | 'look' | number | undefined;

export class Coordination {
  readonly #deps: NodeDeps;
  readonly #ref: SpecRef;
  readonly #fence: HeaderFence;
  readonly #signal: AbortSignal;
  readonly #results: Mirror<SeenResult>;
  #plan: CoordinatePlan | undefined;
  #firsts: readonly number[] = [];
  #progressAt = Number.NEGATIVE_INFINITY;
  #stoppedAt = Number.NEGATIVE_INFINITY;

  /** `changed` is called when there may be something to do. */
  constructor(deps: NodeDeps, ref: SpecRef, fence: HeaderFence, signal: AbortSignal, changed: () => void) {
    this.#deps = deps;
    this.#ref = ref;
    this.#fence = fence;
    this.#signal = signal;
    const { ctx } = deps;
    this.#results = new Mirror({ ctx, range: ctx.keys.resultsOf(ref.spc), codec: seenResult, what: 'results' });
    this.#results.onChange((changes) => {
      for (const { key, after } of changes) {
        if (after === undefined) this.#plan = undefined;
        else this.#plan?.onResult(indexOf(lastPart(key) as TaskId), after.record);
      }
      changed();
    });
  }

  get planned(): boolean {
    return this.#plan?.stale === false;
  }

  /** The plan is made anew before the next move. */
  forget(): void {
    this.#plan = undefined;
  }

  async stop(): Promise<void> {
    if (this.#results.started) await this.#results.stop();
  }

  /** Builds the plan from the store; false when the header is not one to coordinate under. */
  async sync(): Promise<boolean> {
    const { self, bodies } = this.#deps;
    const { spc } = this.#ref;
    const header = await this.#fence.read();
    if (header === undefined || header.record.coordinator !== self) return false;
    if (header.record.state !== 'active' && header.record.state !== 'cancelling') return false;
    this.#signal.throwIfAborted();
    if (this.#results.started) await this.#results.resync();
    else await this.#results.start();
    const blocked = await this.#blocked();
    const tasks: { needs?: readonly number[]; when?: 'success' | 'failure' | 'always' }[] = [];
    const firsts: number[] = [];
    for await (const chunk of bodies.all(spc, header.record)) {
      firsts.push(chunk.first);
      for (const { needs, when } of chunk.tasks) {
        tasks.push({ ...(needs === undefined ? {} : { needs }), ...(when === undefined ? {} : { when }) });
      }
    }
    // From here on without waiting: results that arrive later reach the plan as changes.
    const seen = new Map<number, SeenResult>();
    for (const [key, { record }] of this.#results.entries) seen.set(indexOf(lastPart(key) as TaskId), record);
    this.#firsts = firsts;
    this.#plan = new CoordinatePlan(tasks, seen, blocked);
    return true;
  }

  /** Does what can be done now. */
  async coordinate(): Promise<Next> {
    for (;;) {
      this.#signal.throwIfAborted();
      const plan = this.#plan;
      const header = this.#fence.header?.record;
      if (plan === undefined || plan.stale || header === undefined) return 0;
      if (plan.failed && header.failure === 'fail-fast' && header.failing !== true) {
        if (!(await this.#put({ ...header, counts: specCounts(plan.counts()), failing: true }))) return 0;
        continue;
      }
      const steps = plan.next(stopOf(header), header.concurrency);
      const placer = await this.#deps.placer();
      const moving = { deps: this.#deps, ref: this.#ref, plan, firsts: this.#firsts, placer };
      await placer.consult(() => routedReleases(moving, steps));
      const moves = planMoves(moving, steps);
      if (moves.length === 0) break;
      const applied = await this.#apply(moves);
      if (applied === 'stale') return 0;
      if (applied === 'held') return PLACE_AGAIN_MS;
    }
    const plan = this.#plan;
    const header = this.#fence.header;
    if (plan === undefined || plan.stale || header === undefined) return 0;
    return plan.complete ? this.#finalize(plan, header) : this.#wait(plan, header.record);
  }

  /** What is left is for others to do: when to look again. */
  async #wait(plan: CoordinatePlan, header: SpecHeader): Promise<Next> {
    const { clock } = this.#deps.ctx;
    const stop = stopOf(header);
    const waits: number[] = [];
    if (stop !== undefined && plan.toStop(stop).length > 0) {
      const dueInMs = this.#stoppedAt + STOP_AGAIN_MS - clock.mono();
      if (dueInMs <= 0) {
        this.#stoppedAt = clock.mono();
        if (!(await this.#stopEntries(plan, stop))) return 0;
        waits.push(STOP_AGAIN_MS);
      } else waits.push(dueInMs);
    }
    waits.push(...(await this.#progress()));
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  async #blocked(): Promise<Map<number, BlockedTask>> {
    const { store, keys } = this.#deps.ctx;
    const blocked = new Map<number, BlockedTask>();
    for await (const { kvs } of pages(store, keys.blockedOf(this.#ref.spc))) {
      for (const { key, value } of kvs) {
        const { attempt = 1, history } = codecs.blocked.decode(key, value);
        blocked.set(indexOf(lastPart(key) as TaskId), { attempt, ...(history === undefined ? {} : { history }) });
      }
    }
    return blocked;
  }

  /** Makes the moves, a batch at a time. `stale`: the view is out of date; `held`: some target was refused, try it later. */
  async #apply(moves: readonly (() => Promise<SpecMove>)[]): Promise<'done' | 'stale' | 'held'> {
    let held = false;
    const most = batchItemsMax(0, ITEM_WIDTH);
    for (let from = 0; from < moves.length; from += most) {
      const items: SpecMove[] = [];
      for (const make of moves.slice(from, from + most)) items.push(await make());
      const answer = await this.#batch(items);
      if (answer === undefined) return 'stale';
      let gone = false;
      answer.items.forEach((item, i) => {
        if (item.outcome === 'applied') items[i]?.applied();
        else if (gotten(codecs.blocked, item.answers[0]) === undefined) gone = true;
        else held = true;
      });
      if (gone) {
        // Ended by somebody else, or applied by a sending whose answer was lost: only the store knows.
        this.#plan = undefined;
        return 'stale';
      }
    }
    return held ? 'held' : 'done';
  }

  async #batch(items: readonly ToldTxn[]): ReturnType<HeaderFence['batch']> {
    const { events } = this.#deps.ctx;
    const places: number[] = [];
    const foretold: Foretold[] = [];
    for (const [i, { event }] of items.entries()) {
      if (event === undefined) continue;
      places.push(i);
      foretold.push(event);
    }
    // Urgent: these free what others wait for, and what a person has cancelled.
    const options = { signal: this.#signal, urgent: true };
    const intending = foretold.length === 0 ? undefined : events.intend(['task.cancelled'], () => foretold, options);
    const intents = intending === undefined ? undefined : await intending;
    try {
      const answer = await this.#fence.batch(items.map(({ txn }) => txn));
      if (answer === undefined) {
        this.#plan = undefined;
        return undefined;
      }
      for (const [n, i] of places.entries()) {
        if (answer.items[i]?.outcome === 'applied') events.happened((foretold[n] as Foretold).event, intents, n);
        else if (!answer.resent) intents?.didNotHappen(n);
      }
      return answer;
    } finally {
      // Refused as a whole it may have been applied by an earlier sending: the store tells later.
      intents?.leave();
    }
  }

  async #put(record: SpecHeader): Promise<boolean> {
    const applied = await this.#fence.put(record);
    if (!applied) this.#plan = undefined;
    return applied;
  }

  /** Stops the entries of tasks in flight, wherever they are. False: the view is out of date. */
  async #stopEntries(plan: CoordinatePlan, stop: Exclude<Stop, undefined>): Promise<boolean> {
    const { ctx } = this.#deps;
    const { spc } = this.#ref;
    const cancel = this.#fence.header?.record.cancel;
    const wanted = new Set(plan.toStop(stop));
    const most = batchItemsMax(0, ITEM_WIDTH);
    for (const owner of await queueOwners(ctx)) {
      // Few at a time, and made batch by batch: what waited for its turn would be old by the time it is garbage.
      for await (const page of entriesOf(ctx, owner, spc, 1, plan.size, { limit: STOP_BATCHES * most })) {
        const found = page.filter(({ entry }) => wanted.has(indexOf(lastPart(entry.key) as TaskId)));
        for (let from = 0; from < found.length; from += most) {
          const nowMs = ctx.clock.now();
          const options = { force: cancel?.level === 2, nowMs, actor: cancel?.actor };
          const items = found.slice(from, from + most).flatMap(({ entry }): ToldTxn[] => {
            const tsk = lastPart(entry.key) as TaskId;
            const txn = stopEntryItem(ctx.keys, spc, tsk, entry, options);
            if (txn === undefined) return [];
            const ended = { endedAt: nowMs, attempt: entry.record.attempt };
            // A claimed one is only marked: who has it says how it ended.
            return [entry.record.claim === undefined ? { txn, event: taskCancelled(this.#ref, tsk, ended) } : { txn }];
          });
          // A refused item is looked at again with the next repetition; results come by the watch.
          if (items.length > 0 && (await this.#batch(items)) === undefined) return false;
        }
      }
    }
    return true;
  }

  /** Progress into the header, at most once a while; answers when to come back for it. */
  async #progress(): Promise<number[]> {
    const { clock, config } = this.#deps.ctx;
    const header = this.#fence.header;
    const plan = this.#plan;
    if (plan === undefined || header === undefined) return [0];
    const counts = specCounts(plan.counts());
    if (JSON.stringify(counts) === JSON.stringify(header.record.counts)) return [];
    const dueInMs = this.#progressAt + config.progressMs - clock.mono();
    if (dueInMs > 0) return [dueInMs];
    this.#progressAt = clock.mono();
    return (await this.#put({ ...header.record, counts })) ? [] : [0];
  }

  async #finalize(plan: CoordinatePlan, header: Stored<SpecHeader>): Promise<Next> {
    const { ctx, self } = this.#deps;
    const { prj, spc } = this.#ref;
    const record = finalHeader(header.record, plan.counts(), ctx.clock.now());
    const { state: outcome, tasks, counts, endedAt } = record;
    const about = { project: prj, spec: spc, tasks };
    const event: ClusterEvent =
      outcome === 'failed'
        ? { kind: 'spec.failed', ...about, failed: counts.failed }
        : { kind: 'spec.completed', ...about, outcome };
    const ended = await ctx.events.bringing(
      {
        kinds: [event.kind],
        events: () => [{ event, trace: { endedAt: String(endedAt) } }],
        options: { signal: this.#signal },
      },
      () => this.#fence.end(record, [{ op: 'delete', key: ctx.keys.coord(self, spc) }]),
      (done) => done,
    );
    return ended ? 'done' : 'look';
  }
}

function stopOf(header: SpecHeader): Stop {
  if (header.cancel !== undefined) return header.cancel.level === 2 ? 'all' : 'success';
  return header.failing === true ? 'success' : undefined;
}
