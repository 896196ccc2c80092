/**
 * Sends moves of queue entries in batches and settles them: adoption, drain, rebalancing, the duties about waiting entries.
 * A refused item changed nothing; whoever planned it looks again. An item refused on a second sending may have been applied
 * by the first: looking again tells as well.
 */
import { type NodeId, specOf, type TaskId } from '@boi/core';
import { type Batch, batchItemsMax, type Compare, type Txn } from '@boi/store';
import { settleBatch } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import type { MoveRecord, QueueEntry } from '../records.ts';
import { MOVE_OPS_MAX, type Move, placeTxn } from './move.ts';
import type { Placed } from './placement-types.ts';

/** Of a request's values; the store's limit leaves room for keys and compares. */
const BATCH_CHARS_MAX = 600_000;

export interface PlannedMove {
  readonly task: TaskId;
  readonly entry: QueueEntry;
  readonly from: NodeId | undefined;
  readonly to: NodeId | undefined;
  readonly why: MoveRecord['why'];
  readonly txn: Txn;
}

export interface SentMoves {
  readonly applied: readonly PlannedMove[];
  readonly refused: readonly PlannedMove[];
  /** A compare for the whole did not hold: nothing of that batch happened, and the rest was not sent. */
  readonly stopped: boolean;
}

/** To where the placer said. */
export function planMove(move: Move, placed: Placed): PlannedMove {
  const { task, entry, from, why } = move;
  return { task, entry, from, to: placed.member?.id, why, txn: placeTxn(move, placed) };
}

/** Resolves when each is definite; rejects when `signal` aborts before. `compares` hold for every batch as a whole. */
export async function sendMoves(
  deps: Pick<NodeDeps, 'ctx'>,
  moves: readonly PlannedMove[],
  compares: readonly Compare[],
  signal: AbortSignal,
): Promise<SentMoves> {
  const { ctx } = deps;
  const applied: PlannedMove[] = [];
  const refused: PlannedMove[] = [];
  for (const batch of batches(moves, ({ txn }) => txn, MOVE_OPS_MAX)) {
    const request: Batch = { compares, items: batch.map(({ txn }) => txn) };
    const answer = await settleBatch(ctx, signal, request);
    if (answer.outcome === 'refused') {
      refused.push(...moves.slice(applied.length + refused.length));
      return { applied, refused, stopped: true };
    }
    for (const [i, move] of batch.entries()) (answer.items[i]?.outcome === 'applied' ? applied : refused).push(move);
  }
  for (const { task, entry, from, to, why } of applied) {
    ctx.metrics.count('boi_core_moves_total', 1, { why });
    ctx.emit({
      kind: 'task.reassigned',
      project: entry.prj,
      task,
      spec: specOf(task),
      why,
      attempt: entry.attempt,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    });
  }
  return { applied, refused, stopped: false };
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
