/**
 * What a coordinator does next, as a function of what it has seen: results, and which tasks still have a `blocked` record.
 * Pure: no store, no clock. The readiness itself is {@link Dag}'s; this adds the records.
 *
 * A task is *blocked* (has a blocked record), *in flight* (neither record nor result is known: it has an entry somewhere) or
 * *ended*. What the dag says may run is released only while it is blocked, so a new coordinator that sees everything anew
 * plans nothing twice; and the compare of the blocked record makes a second release of the same task impossible anyway.
 */
import { Dag, type Ending, isFailure, type Outcome, type TaskDefinition } from '@boi/core';
import type { HistoryRecord } from '../records.ts';

export interface BlockedTask {
  readonly attempt: number;
  /** Of attempts that a task retry took back. */
  readonly history?: readonly HistoryRecord[];
}

export interface SeenResult {
  readonly outcome: Outcome;
  readonly byFailure?: boolean;
  readonly hasOutputs?: boolean;
}

/** What a cancel or a failure stops: `success` leaves clean-up (`when: failure`, `always`) to run. */
export type Stop = 'success' | 'all' | undefined;

export interface Steps {
  readonly skips: readonly { readonly index: number; readonly byFailure: boolean }[];
  readonly cancels: readonly number[];
  readonly releases: readonly number[];
}

export class CoordinatePlan {
  readonly #dag: Dag;
  readonly #blocked: Map<number, BlockedTask>;
  /** 1: has a result; 2: with outputs. By index. */
  readonly #ended: Uint8Array;
  #endedCount = 0;
  #failed = false;
  #stale = false;
  /** Of the tasks with a result: kept up, since they are asked for with every change. */
  readonly #counts: Record<Outcome, number> = {
    succeeded: 0,
    failed: 0,
    'timed-out': 0,
    cancelled: 0,
    skipped: 0,
    poison: 0,
  };
  /**
   * May run by its needs and had a blocked record when it became so, in the order it is to be released; from `#nextReady` on.
   * With a limit of its own a spec has nearly all of its tasks here for nearly all of its time: no step goes through them all.
   */
  #ready: number[] = [];
  #nextReady = 0;
  #skips: { index: number; byFailure: boolean }[] = [];

  constructor(
    tasks: readonly Pick<TaskDefinition, 'needs' | 'when'>[],
    results: ReadonlyMap<number, SeenResult>,
    blocked: ReadonlyMap<number, BlockedTask>,
  ) {
    this.#dag = new Dag(tasks);
    this.#ended = new Uint8Array(tasks.length + 1);
    this.#blocked = new Map([...blocked].sort(([a], [b]) => a - b));
    const endings: [number, Ending][] = [];
    for (const [index, result] of results) {
      this.#note(index, result);
      endings.push([index, endingOf(result)]);
    }
    const { ready, skipped } = this.#dag.begin(endings, (index) => !blocked.has(index));
    this.#take(ready, skipped);
  }

  get size(): number {
    return this.#dag.size;
  }

  /**
   * A task has ended otherwise than the plan had it, and what was made of that stands no more: its needs made it one to be skipped
   * while a cancel of it, sent before that was known, was still under way.
   */
  get stale(): boolean {
    return this.#stale;
  }

  /** Tasks with a result in the store. */
  get ended(): number {
    return this.#endedCount;
  }

  get complete(): boolean {
    return this.#endedCount === this.#dag.size;
  }

  /** Whether a task failed, timed out or was poison. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Tasks in a queue, running or unassigned. */
  get inFlight(): number {
    return this.#dag.size - this.#blocked.size - this.#endedCount;
  }

  counts(): Record<Outcome, number> {
    return { ...this.#counts };
  }

  blockedTask(index: number): BlockedTask | undefined {
    return this.#blocked.get(index);
  }

  hasOutputs(index: number): boolean {
    return this.#ended[index] === 2;
  }

  /** Takes in a result; the same again changes nothing. */
  onResult(index: number, result: SeenResult): void {
    if (this.#ended[index] !== 0) return;
    this.#note(index, result);
    const planned = this.#dag.endingOf(index);
    if (planned !== undefined && !isSame(planned, endingOf(result))) this.#stale = true;
    const { ready, skipped } = this.#dag.onResult(index, endingOf(result));
    this.#take(ready, skipped);
  }

  /** Its blocked record has become a queue entry. */
  onReleased(index: number): void {
    this.#blocked.delete(index);
  }

  /** At most so many tasks in flight; undefined: no limit. Nothing is planned that {@link onResult} has not made possible. */
  next(stop: Stop, limit: number | undefined): Steps {
    this.#skips = this.#skips.filter(({ index }) => this.#blocked.has(index));
    if (this.#skips.length > 0) return { skips: this.#skips, cancels: [], releases: [] };
    if (stop !== undefined) {
      const cancels = this.#dag.toStop(stop).filter((index) => this.#blocked.has(index));
      // Only when these have their result is it known what they make of the others.
      if (cancels.length > 0) return { skips: [], cancels, releases: [] };
    }
    return {
      skips: [],
      cancels: [],
      releases: this.#firstReady(limit === undefined ? undefined : limit - this.inFlight),
    };
  }

  /** Tasks in flight that `stop` is about. */
  toStop(stop: Exclude<Stop, undefined>): number[] {
    return this.#dag.toStop(stop).filter((index) => !this.#blocked.has(index) && this.#ended[index] === 0);
  }

  /** The first so many; what was released or has ended meanwhile is forgotten on the way. */
  #firstReady(most = Number.POSITIVE_INFINITY): number[] {
    const ready = this.#ready;
    while (this.#nextReady < ready.length && !this.#blocked.has(ready[this.#nextReady] as number)) this.#nextReady++;
    if (this.#nextReady > ready.length / 2) {
      this.#ready = ready.slice(this.#nextReady);
      this.#nextReady = 0;
    }
    const first: number[] = [];
    for (let at = this.#nextReady; at < this.#ready.length && first.length < most; at++) {
      const index = this.#ready[at] as number;
      if (this.#blocked.has(index)) first.push(index);
    }
    return first;
  }

  #note(index: number, result: SeenResult): void {
    this.#counts[result.outcome]++;
    this.#ended[index] = result.hasOutputs === true ? 2 : 1;
    this.#endedCount++;
    this.#blocked.delete(index);
    if (result.outcome !== 'skipped' && isFailure({ outcome: result.outcome })) this.#failed = true;
  }

  #take(
    ready: readonly number[],
    skipped: readonly { readonly index: number; readonly skippedByFailure: boolean }[],
  ): void {
    for (const index of ready) if (this.#blocked.has(index)) this.#ready.push(index);
    for (const { index, skippedByFailure } of skipped) this.#skips.push({ index, byFailure: skippedByFailure });
  }
}

function isSame(a: Ending, b: Ending): boolean {
  return a.outcome === b.outcome && (a.skippedByFailure === true) === (b.skippedByFailure === true);
}

function endingOf({ outcome, byFailure }: SeenResult): Ending {
  return outcome === 'skipped' ? { outcome, skippedByFailure: byFailure === true } : { outcome };
}
