/**
 * How many specs there are and how many have not ended, for the cluster's view. Ended ones are read once (header-scan.ts), so
 * the answer costs what is active and new, not what was ever dispatched. What was removed by age, and a header that a node
 * with a clock minutes behind has written, are noticed within {@link WHOLE_EVERY_MS}.
 */
import type { ClusterContext } from '../context.ts';
import { HeaderScan } from './header-scan.ts';

const WHOLE_EVERY_MS = 600_000;

export interface SpecCounts {
  readonly active: number;
  readonly total: number;
}

export class SpecCount {
  readonly #scan: HeaderScan;
  #reading: Promise<SpecCounts> | undefined;

  constructor(ctx: ClusterContext) {
    this.#scan = new HeaderScan(ctx, {
      settled: ({ endedAt }) => endedAt !== undefined,
      wholeEveryMs: WHOLE_EVERY_MS,
      // Counted all the same; the archiver reports it.
      onUnreadable: (key) => ctx.log.debug({ key }, 'a record cannot be read; it counts as ended'),
    });
  }

  /** Who asks while another is being answered is given that answer. */
  read(): Promise<SpecCounts> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<SpecCounts> {
    for await (const _headers of this.#scan.look());
    return { active: this.#scan.open, total: this.#scan.total };
  }
}
