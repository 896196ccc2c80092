/**
 * How long claims wait for company. Under a stream of small specs entries arrive one by one, and a request for each costs this
 * node and etcd more than the claims in it. So while most slots are free the next request waits as long as the last one was under
 * way, and takes what has come until then: where the store answers at once hardly anything waits, and the more it has to do the
 * more a request holds. Without it 5,000 specs from 16 clients took a sixth more processor time (docs/performance.md).
 */

/** What comes now has waited for so long at most, however long the last request took. */
const SPACING_MAX_MS = 50;

export interface SpacingFacts {
  /** Since the last request of claims was sent. */
  readonly sinceMs: number;
  /** From then to its answer. */
  readonly tookMs: number;
  /** Claims held here that wait for a slot. */
  readonly ahead: boolean;
  /** Unclaimed entries of the own queue. */
  readonly queued: number;
  /** Claims that one request takes. */
  readonly batchMax: number;
  readonly busySlots: number;
  readonly capacity: number;
}

/** Milliseconds, 0: go. */
export function companyMs(facts: SpacingFacts): number {
  const { sinceMs, tookMs, ahead, queued, batchMax, busySlots, capacity } = facts;
  const needless = queued === 0 || queued >= batchMax;
  // Slots are what there is too little of: none must stand idle meanwhile. The look-ahead fills requests then.
  const scarce = ahead || 2 * busySlots >= capacity;
  if (needless || scarce) return 0;
  // Whole milliseconds: the rest of a difference may be too little for any clock to pass.
  return Math.max(0, Math.ceil(Math.min(2 * tookMs, SPACING_MAX_MS) - sinceMs));
}
