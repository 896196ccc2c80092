/** Splits what is ready to be committed into requests: each of one incarnation, within the store's limits. Pure. */
import { batchItemsMax, type Txn } from '@boi/store';
import type { Prepared } from './prepare-commit.ts';

/** Of the values in one request; the store's limit leaves room for keys and compares. */
const BATCH_CHARS_MAX = 600_000;

export function* requests(prepared: readonly Prepared[]): Generator<Prepared[]> {
  let group: Prepared[] = [];
  let chars = 0;
  let widest = 0;
  for (const item of prepared) {
    const size = charsOf(item.txn);
    const width = widthOf(item.txn);
    const other = group[0] !== undefined && group[0].ended.held.incarnation !== item.ended.held.incarnation;
    const full = chars + size > BATCH_CHARS_MAX || group.length + 1 > batchItemsMax(0, Math.max(widest, width));
    if (group.length > 0 && (other || full)) {
      yield group;
      group = [];
      chars = 0;
      widest = 0;
    }
    group.push(item);
    chars += size;
    widest = Math.max(widest, width);
  }
  if (group.length > 0) yield group;
}

function charsOf(txn: Txn): number {
  return txn.success.reduce((sum, op) => sum + (op.op === 'put' ? op.value.length : 0), 0);
}

function widthOf(txn: Txn): number {
  return Math.max(txn.compares.length, txn.success.length, txn.failure?.length ?? 0);
}
