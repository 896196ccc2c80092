/**
 * Coordinates one spec: releases what may run, skips what never will, applies the failure policy and the spec's own limit,
 * repeats a cancel until every task has a result, keeps progress in the header, finalizes. One per spec, on the node that
 * `coord/{nod}/{spc}` names; started and stopped by coordinators.ts.
 *
 * It watches the spec's results and its header. *The header is the fence*: every transaction here compares its mod revision
 * as last read or written by this coordinator, so one that was replaced, or has not seen a cancel or a retry, writes nothing.
 * When it finds the header changed by another, it looks at everything anew: header first, then results at least as new, then
 * blocked records. What it plans from that view is refused if the header changes again, and results are taken back only by
 * transactions that change the header; so no plan rests on a result that no longer stands.
 *
 * By the header's state: `writing` with its dispatcher gone: frees the spec. `dispatching`: leaves the header to the
 * dispatcher; when that is gone, takes its place. `active`, `cancelling`: coordinates. Final, or another's: done.
 */
import { indexOf, type NodeId, type TaskId, type Timer, taskId } from '@boi/core';
import { type BatchAnswer, batchItemsMax, compareRevisions, type Txn, unchanged } from '@boi/store';
import { Mirror, onlyKey } from '../base/mirror.ts';
import { type Settled, settleBatch, settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { entriesOf, queueOwners } from '../placement/queue-scan.ts';
import { type Codec, codecs, type SpecHeader, type Stored } from '../records.ts';
import { type BlockedTask, CoordinatePlan, type SeenResult, type Stop } from './coordinate-plan.ts';
import { finalHeader, specCounts } from './finalize.ts';
import { endBlockedItem, releaseItem, stopEntryItem } from './release.ts';
import { freeWriting, takeDispatch, writeRecords } from './resume.ts';
import { dispatcherGone, gotten, isFinalSpec, readHeader, type SpecRef } from './spec-ref.ts';
import { carriedHistory, unrunResult } from './task-entry.ts';

/** Compares, or writes and reads, of the widest item there is. */
const ITEM_WIDTH = 3;
/** A cancel is repeated this often while tasks it is about have no result: entries move while they are looked for. */
const STOP_AGAIN_MS = 1_000;
/** A target's node went away between the view and the transaction; the membership hears of it in a moment. */
const PLACE_AGAIN_MS = 50;
/** After a store error. */
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;

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

/** What a step asks for next: `done`, or again after so many milliseconds or when something happens. */
type Next = 'done' | number | undefined;

interface Work {
  readonly index: number;
  readonly txn: Txn;
  readonly applied: () => void;
}

export class Coordinator {
  readonly #deps: NodeDeps;
  readonly #ref: SpecRef;
  readonly #key: string;
  readonly #onDone: () => void;
  readonly #stopping = new AbortController();
  readonly #headerMirror: Mirror<SpecHeader>;
  readonly #results: Mirror<SeenResult>;
  #resultsStarted = false;
  #loop: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #woken = false;
  /** The header as last read or written here; the fence of every transaction. */
  #header: Stored<SpecHeader> | undefined;
  #plan: CoordinatePlan | undefined;
  /** First index of each chunk of the body. */
  #firsts: number[] = [];
  #progressAt = Number.NEGATIVE_INFINITY;
  #stoppedAt = Number.NEGATIVE_INFINITY;

  /** `onDone` is called when there is nothing left to coordinate here. */
  constructor(deps: NodeDeps, ref: SpecRef, onDone: () => void) {
    this.#deps = deps;
    this.#ref = ref;
    this.#onDone = onDone;
    const { ctx } = deps;
    this.#key = ctx.keys.spec(ref.prj, ref.spc);
    this.#headerMirror = new Mirror({ ctx, range: onlyKey(this.#key), codec: codecs.spec, what: 'header' });
    this.#results = new Mirror({ ctx, range: ctx.keys.resultsOf(ref.spc), codec: seenResult, what: 'results' });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error(`coordination of ${this.#ref.spc} stopped`));
    this.#wakeUp();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { ctx, membership } = this.#deps;
    const { signal } = this.#stopping;
    const unsubscribe = [
      membership.onChange(() => this.#wakeUp()),
      this.#headerMirror.onChange(() => this.#wakeUp()),
      this.#results.onChange((changes) => {
        for (const { key, after } of changes) {
          if (after === undefined) this.#plan = undefined;
          else this.#plan?.onResult(indexOf(lastPart(key) as TaskId), after.record);
        }
        this.#wakeUp();
      }),
    ];
    let backoffMs = BACKOFF_FIRST_MS;
    try {
      await this.#headerMirror.start();
      while (!signal.aborted) {
        this.#woken = false;
        let next: Next;
        try {
          next = await this.#step();
          backoffMs = BACKOFF_FIRST_MS;
        } catch (error) {
          if (signal.aborted) return;
          ctx.log.warn({ err: error, spec: this.#ref.spc }, 'a step of coordination failed; trying again');
          this.#plan = undefined;
          next = backoffMs;
          backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
        }
        if (next === 'done') {
          this.#onDone();
          return;
        }
        await this.#wait(next);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const end of unsubscribe) end();
      await this.#headerMirror.stop();
      if (this.#resultsStarted) await this.#results.stop();
    }
  }

  #wakeUp(): void {
    this.#woken = true;
    this.#wake?.();
  }

  async #wait(ms: number | undefined): Promise<void> {
    if (this.#woken || this.#stopping.signal.aborted) return;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (ms !== undefined) timer = this.#deps.ctx.clock.timer(ms, resolve);
    });
    timer?.cancel();
    this.#wake = undefined;
  }

  async #step(): Promise<Next> {
    const { ctx, self, membership } = this.#deps;
    const { signal } = this.#stopping;
    const watched = this.#headerMirror.entries.get(this.#key);
    const known = this.#header;
    const header =
      known !== undefined && (watched === undefined || compareRevisions(watched.modRevision, known.modRevision) <= 0)
        ? known
        : watched;
    if (header === undefined) return this.#leave(undefined);
    const { state, coordinator } = header.record;
    if (isFinalSpec(header.record) || coordinator !== self) return this.#leave(header);
    if (state === 'writing' || state === 'dispatching') {
      if (!dispatcherGone(header, membership.snapshot())) return undefined;
      if (state === 'writing') {
        await freeWriting(this.#deps, this.#ref, header, signal);
        return this.#look();
      }
      const taken = await takeDispatch(this.#deps, this.#ref, header, signal);
      if (taken !== undefined) {
        ctx.log.info({ spec: this.#ref.spc, cursor: taken.record.cursor }, 'the dispatch of a lost node goes on here');
        await this.#writeRecords(taken);
      }
      return this.#look();
    }
    if (header.record.cursor < header.record.tasks) {
      await this.#writeRecords(header);
      return this.#look();
    }
    if (this.#plan === undefined || header !== known) {
      if (!(await this.#sync())) return this.#look();
    }
    return this.#coordinate();
  }

  async #writeRecords(header: Stored<SpecHeader>): Promise<void> {
    // With a limit of its own, how many are queued already is counted from the first task on.
    const from = header.record.concurrency === undefined ? Math.min(header.record.cursor + 1, header.record.tasks) : 1;
    const bodies = this.#deps.bodies.all(this.#ref.spc, header.record, from);
    await writeRecords(this.#deps, this.#ref, header, bodies, this.#stopping.signal);
  }

  /** Reads the header again; the next step goes on from it. */
  async #look(): Promise<Next> {
    this.#plan = undefined;
    this.#header = await readHeader(this.#deps.ctx, this.#ref);
    return this.#header === undefined ? this.#leave(undefined) : 0;
  }

  /** Builds the plan from the store; false when the header is not one to coordinate under. */
  async #sync(): Promise<boolean> {
    const { ctx, self, bodies } = this.#deps;
    const header = await readHeader(ctx, this.#ref);
    this.#header = header;
    if (header === undefined || header.record.coordinator !== self) return false;
    if (header.record.state !== 'active' && header.record.state !== 'cancelling') return false;
    if (!this.#resultsStarted) {
      this.#resultsStarted = true;
      await this.#results.start();
    } else {
      await this.#results.resync();
    }
    const blocked = await this.#blocked();
    const tasks: { needs?: readonly number[]; when?: 'success' | 'failure' | 'always' }[] = [];
    const firsts: number[] = [];
    for await (const chunk of bodies.all(this.#ref.spc, header.record)) {
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

  async #blocked(): Promise<Map<number, BlockedTask>> {
    const { store, keys } = this.#deps.ctx;
    const blocked = new Map<number, BlockedTask>();
    const range = keys.blockedOf(this.#ref.spc);
    for (let start = range.start; ; ) {
      const page = await store.range({ start, end: range.end });
      for (const { key, value } of page.kvs) {
        const record = codecs.blocked.decode(key, value);
        const { attempt = 1, history } = record;
        blocked.set(indexOf(lastPart(key) as TaskId), { attempt, ...(history === undefined ? {} : { history }) });
      }
      if (!page.more) return blocked;
      start = `${page.kvs.at(-1)?.key ?? start} `;
    }
  }

  async #coordinate(): Promise<Next> {
    const { ctx } = this.#deps;
    for (;;) {
      this.#stopping.signal.throwIfAborted();
      const plan = this.#plan;
      const header = this.#header;
      if (plan === undefined || header === undefined) return 0;
      if (plan.failed && header.record.failure === 'fail-fast' && header.record.failing !== true) {
        if (!(await this.#putHeader({ ...header.record, counts: specCounts(plan.counts()), failing: true }))) return 0;
        continue;
      }
      const stop = stopOf(header.record);
      const steps = plan.next(stop, header.record.concurrency);
      const work = this.#workOf(plan, steps, await this.#deps.placer());
      if (work.length === 0) break;
      const applied = await this.#apply(work);
      if (applied === 'stale') return 0;
      if (applied === 'held') return PLACE_AGAIN_MS;
    }
    const plan = this.#plan;
    const header = this.#header;
    if (plan === undefined || header === undefined) return 0;
    if (plan.complete) return this.#finalize(plan, header);
    const stop = stopOf(header.record);
    const waits: number[] = [];
    if (stop !== undefined && plan.toStop(stop).length > 0) {
      const dueInMs = this.#stoppedAt + STOP_AGAIN_MS - ctx.clock.mono();
      if (dueInMs <= 0) {
        this.#stoppedAt = ctx.clock.mono();
        if (!(await this.#stopEntries(plan, stop))) return 0;
        waits.push(STOP_AGAIN_MS);
      } else waits.push(dueInMs);
    }
    waits.push(...(await this.#progress()));
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  #workOf(
    plan: CoordinatePlan,
    steps: ReturnType<CoordinatePlan['next']>,
    placer: Awaited<ReturnType<NodeDeps['placer']>>,
  ): { readonly index: number; readonly make: () => Promise<Work> }[] {
    const { ctx, bodies } = this.#deps;
    const { prj, spc } = this.#ref;
    const { keys } = ctx;
    const end = (index: number, outcome: 'skipped' | 'cancelled', byFailure: boolean) => ({
      index,
      make: async (): Promise<Work> => {
        const { attempt = 1, history } = plan.blockedTask(index) ?? {};
        const result = unrunResult(outcome, ctx.clock.now(), attempt, {
          ...(byFailure ? { byFailure } : {}),
          ...carriedHistory(history),
        });
        return {
          index,
          txn: endBlockedItem(keys, spc, taskId(spc, index), result),
          applied: () => plan.onResult(index, { outcome, ...(byFailure ? { byFailure } : {}) }),
        };
      },
    });
    return [
      ...steps.skips.map(({ index, byFailure }) => end(index, 'skipped', byFailure)),
      ...steps.cancels.map((index) => end(index, 'cancelled', false)),
      ...steps.releases.map((index) => ({
        index,
        make: async (): Promise<Work> => {
          const chunk = this.#chunkOf(index);
          const definition = await bodies.definition(spc, index, chunk);
          const txn = releaseItem({
            keys,
            prj,
            spc,
            tsk: taskId(spc, index),
            definition,
            chunk,
            ...(plan.blockedTask(index) ?? { attempt: 1 }),
            inputs: (definition.needs ?? []).some((need) => plan.hasOutputs(need)),
            placer,
            nowMs: ctx.clock.now(),
          });
          return { index, txn, applied: () => plan.onReleased(index) };
        },
      })),
    ];
  }

  /** Makes the moves, a batch at a time. `stale`: the view is out of date; `held`: some target was refused, try it later. */
  async #apply(work: readonly { readonly make: () => Promise<Work> }[]): Promise<'done' | 'stale' | 'held'> {
    let held = false;
    const most = batchItemsMax(0, ITEM_WIDTH);
    for (let from = 0; from < work.length; from += most) {
      const items: Work[] = [];
      for (const { make } of work.slice(from, from + most)) items.push(await make());
      const answer = await this.#batch(items.map(({ txn }) => txn));
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

  /** Undefined: refused, since the header is no longer as known. */
  async #batch(
    items: readonly Txn[],
  ): Promise<Extract<Settled<BatchAnswer>, { readonly outcome: 'applied' }> | undefined> {
    const header = this.#header;
    if (header === undefined) return undefined;
    const answer = await settleBatch(this.#deps.ctx, this.#stopping.signal, {
      compares: [unchanged(this.#key, header.modRevision)],
      items,
    });
    if (answer.outcome === 'applied') return answer;
    this.#plan = undefined;
    this.#header = await readHeader(this.#deps.ctx, this.#ref);
    return undefined;
  }

  /** Stops the entries of tasks in flight, wherever they are. False: the view is out of date. */
  async #stopEntries(plan: CoordinatePlan, stop: Exclude<Stop, undefined>): Promise<boolean> {
    const { ctx } = this.#deps;
    const { spc } = this.#ref;
    const header = this.#header?.record;
    const wanted = new Set(plan.toStop(stop));
    const force = header?.cancel?.level === 2;
    const most = batchItemsMax(0, ITEM_WIDTH);
    for (const owner of await queueOwners(ctx)) {
      for await (const page of entriesOf(ctx, owner, spc, 1, plan.size)) {
        const items: Txn[] = [];
        for (const { entry } of page) {
          const tsk = lastPart(entry.key) as TaskId;
          if (!wanted.has(indexOf(tsk))) continue;
          const item = stopEntryItem(ctx.keys, spc, tsk, entry, {
            force,
            nowMs: ctx.clock.now(),
            actor: header?.cancel?.actor,
          });
          if (item !== undefined) items.push(item);
        }
        // A refused item is looked at again with the next repetition; results come by the watch.
        for (let from = 0; from < items.length; from += most) {
          if ((await this.#batch(items.slice(from, from + most))) === undefined) return false;
        }
      }
    }
    return true;
  }

  /** Progress into the header, at most once a while; answers when to come back for it. */
  async #progress(): Promise<number[]> {
    const { clock, config } = this.#deps.ctx;
    const header = this.#header;
    const plan = this.#plan;
    if (plan === undefined || header === undefined) return [0];
    const counts = specCounts(plan.counts());
    if (JSON.stringify(counts) === JSON.stringify(header.record.counts)) return [];
    const dueInMs = this.#progressAt + config.progressMs - clock.mono();
    if (dueInMs > 0) return [dueInMs];
    this.#progressAt = clock.mono();
    return (await this.#putHeader({ ...header.record, counts })) ? [] : [0];
  }

  async #putHeader(record: SpecHeader): Promise<boolean> {
    const { ctx } = this.#deps;
    const header = this.#header;
    if (header === undefined) return false;
    const value = codecs.spec.encode(record);
    const answer = await settleTxn(ctx, this.#stopping.signal, {
      compares: [unchanged(this.#key, header.modRevision)],
      success: [{ op: 'put', key: this.#key, value }],
    });
    if (answer.outcome === 'applied') {
      this.#header = { ...header, record, modRevision: answer.revision };
      return true;
    }
    this.#plan = undefined;
    this.#header = await readHeader(ctx, this.#ref);
    return false;
  }

  async #finalize(plan: CoordinatePlan, header: Stored<SpecHeader>): Promise<Next> {
    const { ctx, self } = this.#deps;
    const { prj, spc } = this.#ref;
    const counts = plan.counts();
    const record = finalHeader(header.record, counts, ctx.clock.now());
    const answer = await settleTxn(ctx, this.#stopping.signal, {
      compares: [unchanged(this.#key, header.modRevision)],
      success: [
        { op: 'put', key: this.#key, value: codecs.spec.encode(record) },
        { op: 'delete', key: ctx.keys.coord(self, spc) },
      ],
    });
    if (answer.outcome === 'refused') return this.#look();
    ctx.emit(
      record.state === 'failed'
        ? { kind: 'spec.failed', project: prj, spec: spc, tasks: record.tasks, failed: record.counts.failed }
        : { kind: 'spec.completed', project: prj, spec: spc, outcome: record.state, tasks: record.tasks },
    );
    return 'done';
  }

  /** Nothing to coordinate here: the key that says otherwise goes, unless the header has changed again. */
  async #leave(header: Stored<SpecHeader> | undefined): Promise<Next> {
    const { ctx, self } = this.#deps;
    const key: string = ctx.keys.coord(self as NodeId, this.#ref.spc);
    // The watch may be behind; what counts is the header now.
    const present = await readHeader(ctx, this.#ref);
    if (present !== undefined && present.modRevision !== header?.modRevision) {
      this.#header = present;
      this.#plan = undefined;
      return 0;
    }
    const revision = present?.modRevision ?? ('0' as Stored<SpecHeader>['modRevision']);
    const answer = await settleTxn(ctx, this.#stopping.signal, {
      compares: [unchanged(this.#key, revision)],
      success: [{ op: 'delete', key }],
    });
    return answer.outcome === 'applied' ? 'done' : 0;
  }

  #chunkOf(index: number): number {
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#firsts[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function stopOf(header: SpecHeader): Stop {
  if (header.cancel !== undefined) return header.cancel.level === 2 ? 'all' : 'success';
  return header.failing === true ? 'success' : undefined;
}
