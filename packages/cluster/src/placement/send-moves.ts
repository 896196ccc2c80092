/**
 * Sends moves of queue entries in batches, a few at once, and settles them: adoption, drain, rebalancing, the duties about waiting entries.
 * A refused item changed nothing; whoever planned it looks again. An item refused on a second sending may have been applied
 * by the first: looking again tells as well.
 */
import { type NodeId, specOf, type TaskId } from '@boi/core';
import { type Batch, batchItemsMax, type Compare, type Revision, type Txn } from '@boi/store';
import { settleBatch } from '../base/settle.ts';
import type { ClusterContext } from '../context.ts';
import type { NodeDeps } from '../deps.ts';
import type { ClusterEvent, Foretold } from '../events/cluster-event.ts';
import type { MoveRecord, QueueEntry } from '../records.ts';
import { MOVE_OPS_MAX, type Move, placeTxn } from './move.ts';
import type { Placed } from './placement-types.ts';

const MOVE_EVENTS = ['task.reassigned'] as const;
/** Of a request's values; the store's limit leaves room for keys and compares. */
const BATCH_CHARS_MAX = 600_000;
/**
 * Batches under way at once: no two concern the same key, and each waits for the store to sync. Of the 1,000 tasks of a node
 * that was killed the last is moved after three such waits instead of nine.
 */
const LANES = 4;

export interface PlannedMove {
  readonly task: TaskId;
  readonly entry: QueueEntry;
  readonly from: NodeId | undefined;
  readonly to: NodeId | undefined;
  readonly why: MoveRecord['why'];
  readonly txn: Txn;
  /** Key and revision of the entry it moves. */
  readonly source: string;
  readonly base: Revision;
  /** As its record of the move says. */
  readonly at: number;
}

export interface SentMoves {
  readonly applied: readonly PlannedMove[];
  readonly refused: readonly PlannedMove[];
  /** A compare for the whole did not hold: nothing of that batch happened, and what was not under way was not sent. */
  readonly stopped: boolean;
}

interface Sent {
  readonly applied: PlannedMove[];
  readonly refused: PlannedMove[];
  stopped: boolean;
}

interface Sending {
  readonly compares: readonly Compare[];
  readonly batch: readonly PlannedMove[];
  readonly signal: AbortSignal;
  readonly sent: Sent;
}

/** To where the placer said. */
export function planMove(move: Move, placed: Placed): PlannedMove {
  const { task, entry, from, why, stored, nowMs: at } = move;
  const { key: source, modRevision: base } = stored;
  return { task, entry, from, to: placed.member?.id, why, txn: placeTxn(move, placed), source, base, at };
}

/** Resolves when each is definite; rejects when `signal` aborts before. `compares` hold for every batch as a whole. */
export async function sendMoves(
  deps: Pick<NodeDeps, 'ctx'>,
  moves: readonly PlannedMove[],
  compares: readonly Compare[],
  signal: AbortSignal,
): Promise<SentMoves> {
  const sent: Sent = { applied: [], refused: [], stopped: false };
  const waiting = batches(moves, ({ txn }) => txn, MOVE_OPS_MAX);
  const lane = async () => {
    for (let next = waiting.next(); !next.done; next = waiting.next()) {
      if (sent.stopped) sent.refused.push(...next.value);
      else await sendBatch(deps.ctx, { compares, batch: next.value, signal, sent });
    }
  };
  // All lanes to their end, also when one fails: nothing is under way any more when this rejects.
  const ends = await Promise.allSettled(Array.from({ length: LANES }, lane));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return sent;
}

async function sendBatch(ctx: ClusterContext, { compares, batch, signal, sent }: Sending): Promise<void> {
  const request: Batch = { compares, items: batch.map(({ txn }) => txn) };
  // Urgent: what is moved waits on a node that is gone, leaves, or cannot take it.
  const intending = ctx.events.intend(MOVE_EVENTS, () => batch.map(foretold), { signal, urgent: true });
  const intents = intending === undefined ? undefined : await intending;
  try {
    const answer = await settleBatch(ctx, signal, request);
    if (answer.outcome === 'refused') {
      sent.refused.push(...batch);
      sent.stopped = true;
      if (!answer.resent) intents?.noneHappened();
      return;
    }
    for (const [i, move] of batch.entries()) {
      if (answer.items[i]?.outcome === 'applied') {
        sent.applied.push(move);
        ctx.metrics.count('boi_core_moves_total', 1, { why: move.why });
        ctx.events.happened(eventOf(move), intents, i);
      } else {
        sent.refused.push(move);
        // Sent before, its first sending may have moved it: the store tells later.
        if (!answer.resent) intents?.didNotHappen(i);
      }
    }
  } finally {
    intents?.leave();
  }
}

function eventOf({ task, entry, from, to, why }: PlannedMove): ClusterEvent<'task.reassigned'> {
  return {
    kind: 'task.reassigned',
    project: entry.prj,
    task,
    spec: specOf(task),
    why,
    attempt: entry.attempt,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

function foretold(move: PlannedMove): Foretold {
  const { source, base, at } = move;
  return { event: eventOf(move), trace: { source, base, at: String(at) } };
}

/** Splits what is to be sent so that each part fits a request. `opsMax` is the widest part of any transaction. */
export function* batches<T>(all: readonly T[], txnOf: (item: T) => Txn, opsMax: number): Generator<T[]> {
  const itemsMax = batchItemsMax(0, opsMax);
  let batch: T[] = [];
  let chars = 0;
  for (const item of all) {
    const size = charsOf(txnOf(item));
    if (batch.length > 0 && (batch.length === itemsMax || chars + size > BATCH_CHARS_MAX)) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(item);
    chars += size;
  }
  if (batch.length > 0) yield batch;
}

function charsOf({ success }: Txn): number {
  return success.reduce((sum, op) => sum + (op.op === 'put' ? op.value.length : 0), 0);
}
