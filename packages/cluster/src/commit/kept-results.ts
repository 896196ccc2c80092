/**
 * Results kept on disk, made ready to be committed: with their entries as they are now, so that a commit compares the newest
 * revision. Those of an earlier life of the daemon are held again under their nonce, so that their entries are not taken
 * for claims to be made anew.
 */
import { parseId } from '@boi/core';
import type { Op, Revision } from '@boi/store';
import { type Held, type HeldTasks, newHeld } from '../claim/held.ts';
import type { NodeDeps } from '../deps.ts';
import type { BufferedResult } from '../node-types.ts';
import { codecs, type QueueEntry, SCHEMA_VERSION } from '../records.ts';
import { gotten } from '../spec/spec-ref.ts';
import type { Ended } from './prepare-commit.ts';

/** What the committer keeps is in `kept`, by task and fence; those of an earlier life are added to it. */
export async function rereadKept(
  deps: NodeDeps,
  table: HeldTasks,
  kept: Map<string, Ended>,
  results: readonly BufferedResult[],
): Promise<Ended[]> {
  const { ctx, self, membership } = deps;
  const known: { buffered: BufferedResult; task: Held['task'] }[] = [];
  for (const buffered of results) {
    const task = parseId('task', buffered.task);
    if (task !== undefined) known.push({ buffered, task });
    else ctx.log.error({ task: buffered.task }, 'a kept result names no task; it is left alone');
  }
  if (known.length === 0) return [];
  const read = await ctx.store.txn({
    compares: [],
    success: known.map(({ task }): Op => ({ op: 'get', key: ctx.keys.queue(self, task) })),
  });
  if (read.outcome === 'unknown') throw read.cause;
  const ended: Ended[] = [];
  for (const [i, { buffered, task }] of known.entries()) {
    const { fence, nonce, report, attempt, delivery } = buffered;
    const entry = gotten(codecs.entry, read.answers[i]);
    const own = kept.get(`${task} ${fence}`);
    const mine = entry?.record.claim?.nonce === nonce;
    if (own !== undefined) {
      if (entry !== undefined && mine) {
        own.held.entry = entry.record;
        own.held.revision = entry.modRevision;
      }
      // No longer ours: the refusal will say so, and whether it was this result that ended it.
      ended.push(own);
      continue;
    }
    const key = ctx.keys.queue(self, task);
    const record: QueueEntry =
      entry !== undefined && mine
        ? entry.record
        : {
            v: SCHEMA_VERSION,
            prj: buffered.project as Held['project'],
            attempt,
            deliveries: delivery,
            queuedAt: report.endedAt,
          };
    const held = newHeld({
      task,
      key,
      nonce,
      fence: fence as Revision,
      incarnation: membership.snapshot().incarnationRevision,
      entry: record,
      revision: mine ? entry.modRevision : (fence as Revision),
      phase: 'ended',
    });
    // Under its nonce, so that its entry is not taken for one to be claimed anew.
    if (mine) table.add(held);
    const again: Ended = { held, report, kept: true, tries: 0 };
    kept.set(`${task} ${fence}`, again);
    ended.push(again);
  }
  return ended;
}
