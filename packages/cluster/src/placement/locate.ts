/**
 * Where a task is now: blocked, in a queue, or ended, with what a compare needs. One transaction of reads covers the places a
 * task nearly always is; only when it is in none of them are the queues of dead nodes looked for.
 */
import { indexOf, type ProjectId, specOf, type TaskId } from '@boi/core';
import { type Op, type OpAnswer, type Revision, TXN_OPS_MAX } from '@boi/store';
import type { ClusterContext } from '../context.ts';
import type { NodeDeps } from '../deps.ts';
import {
  type BlockedRecord,
  codecs,
  type QueueEntry,
  type ResultRecord,
  type SpecHeader,
  type Stored,
} from '../records.ts';
import { gotten } from '../spec/spec-ref.ts';
import { entryKey, likelyOwners, type QueueOwner, queueOwners } from './queue-scan.ts';

type Reader = Pick<ClusterContext, 'store' | 'keys'>;

interface Common {
  /** Absent: there is no such spec in the project. */
  readonly header: Stored<SpecHeader> | undefined;
  readonly revision: Revision;
}

export type TaskPlace = Common &
  (
    | { readonly kind: 'blocked'; readonly blocked: Stored<BlockedRecord> }
    | { readonly kind: 'entry'; readonly owner: QueueOwner; readonly entry: Stored<QueueEntry> }
    | { readonly kind: 'result'; readonly result: Stored<ResultRecord> }
    /** Not dispatched yet, archived, or no such task: the header tells. */
    | { readonly kind: 'none' }
  );

/** Places read in one transaction, less header, blocked and result. */
const OWNERS_PER_READ = TXN_OPS_MAX - 3;

export async function locateTask(
  deps: Pick<NodeDeps, 'ctx' | 'membership'>,
  prj: ProjectId,
  tsk: TaskId,
): Promise<TaskPlace> {
  const likely = likelyOwners(deps.membership.snapshot());
  const first = await look(deps, prj, tsk, likely);
  if (first.kind !== 'none' || !mayHaveRecord(first, tsk)) return first;
  return look(deps, prj, tsk, await queueOwners(deps.ctx));
}

/** The same without a view of the membership: every queue is looked into. */
export async function locateAnywhere(reader: Reader, prj: ProjectId, tsk: TaskId): Promise<TaskPlace> {
  return look({ ctx: reader }, prj, tsk, await queueOwners(reader));
}

function mayHaveRecord({ header }: TaskPlace, tsk: TaskId): boolean {
  return header !== undefined && header.record.archived === undefined && indexOf(tsk) <= header.record.cursor;
}

async function look(
  { ctx }: { readonly ctx: Reader },
  prj: ProjectId,
  tsk: TaskId,
  owners: readonly QueueOwner[],
): Promise<TaskPlace> {
  const spc = specOf(tsk);
  const { keys } = ctx;
  let last: TaskPlace | undefined;
  for (let from = 0; from === 0 || from < owners.length; from += OWNERS_PER_READ) {
    const part = owners.slice(from, from + OWNERS_PER_READ);
    const read = [
      keys.spec(prj, spc),
      keys.result(spc, tsk),
      keys.blocked(spc, tsk),
      ...part.map((owner) => entryKey(ctx, owner, tsk)),
    ];
    const success: Op[] = read.map((key) => ({ op: 'get', key }));
    // Reads change nothing: an unknown outcome is simply an answer that did not come.
    const answer = await ctx.store.txn({ compares: [], success });
    if (answer.outcome === 'unknown') throw answer.cause;
    last = placeOf(answer.answers, part, answer.revision);
    if (last.kind !== 'none') return last;
  }
  return last as TaskPlace;
}

function placeOf(answers: readonly OpAnswer[], owners: readonly QueueOwner[], revision: Revision): TaskPlace {
  const header = gotten(codecs.spec, answers[0]);
  const common = { header, revision };
  if (header === undefined) return { ...common, kind: 'none' };
  const result = gotten(codecs.result, answers[1]);
  if (result !== undefined) return { ...common, kind: 'result', result };
  const blocked = gotten(codecs.blocked, answers[2]);
  if (blocked !== undefined) return { ...common, kind: 'blocked', blocked };
  for (const [i, owner] of owners.entries()) {
    const entry = gotten(codecs.entry, answers[3 + i]);
    if (entry !== undefined) return { ...common, kind: 'entry', owner, entry };
  }
  return { ...common, kind: 'none' };
}
