/**
 * Finds queue entries without knowing whose queue they are in. Tasks of one spec are neighbours in every queue, since their
 * ids share the leading characters, so a spec's entries are one short range per queue. Owners are the live nodes,
 * `unassigned`, and nodes that died and left a queue: those are found by skipping from the first key of one queue to the next.
 */
import { type NodeId, parseId, type SpecId, type TaskId, taskId } from '@boi/core';
import { CompactedError, prefixEnd, type Revision } from '@boi/store';
import type { ClusterContext } from '../context.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import { codecs, type QueueEntry, type Stored } from '../records.ts';
import { stored } from '../spec/spec-ref.ts';

type Reader = Pick<ClusterContext, 'store' | 'keys'>;

/** Where an entry is; undefined: under `unassigned`. */
export type QueueOwner = NodeId | undefined;

/** Every queue there is, dead nodes' ones included, in key order; `unassigned` last if it has entries. */
export async function queueOwners({ store, keys }: Reader, revision?: Revision): Promise<QueueOwner[]> {
  const owners: QueueOwner[] = [];
  const all = keys.allQueues();
  let start = all.start;
  while (start < all.end) {
    const page = await store.range({
      start,
      end: all.end,
      limit: 1,
      keysOnly: true,
      ...(revision === undefined ? {} : { revision }),
    });
    const key = page.kvs[0]?.key;
    if (key === undefined) break;
    const owner = key.slice(all.start.length, key.indexOf('/', all.start.length));
    owners.push(parseId('node', owner));
    start = prefixEnd(`${all.start}${owner}/`);
  }
  return owners;
}

/** Live nodes and `unassigned`: where entries nearly always are. */
export function likelyOwners(snapshot: MembershipSnapshot): QueueOwner[] {
  return [...snapshot.members.keys(), undefined];
}

export function entryKey({ keys }: Pick<Reader, 'keys'>, owner: QueueOwner, tsk: TaskId): string {
  return owner === undefined ? keys.unassigned(tsk) : keys.queue(owner, tsk);
}

export interface FoundEntry {
  readonly owner: QueueOwner;
  readonly entry: Stored<QueueEntry>;
}

export interface EntriesOptions {
  readonly revision?: Revision;
  /** Entries in a page. Default: the store's own limit. */
  readonly limit?: number;
}

/** Entries of tasks `from`…`to` of a spec in one queue, a page at a time. */
export async function* entriesOf(
  reader: Reader,
  owner: QueueOwner,
  spc: SpecId,
  from: number,
  to: number,
  options: EntriesOptions = {},
): AsyncGenerator<FoundEntry[]> {
  let start = entryKey(reader, owner, taskId(spc, from));
  const end = `${entryKey(reader, owner, taskId(spc, to))} `;
  for (;;) {
    const page = await reader.store.range({ start, end, ...options });
    if (page.kvs.length > 0) yield page.kvs.map((kv) => ({ owner, entry: stored(codecs.entry, kv) }));
    if (!page.more) return;
    start = `${page.kvs.at(-1)?.key ?? start} `;
  }
}

/** Runs `read` again when the revision it was reading at has been compacted away meanwhile. */
export async function atOneRevision<T>(read: () => Promise<T>, tries = 3): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof CompactedError) || left <= 1) throw error;
    }
  }
}
