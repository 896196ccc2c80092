/**
 * Tasks that were claimed by a node that is gone and that no live node could run: adoption leaves their claims where they are, so
 * that a late commit still counts (takeover/adopt.ts). They wait for a node as those under `unassigned` do, but nothing tells of
 * them; whoever makes nodes looks for them now and then. Adoption moves them as soon as somebody can run them.
 */
import type { Change } from '../base/mirror.ts';
import { pages } from '../base/pages.ts';
import type { NodeDeps } from '../deps.ts';
import { queueOwners } from '../placement/queue-scan.ts';
import { codecs, type QueueEntry, type Stored } from '../records.ts';
import { stored } from '../spec/spec-ref.ts';

type Found = Pick<Change<QueueEntry>, 'key' | 'after'>;

export class Stranded {
  readonly #deps: Pick<NodeDeps, 'ctx' | 'membership'>;
  #known: ReadonlyMap<string, Stored<QueueEntry>> = new Map();
  #dueMono = Number.NEGATIVE_INFINITY;

  constructor(deps: Pick<NodeDeps, 'ctx' | 'membership'>) {
    this.#deps = deps;
  }

  /** What is there now and was not at the last look, and the other way round. Empty if it is not time to look. */
  async look(): Promise<readonly Found[]> {
    const { ctx, membership } = this.#deps;
    const nowMono = ctx.clock.mono();
    if (nowMono < this.#dueMono) return [];
    this.#dueMono = nowMono + ctx.config.sweepMs;
    const { members } = membership.snapshot();
    const found = new Map<string, Stored<QueueEntry>>();
    for (const owner of await queueOwners(ctx)) {
      if (owner === undefined || members.has(owner)) continue;
      for await (const { kvs } of pages(ctx.store, ctx.keys.queueOf(owner))) {
        for (const kv of kvs) {
          const entry = this.#read(kv);
          if (entry?.record.claim !== undefined) found.set(kv.key, entry);
        }
      }
    }
    const gone = [...this.#known.keys()].filter((key) => !found.has(key)).map((key): Found => ({ key }));
    this.#known = found;
    return [...gone, ...[...found].map(([key, after]): Found => ({ key, after }))];
  }

  #read(kv: Parameters<typeof stored>[1]): Stored<QueueEntry> | undefined {
    try {
      return stored(codecs.entry, kv);
    } catch (error) {
      this.#deps.ctx.log.warn({ err: error, key: kv.key }, 'a record of a dead queue cannot be read');
      return undefined;
    }
  }
}
