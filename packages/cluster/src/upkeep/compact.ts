/**
 * The duty `compact`: etcd keeps every revision until told otherwise, and slows down with what it keeps. Every 5 s the
 * holder drops history older than 30 s, never past the lowest hold (a reader that needs revisions from there on).
 *
 * Which revision was current 30 s ago is known from the holder's own samples by its monotonic clock, so a clock that jumps
 * drops nothing too early. A new holder starts without samples and drops nothing until it has old ones. Two holders at once
 * do no harm: both drop what is old enough.
 */
import { compareRevisions, type Revision, toRevision } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import { DutyLoop } from '../membership/duty-loop.ts';
import { codecs } from '../records.ts';

interface Sample {
  readonly mono: number;
  readonly revision: Revision;
}

export class Compactor {
  readonly #deps: NodeDeps;
  readonly #loop: DutyLoop;
  #samples: Sample[] = [];

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    this.#loop = new DutyLoop(deps, {
      duty: 'compact',
      everyMs: deps.ctx.config.compactEveryMs,
      turn: () => this.#compact(),
      notHeld: () => {
        this.#samples = [];
      },
      failed: 'history could not be compacted; the next turn will',
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #compact(): Promise<void> {
    const { store, keys, clock, config, metrics } = this.#deps.ctx;
    let lowest: Revision | undefined;
    const { start, end } = keys.holds();
    const holds = await store.range({ start, end });
    // More holds than one page cannot be told apart from none lower: drop nothing this time.
    if (holds.more) return;
    for (const { key, value } of holds.kvs) {
      const revision = toRevision(codecs.hold.decode(key, value).revision);
      if (lowest === undefined || compareRevisions(revision, lowest) < 0) lowest = revision;
    }
    const mono = clock.mono();
    const old = this.#samples.filter((sample) => mono - sample.mono >= config.compactKeepMs);
    const target = old.at(-1)?.revision;
    this.#samples = [...this.#samples.slice(Math.max(0, old.length - 1)), { mono, revision: holds.revision }];
    if (target === undefined) return;
    // Keep the held revision itself and the one before it, from which a watch may go on.
    const allowed = lowest === undefined ? undefined : toRevision(BigInt(lowest) - 1n);
    const to = allowed !== undefined && compareRevisions(allowed, target) < 0 ? allowed : target;
    if (compareRevisions(to, toRevision(0)) <= 0) return;
    await store.compact(to);
    metrics.count('boi_core_compactions_total');
  }
}
