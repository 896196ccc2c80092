/**
 * A task runner without processes: tasks end after virtual time, as a script says. It outlives the node that uses it, as
 * processes outlive a daemon, and remembers every start for the tests: who ran what, under which fence, from when to when.
 */
import type { Assignment, Clock, RunningTask, TaskId, TaskReport, TaskRunner, Timer } from '@boi/core';

/** How one start goes on. */
export interface Behaviour {
  /** Until it ends by itself; infinite: it hangs until it is cancelled. */
  readonly durationMs: number;
  /** Default: succeeded. */
  readonly report?: Partial<
    Pick<TaskReport, 'outcome' | 'reason' | 'exitCode' | 'signal' | 'outputs' | 'message' | 'tail' | 'logBytes'>
  >;
  /** No process comes about: it fails at once, and there is no witness of it. */
  readonly cannotStart?: boolean;
  /** From a cancel to its end, unless forced. Default 0. */
  readonly stopMs?: number;
}

export interface Witness {
  readonly assignment: Assignment;
  readonly startedMono: number;
  /** Absent while it runs. */
  endedMono?: number;
  outcome?: TaskReport['outcome'];
}

export type Script = (assignment: Assignment) => Behaviour;

interface Run {
  readonly task: TaskId;
  readonly fence: string;
  readonly witness: Witness;
  readonly running: RunningTask;
  readonly end: (report?: Behaviour['report']) => void;
  timer: Timer | undefined;
}

export class VirtualRunner implements TaskRunner {
  /** Every start, oldest first. */
  readonly witnesses: Witness[] = [];
  /** Claims that are over, by task and fence. */
  readonly forgotten: string[] = [];
  readonly #clock: Clock;
  readonly #script: Script;
  readonly #runs = new Map<string, Run>();
  #deadline: Timer[] = [];
  #termAtMs: number | undefined;

  constructor(clock: Clock, script: Script = () => ({ durationMs: 0 })) {
    this.#clock = clock;
    this.#script = script;
  }

  start(assignment: Assignment): RunningTask {
    const key = `${assignment.task} ${assignment.fence}`;
    const known = this.#runs.get(key);
    if (known !== undefined) return known.running;
    // As the real one: started after the deadline, nothing would end it any more.
    if (assignment.definition.exclusive && this.#termAtMs !== undefined && this.#clock.mono() >= this.#termAtMs) {
      return { done: Promise.resolve(neverStarted(this.#clock.now())), cancel: () => {} };
    }
    const behaviour = this.#script(assignment);
    const startedAt = this.#clock.now();
    if (behaviour.cannotStart) {
      const report: TaskReport = {
        outcome: 'failed',
        reason: 'start-failed',
        endedAt: startedAt,
        tail: '',
        logBytes: 0,
      };
      return { done: Promise.resolve(report), cancel: () => {} };
    }
    const witness: Witness = { assignment, startedMono: this.#clock.mono() };
    this.witnesses.push(witness);
    let resolve: (report: TaskReport) => void = () => {};
    const done = new Promise<TaskReport>((settle) => {
      resolve = settle;
    });
    let cancels = 0;
    const run: Run = {
      task: assignment.task,
      fence: assignment.fence,
      witness,
      timer: undefined,
      end: (report) => {
        if (!this.#runs.delete(key)) return;
        run.timer?.cancel();
        witness.endedMono = this.#clock.mono();
        witness.outcome = report?.outcome ?? 'succeeded';
        const endedAt = this.#clock.now();
        resolve({ outcome: 'succeeded', startedAt, endedAt, tail: '', logBytes: 0, ...report });
      },
      running: {
        done,
        cancel: (options) => {
          cancels++;
          const forced = options?.force === true || cancels > 1;
          run.timer?.cancel();
          const stopMs = Math.min(behaviour.stopMs ?? 0, options?.graceMs ?? Number.POSITIVE_INFINITY);
          this.#after(run, forced ? 0 : stopMs, { outcome: 'cancelled' });
        },
      },
    };
    this.#runs.set(key, run);
    this.#after(run, behaviour.durationMs, behaviour.report);
    return run.running;
  }

  list() {
    return [...this.#runs.values()].map(({ task, fence, witness, running }) => {
      const { nonce } = witness.assignment;
      return { task, fence, ...(nonce === undefined ? {} : { nonce }), running };
    });
  }

  forget(task: TaskId, fence: string): void {
    this.forgotten.push(`${task} ${fence}`);
  }

  setDeadline(deadline: { readonly termAtMs: number; readonly killAtMs: number } | undefined): void {
    // A lost session has no new deadline: the last one stands, as the guard of real processes keeps it.
    if (deadline === undefined) return;
    this.#forgetDeadline();
    this.#termAtMs = deadline.termAtMs;
    const at = (monoMs: number, force: boolean) =>
      this.#clock.timer(Math.max(0, monoMs - this.#clock.mono()), () => {
        for (const run of [...this.#runs.values()]) {
          if (!run.witness.assignment.definition.exclusive) continue;
          if (force) run.end({ outcome: 'cancelled' });
          else run.running.cancel();
        }
      });
    this.#deadline = [at(deadline.termAtMs, false), at(deadline.killAtMs, true)];
  }

  /** What runs now. */
  get running(): readonly Witness[] {
    return [...this.#runs.values()].map(({ witness }) => witness);
  }

  /** The host is gone: everything that ran ends without a report. */
  kill(): void {
    this.#forgetDeadline();
    for (const [key, run] of [...this.#runs]) {
      run.timer?.cancel();
      run.witness.endedMono = this.#clock.mono();
      this.#runs.delete(key);
    }
  }

  #forgetDeadline(): void {
    this.#termAtMs = undefined;
    for (const timer of this.#deadline) timer.cancel();
    this.#deadline = [];
  }

  #after(run: Run, delayMs: number, report: Behaviour['report']): void {
    if (delayMs === Number.POSITIVE_INFINITY) return;
    run.timer = this.#clock.timer(delayMs, () => run.end(report));
  }
}

function neverStarted(endedAt: number): TaskReport {
  return { outcome: 'cancelled', reason: 'lost', endedAt, tail: '', logBytes: 0 };
}
