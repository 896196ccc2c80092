/**
 * What the daemon tells its guard: one JSON value a line over the guard's standard input. The end of the input is the
 * message that matters most: the daemon is dead.
 */
import type { TreeRoot } from '../processes/process-scan.ts';

export type GuardMessage =
  | { readonly type: 'started'; readonly root: TreeRoot; readonly exclusive: boolean }
  | { readonly type: 'ended'; readonly root: TreeRoot }
  /** When exclusive tasks must have had TERM and KILL. Absent: no deadline is known, so none is kept. */
  | { readonly type: 'deadline'; readonly deadline?: GuardDeadline }
  /** The daemon leaves in order, its tasks have ended: nothing is killed. */
  | { readonly type: 'quit' };

/**
 * On both clocks, since either may stand still while the other goes on (a frozen virtual machine, a stepped clock): the
 * system-wide monotonic clock of `process.hrtime`, and the wall clock.
 */
export interface GuardDeadline {
  readonly term: GuardMoment;
  readonly kill: GuardMoment;
}

export interface GuardMoment {
  readonly monoMs: number;
  readonly wallMs: number;
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

export function momentIn(delayMs: number): GuardMoment {
  return { monoMs: monotonicMs() + delayMs, wallMs: Date.now() + delayMs };
}

export function isPast(moment: GuardMoment): boolean {
  return monotonicMs() >= moment.monoMs || Date.now() >= moment.wallMs;
}
