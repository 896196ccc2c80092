/**
 * What every part of the protocol is given: the store, the keys, time, chance, and where to say what happened. One per
 * node; nothing in this package reaches for a global.
 */
import type { Clock, Random } from '@boi/core';
import type { Store } from '@boi/store';
import type { Events } from './events/events.ts';
import type { Keys } from './keys.ts';

/** Bound with the id of this node by whoever made it. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Where counts go; the daemon backs it with Prometheus. Names and labels come from {@link METRICS} in metrics.ts. */
export interface MetricSink {
  count(name: string, by?: number, labels?: Readonly<Record<string, string>>): void;
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
  /** Seconds, for durations. */
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
}

export interface ClusterContext {
  readonly store: Store;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricSink;
  readonly events: Events;
  readonly config: ClusterConfig;
}

/** Timings and limits of the protocol. Defaults in {@link DEFAULT_CONFIG}; all are operator settings. */
export interface ClusterConfig {
  /** Lease of the node's session. Renewed every third of it. 3 000–120 000, default 15 000. */
  readonly sessionTtlMs: number;
  /**
   * Claimed beyond the free slots so that the next start needs no round trip, per slot. Default 1, at most 100 in all, and
   * no more than slots came free in the last second; where tasks are short, a tenth of those if that is more.
   */
  readonly lookAheadPerSlot: number;
  /** Results wait this long for company before they are committed, unless the node holds nothing else. Default 3. */
  readonly commitWindowMs: number;
  /** The same while claimed work waits here for a slot: what comes next is not late by it. Default 10. */
  readonly commitWindowBusyMs: number;
  /** An entry not considered by its live owner for this long moves to the next node. Default 5 000. */
  readonly wedgeAfterMs: number;
  /** How often a duty looks at the head of a queue that could be wedged. Default 2 000. */
  readonly wedgeCheckMs: number;
  /** Sweep for dead queues nobody was told of, ± 20 %. Default 30 000. */
  readonly sweepMs: number;
  /** Own queue listed again and compared with the watched view, ± 20 %. Default 60 000. */
  readonly relistMs: number;
  /** Unassigned entries are tried again this often, besides at every change. Default 10 000. */
  readonly unassignedMs: number;
  readonly compactEveryMs: number;
  /** History kept in the store. Default 30 000. */
  readonly compactKeepMs: number;
  /** A finished spec stays as plain records this long before it is archived. Default 60 000. */
  readonly lingerMs: number;
  /** Archived specs are removed after this long. Default 7 days. */
  readonly archiveKeepMs: number;
  /**
   * Of archived specs at most so many, and so many bytes of results, bodies and headers, are kept: beyond that the oldest are
   * removed, whatever their age, and their idempotency keys with them. Default 100 000 and 100 MB.
   */
  readonly archiveSpecsMax: number;
  readonly archiveBytesMax: number;
  /** Claims of one attempt lost with their node before the task is given up as poison. Default 3. */
  readonly deliveriesMax: number;
  /**
   * Larger specs are dispatched in chunks of this many records, at most 3 000. Default 500: more saves nothing and keeps etcd
   * from others for longer.
   */
  readonly dispatchChunk: number;
  /** Membership and loads this old are read again before a decision. Default 1 000. */
  readonly loadMaxAgeMs: number;
  /** Progress in the header at most this often. Default 1 000. */
  readonly progressMs: number;
  /** Failed starts in a row before the node cools down, and for how long. Default 3 and 300 000. */
  readonly cooldownAfter: number;
  readonly cooldownMs: number;
  /** A node that was asked for must have joined within this long. Default 120 000. */
  readonly provisionDeadlineMs: number;
  /** Failed requests for a node in a row before a need cools down, and for how long. Default 3 and 300 000. */
  readonly provisionFailuresMax: number;
  readonly provisionCooldownMs: number;
  /** A node that was made for a need is removed after so long without work. Default 300 000. */
  readonly provisionIdleMs: number;
  /** How often old audit lines and join tokens are removed. Default 600 000. */
  readonly identityUpkeepMs: number;
  /** Audit lines are kept this long, and at most so many. Default 30 days and 100 000. */
  readonly auditKeepMs: number;
  readonly auditLinesMax: number;
}

export const DEFAULT_CONFIG: ClusterConfig = {
  sessionTtlMs: 15_000,
  lookAheadPerSlot: 1,
  commitWindowMs: 3,
  commitWindowBusyMs: 10,
  wedgeAfterMs: 5_000,
  wedgeCheckMs: 2_000,
  sweepMs: 30_000,
  relistMs: 60_000,
  unassignedMs: 10_000,
  compactEveryMs: 5_000,
  compactKeepMs: 30_000,
  lingerMs: 60_000,
  archiveKeepMs: 7 * 24 * 3600_000,
  archiveSpecsMax: 100_000,
  archiveBytesMax: 100_000_000,
  deliveriesMax: 3,
  dispatchChunk: 500,
  loadMaxAgeMs: 1_000,
  progressMs: 1_000,
  cooldownAfter: 3,
  cooldownMs: 300_000,
  provisionDeadlineMs: 120_000,
  provisionFailuresMax: 3,
  provisionCooldownMs: 300_000,
  provisionIdleMs: 300_000,
  identityUpkeepMs: 600_000,
  auditKeepMs: 30 * 24 * 3600_000,
  auditLinesMax: 100_000,
};
