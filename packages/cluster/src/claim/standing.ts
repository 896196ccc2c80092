/**
 * What stands under the keys of a batch that was refused as a whole after it had been sent before: its first sending may have
 * been applied, and what the batch compares (a pause, the node's settings) has changed since. The answers look as those
 * of an item refused by itself, which is how claim and steal tell their own nonce from another's.
 *
 * Sound because the first sending can do nothing any more: what refused the second are revisions, and they only grow.
 */
import type { BatchItemAnswer, Op } from '@boi/store';
import type { ClusterContext } from '../context.ts';

/** One answer per key, in order. Throws the reason when the store does not answer. */
export async function standing(
  { store }: Pick<ClusterContext, 'store'>,
  keys: readonly string[],
): Promise<readonly BatchItemAnswer[]> {
  const answer = await store.txn({ compares: [], success: keys.map((key): Op => ({ op: 'get', key })) });
  if (answer.outcome === 'unknown') throw answer.cause;
  return answer.answers.map((one) => ({ outcome: 'refused', answers: [one] }));
}
