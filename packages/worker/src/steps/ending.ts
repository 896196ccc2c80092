/** How a task ends, and the words for it. */
import type { Command, FailureReason, TaskDefinition, TaskReport } from '@boi/core';
import type { Exit } from '../spawn/spawned.ts';

export type Ending = Pick<TaskReport, 'outcome' | 'reason' | 'message' | 'exitCode' | 'signal' | 'outputs'>;

/** Why something was ended that ran. */
export type StopCause = 'cancelled' | 'timeout' | 'lost' | 'disk';

export function failed(reason: FailureReason, message: string): Ending {
  return { outcome: 'failed', reason, message };
}

/** Of a command that did not exit 0; `step` 0 is `run`, 1 the first verify command. */
export function failedCommand(exit: Exit, step: number, command: Command): Ending {
  const how = exit.signal === undefined ? `exited ${exit.exitCode}` : `was ended by ${exit.signal}`;
  if (step > 0)
    return { ...failed('verify-failed', `verify command ${step} ${how}: ${shown(command)}`), ...exitOf(exit) };
  return { ...failed(exit.signal === undefined ? 'exit-code' : 'signal', `the command ${how}`), ...exitOf(exit) };
}

export function stopped(cause: StopCause, { timeoutMs }: TaskDefinition, diskError: Error | undefined): Ending {
  switch (cause) {
    case 'cancelled':
      return { outcome: 'cancelled' };
    case 'timeout':
      return {
        outcome: 'timed-out',
        reason: 'timeout',
        message: `it ran longer than its timeout of ${timeoutMs} ms`,
      };
    case 'lost':
      // Nobody asked for it: to the cluster it is a claim that was lost, and it runs again.
      return {
        outcome: 'cancelled',
        reason: 'lost',
        message: 'the node was losing its session, and an exclusive task must not outlive it',
      };
    case 'disk':
      return failed('disk', `the log cannot be written: ${diskError?.message ?? 'unknown error'}`);
  }
}

export function exitOf({ exitCode, signal }: Exit): Pick<Ending, 'exitCode' | 'signal'> {
  return { ...(exitCode === undefined ? {} : { exitCode }), ...(signal === undefined ? {} : { signal }) };
}

export function stepMessage(step: number, message: string): string {
  return step === 0 ? message : `verify command ${step}: ${message}`;
}

const SHOWN_LENGTH_MAX = 200;

function shown(command: Command): string {
  const text = typeof command === 'string' ? command : command.join(' ');
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
}
