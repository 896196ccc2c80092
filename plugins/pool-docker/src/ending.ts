/** How far the container of a run is, from the engine's words about its state. */
import { type ContainerState, isNew, timeOf } from '@boi/docker-engine';
import type { pool } from '@boi/plugin-sdk';

export type Phase =
  /** Made; nobody has tried to start it. */
  | { readonly phase: 'new' }
  | { readonly phase: 'running' }
  | { readonly phase: 'ended'; readonly end: Omit<pool.TaskEnd, 'endOffset'> };

/** The engine tells of a signal by 128 and its number; of these two it is certain, the pool and the kernel send them. */
const SIGNALS: Readonly<Record<number, string>> = { 137: 'SIGKILL', 143: 'SIGTERM' };

export function phaseOf(state: ContainerState, now: () => number): Phase {
  const { Status, ExitCode, Error: problem, OOMKilled, StartedAt, FinishedAt } = state;
  const [startedAtMs, finishedAtMs] = [timeOf(StartedAt), timeOf(FinishedAt)];
  if (isNew(state)) return { phase: 'new' };
  if (startedAtMs === 0) {
    const startFailure = problem === '' ? `the engine could not start it (${ExitCode})` : problem;
    return { phase: 'ended', end: { startFailure, startedAtMs: '0', endedAtMs: String(finishedAtMs || now()) } };
  }
  if (Status !== 'exited' && Status !== 'dead') return { phase: 'running' };
  const signal = OOMKilled ? 'SIGKILL' : SIGNALS[ExitCode];
  const how = signal === undefined ? { exitCode: ExitCode } : { signal };
  return {
    phase: 'ended',
    end: { ...how, startedAtMs: String(startedAtMs), endedAtMs: String(finishedAtMs || now()) },
  };
}
