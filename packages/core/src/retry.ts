/** Whether a failed attempt is tried again, and when. Claims lost with their node are another matter: deliveries. */
import type { Random } from './clock.ts';
import type { RetryPolicy } from './definition.ts';
import type { TaskReport } from './runner.ts';

/**
 * Claims of one attempt that may be lost with their node; at the last one the task fails as `poison`: what killed three
 * nodes would kill the next.
 */
export const DELIVERIES_MAX = 3;

/** Share of a delay by which it may be longer or shorter, so that what failed together does not return together. */
export const BACKOFF_JITTER = 0.2;

export type RetryDecision = { readonly retry: true; readonly delayMs: number } | { readonly retry: false };

/**
 * After attempt `attempt` (from 1) ended with `report`. A cancel is never retried, nor is a success; with `onExitCodes` only
 * a process that exited with one of them. The delay doubles from `backoffMs` with each attempt, spread by
 * {@link BACKOFF_JITTER}, never above `backoffMaxMs`.
 */
export function retryDecision(
  policy: RetryPolicy | undefined,
  attempt: number,
  report: Pick<TaskReport, 'outcome' | 'exitCode'>,
  random: Random,
): RetryDecision {
  if (policy === undefined || attempt > policy.max) return NO_RETRY;
  if (report.outcome !== 'failed' && report.outcome !== 'timed-out') return NO_RETRY;
  const { onExitCodes } = policy;
  if (onExitCodes !== undefined && (report.exitCode === undefined || !onExitCodes.includes(report.exitCode)))
    return NO_RETRY;
  return { retry: true, delayMs: backoffMs(policy, attempt, random) };
}

function backoffMs(policy: RetryPolicy, attempt: number, random: Random): number {
  // Beyond 2^40 times any delay the ceiling holds anyhow; the exponent stays small enough to be exact.
  const doubled = policy.backoffMs * 2 ** Math.min(attempt - 1, 40);
  const spread = Math.min(doubled, policy.backoffMaxMs) * (1 + BACKOFF_JITTER * (2 * random.next() - 1));
  return Math.round(Math.min(spread, policy.backoffMaxMs));
}

const NO_RETRY: RetryDecision = { retry: false };
