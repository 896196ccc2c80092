/**
 * Reads the head of another node's queue: its entries of lowest id, which are its oldest. `limit` alone makes the store walk
 * the whole range, so the end is narrowed to where the last read ended; only when nothing is left before it the whole range
 * is read again. Approximate by design: what comes late with a low id is seen, what lies behind the head is not yet.
 */
import type { NodeId } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import { codecs, type QueueEntry, type Stored } from '../records.ts';
import { stored } from '../spec/spec-ref.ts';

export class QueueHeads {
  readonly #deps: Pick<NodeDeps, 'ctx'>;
  /** Where to end the next read of each queue. */
  readonly #ends = new Map<NodeId, string>();

  constructor(deps: Pick<NodeDeps, 'ctx'>) {
    this.#deps = deps;
  }

  async read(node: NodeId, limit: number): Promise<Stored<QueueEntry>[]> {
    const { ctx } = this.#deps;
    const { start, end } = ctx.keys.queueOf(node);
    const narrow = this.#ends.get(node);
    let page = await ctx.store.range({ start, end: narrow ?? end, limit });
    if (narrow !== undefined && page.kvs.length < limit / 2) page = await ctx.store.range({ start, end, limit });
    const last = page.kvs.at(-1);
    if (page.more && last !== undefined) this.#ends.set(node, `${last.key} `);
    else if (last === undefined || page.kvs.length < limit / 2) this.#ends.delete(node);
    return page.kvs.flatMap((kv) => {
      try {
        return [stored(codecs.entry, kv)];
      } catch {
        // Its owner's mirror logs and counts it.
        return [];
      }
    });
  }

  /** Forgets queues of nodes that are gone. */
  keep(nodes: ReadonlyMap<NodeId, unknown>): void {
    for (const node of this.#ends.keys()) if (!nodes.has(node)) this.#ends.delete(node);
  }
}
