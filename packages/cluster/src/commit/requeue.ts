/**
 * The transaction that gives a held task back to a queue, with the compares of a commit: the entry unchanged since this
 * claim last wrote it, and no result. Another node's queue is preferred; here it is one put. Used by commit.ts, which
 * settles it, and decides anew when the chosen node went away meanwhile.
 */
import type { NodeId } from '@boi/core';
import { absent, type Op, type Txn, unchanged } from '@boi/store';
import type { Held } from '../claim/held.ts';
import type { NodeDeps } from '../deps.ts';
import { isSchedulable } from '../membership/membership-types.ts';
import { heldLock, placeTxn } from '../placement/move.ts';
import { placementFactsOf, routedTaskOf } from '../placement/placement.ts';
import type { Placed } from '../placement/placement-types.ts';
import { codecs } from '../records.ts';
import type { Ending } from './ending.ts';

/** Another node's queue, or none's (`unassigned`), since when. */
export type MovedTo = 'here' | { readonly node: NodeId | undefined; readonly at: number };

export async function requeueTxn(
  deps: NodeDeps,
  held: Held,
  ending: Extract<Ending, { kind: 'requeue' }>,
): Promise<{ readonly txn: Txn; readonly movedTo: MovedTo }> {
  const { ctx, self } = deps;
  const { keys } = ctx;
  const { task, spec, key, revision } = held;
  const nowMs = ctx.clock.now();
  const placed = await place(deps, held, ending);
  const result = keys.result(spec, task);
  const failure: Op[] = [
    { op: 'get', key },
    { op: 'get', key: result },
  ];
  if (placed.member?.id === self) {
    const success: Op[] = [{ op: 'put', key, value: codecs.entry.encode(ending.entry) }];
    const lock = heldLock(keys, held.entry);
    if (lock !== undefined) success.push({ op: 'delete', key: lock });
    return { txn: { compares: [unchanged(key, revision), absent(result)], success, failure }, movedTo: 'here' };
  }
  const stored = { key, record: held.entry, createRevision: revision, modRevision: revision };
  const { entry, why } = ending;
  const { compares, success } = placeTxn({ keys, task, from: self, stored, entry, why, nowMs }, placed);
  const movedTo = { node: placed.member?.id, at: nowMs };
  return { txn: { compares: [...compares, absent(result)], success, failure }, movedTo };
}

/** Another node if one can take it; else this one, unless it is leaving. */
async function place(
  deps: NodeDeps,
  held: Held,
  { why, entry }: Pick<Extract<Ending, { kind: 'requeue' }>, 'why' | 'entry'>,
): Promise<Placed> {
  const { self, membership, ctx } = deps;
  const placer = await deps.placer();
  await placer.consult(() => [routedTaskOf(held.task, entry.prj, entry)]);
  const facts = placementFactsOf(held.entry);
  const elsewhere = placer.place(held.task, facts, { exclude: new Set([self]) });
  if (elsewhere.member !== undefined) return elsewhere;
  const own = membership.snapshot().members.get(self);
  if (own === undefined || (why === 'drained' && !isSchedulable(own, ctx.clock.now()))) return elsewhere;
  return { member: own, compares: [], why: 'no other node can take it' };
}
