/**
 * How far each hooks plugin of a node has acknowledged: `hooks-hwm/{nod}/{plugin}`, so that a node whose disk is gone gives no
 * number twice. Written by compare-and-swap, never back. Given to the hooks hub, whose port it is.
 */
import type { NodeId } from '@boi/core';
import { ABSENT, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { ClusterContext } from '../context.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';

export type HookMarksDeps = Pick<ClusterContext, 'store' | 'keys' | 'clock' | 'metrics'>;

/** A write that is sent again ends after so long; the next acknowledgement brings another. */
const WRITE_WITHIN_MS = 10_000;

export class HookMarks {
  readonly #deps: HookMarksDeps;
  readonly #node: NodeId;

  constructor(deps: HookMarksDeps, node: NodeId) {
    this.#deps = deps;
    this.#node = node;
  }

  /** 0 if there is none. */
  async read(plugin: string): Promise<number> {
    const { store, keys } = this.#deps;
    const { kv } = await store.get(keys.hooksMark(this.#node, plugin));
    return kv === undefined ? 0 : codecs.hooksMark.decode(kv.key, kv.value).sequence;
  }

  /** Records `sequence` unless as much or more is recorded already. Rejects while the store is away. */
  async raise(plugin: string, sequence: number): Promise<void> {
    const { store, keys, clock } = this.#deps;
    const key = keys.hooksMark(this.#node, plugin);
    const limit = new AbortController();
    const timer = clock.timer(WRITE_WITHIN_MS, () => limit.abort(new Error(`${key} was not written in time`)));
    try {
      for (;;) {
        const { kv } = await store.get(key);
        if (kv !== undefined && codecs.hooksMark.decode(key, kv.value).sequence >= sequence) return;
        const answer = await settleTxn(this.#deps, limit.signal, {
          compares: [unchanged(key, kv?.modRevision ?? ABSENT)],
          success: [{ op: 'put', key, value: codecs.hooksMark.encode({ v: SCHEMA_VERSION, sequence }) }],
        });
        if (answer.outcome === 'applied') return;
        // Its own first sending, or another's: what is there now tells.
      }
    } finally {
      timer.cancel();
    }
  }
}
