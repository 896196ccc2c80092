/**
 * Splits what is ready to be committed into requests: each of one incarnation, within the store's limits, and with one end of a
 * task at most, since a request may not write a key twice. A disk that refused to forget has two. Pure.
 */
import type { TaskId } from '@boi/core';
import { batchItemsMax, type Txn } from '@boi/store';
import type { Prepared } from './prepare-commit.ts';

/** Of the values in one request; the store's limit leaves room for keys and compares. */
const BATCH_CHARS_MAX = 600_000;

export function* requests(prepared: readonly Prepared[]): Generator<Prepared[]> {
  let group: Prepared[] = [];
  const tasks = new Set<TaskId>();
  let chars = 0;
  let widest = 0;
  for (const item of prepared) {
    const size = charsOf(item.txn);
    const width = widthOf(item.txn);
    const other = group[0] !== undefined && group[0].ended.held.incarnation !== item.ended.held.incarnation;
    const full = chars + size > BATCH_CHARS_MAX || group.length + 1 > batchItemsMax(0, Math.max(widest, width));
    if (group.length > 0 && (other || full || tasks.has(item.ended.held.task))) {
      yield group;
      group = [];
      tasks.clear();
      chars = 0;
      widest = 0;
    }
    group.push(item);
    tasks.add(item.ended.held.task);
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
