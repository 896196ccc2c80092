/**
 * Gives claims back that never started: the entry without its claim, its delivery not counted, its lock slot free. Used
 * when claims must stop (pause, drain, a lost session) while some are held ahead of a free slot. A refusal means that the
 * entry has changed meanwhile; the own queue's mirror says how, and the claim loop deals with it. One that is marked
 * cancelled is not given back, since that would take the mark off: it is no longer held, and ends as a lost claim does.
 */
import type { Op, Txn } from '@boi/store';
import { unchanged } from '@boi/store';
import { settleBatch } from '../base/settle.ts';
import type { Held, HeldTasks } from '../claim/held.ts';
import type { NodeDeps } from '../deps.ts';
import { heldLock, unclaimed } from '../placement/move.ts';
import { codecs } from '../records.ts';

const BATCH_MAX = 60;

/** Resolves when each is definite; rejects when the session ends before. In either case they are no longer held. */
export async function handBack(
  deps: NodeDeps,
  table: HeldTasks,
  claims: readonly Held[],
  settled: (held: Held, applied: boolean) => void,
): Promise<void> {
  // No longer startable while the requests are under way.
  for (const held of claims) held.phase = 'ended';
  const done = new Set<Held>();
  try {
    const wanted = claims.filter(({ entry }) => entry.cancel === undefined);
    for (let i = 0; i < wanted.length; i += BATCH_MAX) {
      const some = wanted.slice(i, i + BATCH_MAX);
      const items = some.map((held) => handBackTxn(deps, held));
      const answer = await settleBatch(deps.ctx, deps.session.signal(), { compares: deps.session.compares(), items });
      if (answer.outcome === 'refused') continue;
      for (const [n, held] of some.entries()) if (answer.items[n]?.outcome === 'applied') done.add(held);
    }
    deps.ctx.metrics.count('boi_core_requeues_total', done.size, { why: 'handed-back' });
  } finally {
    for (const held of claims) {
      table.remove(held);
      settled(held, done.has(held));
    }
  }
}

function handBackTxn(deps: NodeDeps, held: Held): Txn {
  const { entry, key, revision } = held;
  const queued = { ...unclaimed(entry), deliveries: Math.max(0, entry.deliveries - 1) };
  const success: Op[] = [{ op: 'put', key, value: codecs.entry.encode(queued) }];
  const lock = heldLock(deps.ctx.keys, entry);
  if (lock !== undefined) success.push({ op: 'delete', key: lock });
  return { compares: [unchanged(key, revision)], success };
}
