/** How far the container of a run is, from the engine's words about its state. */
import { type ContainerState, isNew, timeOf } from '@boi/docker-engine';
import type { pool } from '@boi/plugin-sdk';

export type Phase =
  /** Made; nobody has tried to start it. */
  | { readonly phase: 'new' }
  | { readonly phase: 'running' }
  | { readonly phase: 'ended'; readonly end: Omit<pool.TaskEnd, 'endOffset'> };

/** With these codes the engine's init ends that cannot start the program; programs do as well, shells above all. */
export function mayNotHaveStarted({ exitCode }: Pick<pool.TaskEnd, 'exitCode'>): boolean {
  return exitCode === 126 || exitCode === 127;
}

/** More than this the init never says. */
export const INIT_WORDS_BYTES_MAX = 8_192;

/** Why the program could not be started, if the init says so in these words, all that was written. */
export function startFailureOf(written: string): string | undefined {
  const [, program, why] = /^\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)\n$/.exec(written) ?? [];
  return program === undefined ? undefined : `${program}: ${why}`;
}

/** The engine tells of a signal by 128 and its number; of these two it is certain, the pool and the kernel send them. */
const SIGNALS: Readonly<Record<number, string>> = { 137: 'SIGKILL', 143: 'SIGTERM' };

export function phaseOf(state: ContainerState, now: () => number): Phase {
  const { Status, ExitCode, Error: problem, OOMKilled, StartedAt, FinishedAt } = state;
  const startedAtMs = timeOf(StartedAt);
  if (isNew(state)) return { phase: 'new' };
  if (startedAtMs === 0) {
    const startFailure = problem === '' ? `the engine could not start it (${ExitCode})` : problem;
    return { phase: 'ended', end: { startFailure, startedAtMs: '0', endedAtMs: String(now()) } };
  }
  if (Status !== 'exited' && Status !== 'dead') return { phase: 'running' };
  const signal = OOMKilled ? 'SIGKILL' : SIGNALS[ExitCode];
  const how = signal === undefined ? { exitCode: ExitCode } : { signal };
  return {
    phase: 'ended',
    // Of a program that ends at once the engine notes the start last.
    end: { ...how, startedAtMs: String(startedAtMs), endedAtMs: String(Math.max(startedAtMs, timeOf(FinishedAt))) },
  };
}
