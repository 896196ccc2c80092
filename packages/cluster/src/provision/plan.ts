/**
 * What to do next about one need. Pure: a function of its record, of who waits, of the node that joined, and of what this life
 * of the node has begun. All times are left-over milliseconds by the monotonic clock; the caller computes them.
 *
 * | request | what happens |
 * |---|---|
 * | none | asked for when tasks have waited a moment, unless too many failed; forgotten when nobody waits any more |
 * | in flight | taken over by who has not called yet, called, and fulfilled or failed: whichever of node, refusal or deadline is first |
 * | failed | what it may have left is removed, and only then it is closed, so that there are never two |
 */
import type { Member } from '../membership/membership-types.ts';
import type { Failure, ProvisionRecord } from './records.ts';

/** What this life of the node has done for a request. */
export interface Attempt {
  /** Absent on an insecure cluster. */
  readonly token?: string;
  call: 'open' | 'running' | 'begun' | 'refused';
  removal: 'open' | 'running' | 'done';
  /** Ends the call that is running. */
  readonly over: AbortController;
  /** Not called again before, monotonic. */
  againMono: number;
}

export interface Seen {
  readonly record: Pick<ProvisionRecord, 'request' | 'failures'> | undefined;
  /** How long tasks have waited that no live node is made for; undefined: none do. */
  readonly waitedMs: number | undefined;
  /** Until a next request is made, after one that failed. */
  readonly restLeftMs: number;
  /** Until failures are forgotten when nobody waits. */
  readonly forgetLeftMs: number;
  readonly deadlineLeftMs: number;
  readonly attempt: Pick<Attempt, 'call' | 'removal'> | undefined;
  readonly againLeftMs: number;
  readonly joined: { readonly member: Member; readonly fits: boolean } | undefined;
}

export type Step =
  | { readonly do: 'nothing'; readonly againMs?: number }
  | { readonly do: 'ask' | 'take' | 'call' | 'remove' | 'close' | 'forget' }
  | { readonly do: 'fulfil'; readonly member: Member }
  | { readonly do: 'fail'; readonly why: Failure };

/** A node may be on its way back: its queue was adopted a moment ago. */
export const SETTLE_MS = 1_000;

export function nextStep(seen: Seen): Step {
  const { record } = seen;
  if (record?.request === undefined) return withoutRequest(seen);
  return record.request.failed === undefined ? inFlight(seen) : afterFailure(seen);
}

function withoutRequest({ record, waitedMs, restLeftMs, forgetLeftMs }: Seen): Step {
  if (waitedMs === undefined) {
    if (record === undefined) return { do: 'nothing' };
    return forgetLeftMs > 0 ? { do: 'nothing', againMs: forgetLeftMs } : { do: 'forget' };
  }
  const leftMs = Math.max(SETTLE_MS - waitedMs, restLeftMs);
  return leftMs > 0 ? { do: 'nothing', againMs: leftMs } : { do: 'ask' };
}

function inFlight({ joined, deadlineLeftMs, attempt, againLeftMs }: Seen): Step {
  if (joined !== undefined) {
    return joined.fits ? { do: 'fulfil', member: joined.member } : { do: 'fail', why: 'incapable' };
  }
  if (deadlineLeftMs <= 0) return { do: 'fail', why: 'deadline' };
  if (attempt === undefined) return { do: 'take' };
  if (attempt.call === 'refused') return { do: 'fail', why: 'refused' };
  if (attempt.call !== 'open') return { do: 'nothing', againMs: deadlineLeftMs };
  return againLeftMs > 0 ? { do: 'nothing', againMs: Math.min(againLeftMs, deadlineLeftMs) } : { do: 'call' };
}

function afterFailure({ attempt, againLeftMs }: Seen): Step {
  if (attempt?.removal === 'done') return { do: 'close' };
  if (attempt?.removal === 'running' || attempt?.call === 'running') return { do: 'nothing' };
  return againLeftMs > 0 ? { do: 'nothing', againMs: againLeftMs } : { do: 'remove' };
}
