/**
 * Where the crashes of a node's plugins outlive its daemon: `plugins/{nod}/{name}`, one record a plugin, changed by
 * compare-and-swap. Which crashes count and when there are too many is the supervisor's; this only keeps them.
 *
 * Every call is bounded: the supervisor of a plugin waits for it between two processes of the plugin, and counts in memory when
 * the store is away. An unknown outcome rejects: crashes have ids, so the next swap merges what this one may have written.
 */
import { BoiError, type NodeId } from '@boi/core';
import { ABSENT, type Revision, type Store, unchanged } from '@boi/store';
import { type Keys, lastPart } from '../keys.ts';
import { codecs, type PluginRecord, SCHEMA_VERSION } from '../records.ts';

/** Longer than an election of the store's that goes well; a plugin that crashed is started again after it at the latest. */
const DEADLINE_MS = 2_000;

export interface PluginCrashes {
  /** Within the window, each with an id that makes merging idempotent; `at` on the wall clock. */
  readonly crashes: readonly { readonly id: string; readonly at: number }[];
  /** Left stopped until an operator restarts it. */
  readonly unstable: boolean;
}

export interface StoredPluginCrashes {
  readonly record: PluginCrashes;
  readonly revision: Revision;
}

export class CrashRecords {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #node: NodeId;

  constructor(store: Store, keys: Keys, node: NodeId) {
    this.#store = store;
    this.#keys = keys;
    this.#node = node;
  }

  /** Throws `store-unreachable`, or `schema-unknown` for a record that a later version wrote. */
  async read(plugin: string): Promise<StoredPluginCrashes | undefined> {
    const key = this.#keys.plugin(this.#node, plugin);
    const { kv } = await this.#store.get(key, { deadlineMs: DEADLINE_MS });
    if (kv === undefined) return undefined;
    const { crashes, unstable } = codecs.plugin.decode(key, kv.value);
    return { record: { crashes, unstable: unstable === true }, revision: kv.modRevision };
  }

  /** Writes if the record is still at `expected` (undefined: absent). Throws `outcome-unknown` if that cannot be told. */
  async swap(plugin: string, expected: string | undefined, record: PluginCrashes): Promise<'applied' | 'refused'> {
    const key = this.#keys.plugin(this.#node, plugin);
    const next: PluginRecord = {
      v: SCHEMA_VERSION,
      crashes: [...record.crashes],
      ...(record.unstable ? { unstable: true } : {}),
    };
    const answer = await this.#store.txn(
      {
        compares: [unchanged(key, (expected as Revision | undefined) ?? ABSENT)],
        success: [{ op: 'put', key, value: codecs.plugin.encode(next) }],
      },
      { deadlineMs: DEADLINE_MS },
    );
    if (answer.outcome === 'unknown')
      throw new BoiError('outcome-unknown', `whether ${lastPart(key)}'s crash record was written is not known`, {
        cause: answer.cause,
      });
    return answer.outcome;
  }
}
