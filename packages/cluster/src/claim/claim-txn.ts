/**
 * The transaction that claims one entry, as an item of a batch: the entry's revision and a free slot of its concurrency key
 * are compared, the claim and the slot are put. A claim of an earlier life is made anew in the same way, keeping its slot.
 */
import { specOf } from '@boi/core';
import { absent, type Op, type OpAnswer, type Revision, type Txn, unchanged } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import { codecs, HISTORY_MAX, type QueueEntry, SCHEMA_VERSION, type SpecHeader, type Stored } from '../records.ts';
import type { Pick } from './claim-plan.ts';

export interface Claiming {
  readonly pick: Pick;
  readonly entry: QueueEntry;
  readonly key: string;
  readonly lockKey?: string;
  readonly txn: Txn;
}

export function claimTxn(deps: NodeDeps, pick: Pick, epoch: Revision, nonce: string): Claiming {
  const { ctx, self } = deps;
  const { keys, clock } = ctx;
  const { task, stored, lost } = pick.candidate;
  const { record } = stored;
  const at = clock.now();
  const { attempt, deliveries: delivery } = record;
  const history = lost
    ? [...(record.history ?? []), { attempt, delivery, node: self, at, end: 'lost' as const }].slice(-HISTORY_MAX)
    : record.history;
  const slot = pick.lockSlot ?? record.lockSlot;
  const entry: QueueEntry = {
    ...record,
    deliveries: delivery + 1,
    claim: { epoch, nonce, at },
    ...(slot === undefined ? {} : { lockSlot: slot }),
    ...(history === undefined ? {} : { history }),
  };
  const key = stored.key;
  const success: Op[] = [{ op: 'put', key, value: codecs.entry.encode(entry) }];
  const compares = [unchanged(key, stored.modRevision)];
  const lockKey =
    record.lock === undefined || slot === undefined ? undefined : keys.lock(record.prj, record.lock.hash, slot);
  if (lockKey !== undefined) {
    // A claim made anew holds its slot already, as long as its entry is unchanged.
    if (pick.lockSlot !== undefined) compares.push(absent(lockKey));
    success.push({ op: 'put', key: lockKey, value: codecs.lock.encode({ v: SCHEMA_VERSION, task, nonce }) });
  }
  // Nobody else writes this header while the task lives: read now, it need not be read for the commit.
  if (record.single) success.push({ op: 'get', key: keys.spec(record.prj, specOf(task)) });
  // Refused on a second sending, the entry tells whether the first was applied.
  const failure: Op[] = [{ op: 'get', key }];
  if (lockKey !== undefined) failure.push({ op: 'get', key: lockKey });
  return { pick, entry, key, txn: { compares, success, failure }, ...(lockKey === undefined ? {} : { lockKey }) };
}

/** The header read with the claim of a one-task spec. */
export function headerIn(answers: readonly OpAnswer[]): Stored<SpecHeader> | undefined {
  const kv = answers.at(-1)?.op === 'get' ? (answers.at(-1) as OpAnswer & { op: 'get' }).kv : undefined;
  if (kv === undefined) return undefined;
  const { key, value, createRevision, modRevision } = kv;
  try {
    return { key, record: codecs.spec.decode(key, value), createRevision, modRevision };
  } catch {
    // The commit reads it again and says what is wrong.
    return undefined;
  }
}
