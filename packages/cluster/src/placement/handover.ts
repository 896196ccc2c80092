/**
 * Gives this node's unclaimed entries to others: when it drains, is cordoned, cools down or stops. With them go claims of an
 * earlier life of this node, which nobody else may take while it lives: each counts a lost delivery. What no other node can
 * take goes to `unassigned`, whose duty places it again as soon as one can, this one included. A refused move is one whose
 * entry or target changed meanwhile; the caller calls again while anything is left.
 */
import type { TaskId } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import type { MoveRecord, QueueEntry, Stored } from '../records.ts';
import { afterlife } from '../takeover/lost-claim.ts';
import { placementFactsOf, routedTaskOf } from './placement.ts';
import { type PlannedMove, planMove, sendMoves } from './send-moves.ts';

export interface HandOverOptions {
  /** Entries of this node's own queue. */
  readonly entries: Iterable<Stored<QueueEntry>>;
  /** Which of the claimed ones do not run here. Default: none. */
  readonly lost?: (entry: Stored<QueueEntry>) => boolean;
  /** Which of those go. Default: all. */
  readonly select?: (entry: Stored<QueueEntry>) => boolean;
  /** Default `drained`. */
  readonly why?: MoveRecord['why'];
  /** Default: until the session ends. */
  readonly signal?: AbortSignal;
}

/** Answers how many moved. Rejects when the store is away or the signal aborts. */
export async function handOver(deps: NodeDeps, options: HandOverOptions): Promise<number> {
  const { entries, lost = () => false, select = () => true, why = 'drained', signal = deps.session.signal() } = options;
  const { ctx, self } = deps;
  const going = [...entries].filter((entry) => (entry.record.claim === undefined || lost(entry)) && select(entry));
  if (going.length === 0) return 0;
  const placer = await deps.placer();
  await placer.consult(() => going.map(({ key, record }) => routedTaskOf(lastPart(key) as TaskId, record.prj, record)));
  const exclude = new Set<string>([self]);
  const nowMs = ctx.clock.now();
  const moves = going.flatMap((stored): PlannedMove[] => {
    const next = afterlife(self, stored, ctx.config.deliveriesMax, nowMs);
    // Cancelled, or lost too often: the claim loop ends it.
    if (next.kind === 'end') return [];
    const task = lastPart(stored.key) as TaskId;
    const placed = placer.place(task, placementFactsOf(stored.record), { exclude });
    return [planMove({ keys: ctx.keys, task, from: self, stored, entry: next.entry, why, nowMs }, placed)];
  });
  const { applied } = await sendMoves(deps, moves, [], signal);
  return applied.length;
}
