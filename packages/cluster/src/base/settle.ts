/**
 * The only way an *unknown* outcome is resolved: the identical transaction, same compares and same nonce, is sent again
 * until the answer is definite. A read alone proves nothing, since the first request may still be in flight and be
 * applied after the read. When a request that was in fact applied is sent again, its own effects make its compares fail:
 * the answer is *refused*, and the caller tells "mine" from "theirs" by the nonce or value it finds. So it is with a refusal
 * that the store itself calls doubtful (a full database may have taken the write): it counts as a second sending.
 */
import { sleep } from '@boi/core';
import type { Batch, BatchAnswer, CallOptions, Txn, TxnAnswer } from '@boi/store';
import type { ClusterContext } from '../context.ts';

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1_000;

type Unknown = { readonly outcome: 'unknown' };
/** A definite answer, and whether an earlier sending of the same request may be the one that was applied. */
export type Settled<A> = Exclude<A, Unknown> & { readonly resent: boolean };

/** Sends until definite. Rejects when `signal` aborts: whether it was applied is then still unknown; and with what `send` rejects with. */
export async function settle<A extends { outcome: string }>(
  ctx: Pick<ClusterContext, 'clock' | 'metrics'>,
  signal: AbortSignal,
  send: () => Promise<A>,
): Promise<Settled<A>> {
  let backoffMs = BACKOFF_FIRST_MS;
  for (let resent = false; ; resent = true) {
    signal.throwIfAborted();
    const answer = await send();
    if (answer.outcome !== 'unknown') {
      const definite = answer as Exclude<A, Unknown> & { readonly inDoubt?: true };
      return { ...definite, resent: resent || definite.inDoubt === true };
    }
    ctx.metrics.count('boi_core_store_unknown_outcomes_total');
    await sleep(ctx.clock, backoffMs, signal);
    backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
  }
}

type SettleContext = Pick<ClusterContext, 'store' | 'clock' | 'metrics'>;

export function settleTxn(
  ctx: SettleContext,
  signal: AbortSignal,
  txn: Txn,
  options?: CallOptions,
): Promise<Settled<TxnAnswer>> {
  return settle(ctx, signal, () => ctx.store.txn(txn, options));
}

export function settleBatch(
  ctx: SettleContext,
  signal: AbortSignal,
  batch: Batch,
  options?: CallOptions,
): Promise<Settled<BatchAnswer>> {
  return settle(ctx, signal, () => ctx.store.batch(batch, options));
}
