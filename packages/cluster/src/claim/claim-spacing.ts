/**
 * How long claims wait for company. Under a stream of small specs entries arrive one by one, and a request for each costs this
 * node and etcd more than the claims in it. So while free slots are plenty a request waits until some time after the one before,
 * and takes what has come until then; on an idle node, and for a task that follows another, nothing waits.
 */

export interface SpacingFacts {
  /** Since the last request of claims was sent. */
  readonly sinceMs: number;
  /** Least time between two. */
  readonly spacingMs: number;
  /** Claims this node holds, finished ones that are not committed yet included. */
  readonly held: number;
  /** Some of them wait for a slot. */
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
  const { sinceMs, spacingMs, held, ahead, queued, batchMax, busySlots, capacity } = facts;
  // Nothing else is under way here: what comes next may depend on this.
  const alone = held === 0;
  const needless = queued === 0 || queued >= batchMax;
  // Slots are what there is too little of: none must stand idle meanwhile. The look-ahead fills requests then.
  const scarce = ahead || 2 * busySlots >= capacity;
  // Whole milliseconds: the rest of a difference may be too little for any clock to pass.
  return alone || needless || scarce ? 0 : Math.max(0, Math.ceil(spacingMs - sinceMs));
}
