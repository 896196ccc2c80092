/**
 * A dispatch is work that emits events: while a plugin of the audit tier is behind it waits, but no longer than a caller waits
 * for a store that is silent. Then the caller is told to ask another node, and nothing was sent.
 */
import { BoiError } from '@boi/core';
import type { ClusterContext } from '../context.ts';

const ROOM_WITHIN_MS = 2_000;
const RETRY_AFTER_S = 5;
const DISPATCH_EVENTS = ['spec.started', 'task.dispatched', 'dispatch.refused'] as const;

/** Throws `unavailable`. */
export async function roomToDispatch({ events, clock }: Pick<ClusterContext, 'events' | 'clock'>): Promise<void> {
  if (events.hasRoom(DISPATCH_EVENTS)) return;
  const limit = new AbortController();
  const timer = clock.timer(ROOM_WITHIN_MS, () => limit.abort());
  await events.untilRoom(DISPATCH_EVENTS, limit.signal);
  timer.cancel();
  if (events.hasRoom(DISPATCH_EVENTS)) return;
  const message =
    'a plugin that audits this node is behind, and nothing was accepted: ask another node, or the same later';
  throw new BoiError('unavailable', message, { retryAfterS: RETRY_AFTER_S });
}
