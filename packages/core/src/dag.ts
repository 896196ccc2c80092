/**
 * Readiness: which tasks may run, which are skipped, given how others ended.
 *
 * `when` decides once the needs allow it. *success*: all succeeded, else skipped. *failure*: all ended and at least one
 * failed, timed out, was poison, or was skipped because of a failure. *always*: all ended. A task whose need failed is
 * skipped at once; otherwise it waits for all of its needs, so that whether it is skipped *because of a failure* does not
 * depend on the order in which results arrive.
 *
 * {@link Dag} keeps counts per task in typed arrays and follows each edge once per result: 100,000 tasks with a million
 * needs take about 20 MB. It holds nothing that the results do not tell, so a coordinator that takes over builds it anew.
 * Called by the coordinator only; not safe against a cyclic graph (`parseSpec` refuses those).
 */
import type { Outcome, TaskDefinition, When } from './definition.ts';
import { assert } from './errors.ts';

/** How a task ended, as far as its dependents are concerned. */
export interface Ending {
  readonly outcome: Outcome;
  /** Of a skipped task: whether a failure was the cause, directly or through others. */
  readonly skippedByFailure?: boolean;
}

export type Readiness = 'wait' | 'run' | 'skip';

/** What follows from a result. */
export interface Progress {
  /** Tasks that may run now, ascending. */
  readonly ready: number[];
  /** Tasks that never will, ascending; already counted as ended. */
  readonly skipped: { readonly index: number; readonly skippedByFailure: boolean }[];
}

/** Whether an ending counts as a failure for `when` and for the failure policy. A cancel does not. */
export function isFailure(ending: Ending): boolean {
  const { outcome } = ending;
  return (
    outcome === 'failed' ||
    outcome === 'timed-out' ||
    outcome === 'poison' ||
    (outcome === 'skipped' && ending.skippedByFailure === true)
  );
}

/** The truth table: of `total` needs, `ended` have, `failed` of them by failure, `succeeded` well. */
export function readiness(when: When, total: number, ended: number, failed: number, succeeded: number): Readiness {
  if (when === 'success' && failed > 0) return 'skip';
  if (ended < total) return 'wait';
  if (when === 'always') return 'run';
  return (when === 'success' ? succeeded === total : failed > 0) ? 'run' : 'skip';
}

/** How a spec whose tasks have all ended ended itself. */
export function specOutcome(counts: Readonly<Record<Outcome, number>>): 'succeeded' | 'failed' | 'cancelled' {
  if (counts.failed + counts['timed-out'] + counts.poison > 0) return 'failed';
  return counts.cancelled > 0 ? 'cancelled' : 'succeeded';
}

const OUTCOMES = [
  'succeeded',
  'failed',
  'timed-out',
  'cancelled',
  'skipped',
  'poison',
] as const satisfies readonly Outcome[];
const WHENS = ['success', 'failure', 'always'] as const satisfies readonly When[];

/** States of a task in the arrays; from ENDED on, its outcome. SKIPPED_BY_FAILURE follows the plain outcomes. */
const BLOCKED = 0;
const RELEASED = 1;
const ENDED = 2;
const SKIPPED = ENDED + OUTCOMES.indexOf('skipped');
const SKIPPED_BY_FAILURE = ENDED + OUTCOMES.length;

export class Dag {
  /** Number of tasks; indexes run from 1 to it. */
  readonly size: number;
  readonly #needs: readonly (readonly number[] | undefined)[];
  readonly #when: Uint8Array;
  /** Dependents of task i: `#targets` from `#offsets[i]` to `#offsets[i + 1]`. */
  readonly #offsets: Int32Array;
  readonly #targets: Int32Array;
  readonly #state: Uint8Array;
  /** Of each task's needs, how many ended, failed, succeeded. */
  readonly #ended: Int32Array;
  readonly #failed: Int32Array;
  readonly #succeeded: Int32Array;
  #remaining: number;

  constructor(tasks: readonly Pick<TaskDefinition, 'needs' | 'when'>[]) {
    this.size = tasks.length;
    this.#remaining = tasks.length;
    this.#needs = tasks.map((task) => task.needs);
    this.#when = new Uint8Array(this.size + 1);
    this.#offsets = new Int32Array(this.size + 2);
    this.#state = new Uint8Array(this.size + 1);
    this.#ended = new Int32Array(this.size + 1);
    this.#failed = new Int32Array(this.size + 1);
    this.#succeeded = new Int32Array(this.size + 1);
    tasks.forEach((task, i) => {
      this.#when[i + 1] = WHENS.indexOf(task.when ?? 'success');
      for (const need of task.needs ?? []) {
        assert(need >= 1 && need <= this.size, `task ${i + 1} needs ${need}, which does not exist`);
        (this.#offsets[need + 1] as number)++;
      }
    });
    for (let i = 1; i < this.#offsets.length; i++) (this.#offsets[i] as number) += this.#offsets[i - 1] as number;
    this.#targets = new Int32Array(this.#offsets[this.size + 1] as number);
    const next = this.#offsets.slice();
    tasks.forEach((task, i) => {
      for (const need of task.needs ?? []) this.#targets[(next[need] as number)++] = i + 1;
    });
  }

  /** Tasks without an ending. */
  get remaining(): number {
    return this.#remaining;
  }

  /** How a task ended, or undefined. */
  endingOf(index: number): Ending | undefined {
    const state = this.#state[index] as number;
    if (state < ENDED) return undefined;
    if (state === SKIPPED_BY_FAILURE) return { outcome: 'skipped', skippedByFailure: true };
    return { outcome: OUTCOMES[state - ENDED] as Outcome };
  }

  /** Whether a task may run or has run: false while its needs hold it back, and for what was skipped. */
  isReleased(index: number): boolean {
    return this.#state[index] === RELEASED;
  }

  /** Endings by outcome. */
  counts(): Record<Outcome, number> {
    const counts = { succeeded: 0, failed: 0, 'timed-out': 0, cancelled: 0, skipped: 0, poison: 0 };
    for (let index = 1; index <= this.size; index++) {
      const ending = this.endingOf(index);
      if (ending !== undefined) counts[ending.outcome]++;
    }
    return counts;
  }

  /**
   * Takes in all results there are and answers everything that follows: at the start of a spec (no results), and when a
   * coordinator takes over. `ready` then holds each task that may run and has no result; whether it runs already, its
   * record says. Once, before {@link onResult}.
   *
   * `isOut` tells of a task without a result whether it was released before and may run: it is neither `ready` nor skipped,
   * whatever its needs say now. A task retry may have taken back what it needed, and it may end otherwise this time.
   */
  begin(
    results: Iterable<readonly [index: number, ending: Ending]> = [],
    isOut: (index: number) => boolean = () => false,
  ): Progress {
    for (const [index, ending] of results) if (this.endingOf(index) === undefined) this.#end(index, ending);
    const pending: number[] = [];
    for (let index = 1; index <= this.size; index++) {
      if (this.#state[index] !== BLOCKED) continue;
      if (isOut(index)) this.#state[index] = RELEASED;
      else pending.push(index);
    }
    return this.#settle(pending);
  }

  /** Takes in one result. The same result again changes nothing. */
  onResult(index: number, ending: Ending): Progress {
    assert(index >= 1 && index <= this.size, `there is no task ${index}`);
    if (this.endingOf(index) !== undefined) return { ready: [], skipped: [] };
    this.#end(index, ending);
    return this.#settle(this.#dependents(index));
  }

  /**
   * Takes back the ending of a task that is to run again (`task retry`), and with it every skip that would not have
   * happened without it, also further on. Answers the tasks that are blocked again, ascending. What ran already because
   * the task had failed stays as it is.
   */
  reset(index: number): number[] {
    const ending = this.endingOf(index);
    assert(ending !== undefined && ending.outcome !== 'skipped', `task ${index} has not run, so it cannot run again`);
    this.#unend(index, RELEASED);
    const reblocked: number[] = [];
    const open = [index];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const dependent of this.#dependents(at)) {
        const state = this.#state[dependent];
        if (state !== SKIPPED && state !== SKIPPED_BY_FAILURE) continue;
        if (this.#readiness(dependent) === 'skip') continue;
        this.#unend(dependent, BLOCKED);
        reblocked.push(dependent);
        open.push(dependent);
      }
    }
    return reblocked.sort((a, b) => a - b);
  }

  /**
   * What to stop: `success` (fail-fast and a first cancel) the tasks with `when: success` that have not ended, so that
   * clean-up still runs; `all` (a second cancel) every one.
   */
  toStop(which: 'success' | 'all'): number[] {
    const indexes: number[] = [];
    for (let index = 1; index <= this.size; index++) {
      const stops = which === 'all' || WHENS[this.#when[index] as number] === 'success';
      if (stops && (this.#state[index] as number) < ENDED) indexes.push(index);
    }
    return indexes;
  }

  #dependents(index: number): Int32Array {
    return this.#targets.subarray(this.#offsets[index], this.#offsets[index + 1]);
  }

  #readiness(index: number): Readiness {
    const when = WHENS[this.#when[index] as number] as When;
    const total = this.#needs[index - 1]?.length ?? 0;
    return readiness(
      when,
      total,
      this.#ended[index] as number,
      this.#failed[index] as number,
      this.#succeeded[index] as number,
    );
  }

  #settle(candidates: Iterable<number>): Progress {
    const ready: number[] = [];
    const skipped: { index: number; skippedByFailure: boolean }[] = [];
    let open = candidates;
    for (;;) {
      const next: number[] = [];
      for (const index of open) {
        if (this.#state[index] !== BLOCKED) continue;
        const readiness = this.#readiness(index);
        if (readiness === 'run') {
          this.#state[index] = RELEASED;
          ready.push(index);
        } else if (readiness === 'skip') {
          const skippedByFailure = (this.#failed[index] as number) > 0;
          this.#end(index, { outcome: 'skipped', skippedByFailure });
          skipped.push({ index, skippedByFailure });
          for (const dependent of this.#dependents(index)) next.push(dependent);
        }
      }
      if (next.length === 0) break;
      open = next;
    }
    return { ready: ready.sort((a, b) => a - b), skipped: skipped.sort((a, b) => a.index - b.index) };
  }

  #end(index: number, ending: Ending): void {
    const byFailure = ending.outcome === 'skipped' && ending.skippedByFailure === true;
    this.#state[index] = byFailure ? SKIPPED_BY_FAILURE : ENDED + OUTCOMES.indexOf(ending.outcome);
    this.#remaining--;
    this.#count(index, ending, 1);
  }

  #unend(index: number, state: typeof BLOCKED | typeof RELEASED): void {
    this.#count(index, this.endingOf(index) as Ending, -1);
    this.#state[index] = state;
    this.#remaining++;
  }

  #count(index: number, ending: Ending, by: 1 | -1): void {
    const failed = isFailure(ending) ? by : 0;
    const succeeded = ending.outcome === 'succeeded' ? by : 0;
    for (const dependent of this.#dependents(index)) {
      (this.#ended[dependent] as number) += by;
      (this.#failed[dependent] as number) += failed;
      (this.#succeeded[dependent] as number) += succeeded;
    }
  }
}
