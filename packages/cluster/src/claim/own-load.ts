/** What this node is doing now: as the record others place by, and as gauges after each turn of the claim loop. */
import type { Committer } from '../commit/commit.ts';
import type { MetricSink } from '../context.ts';
import { type LoadRecord, SCHEMA_VERSION } from '../records.ts';
import type { HeldTasks } from './held.ts';
import type { OwnQueue } from './own-queue.ts';

export interface OwnLoadParts {
  readonly metrics: MetricSink;
  readonly queue: Pick<OwnQueue, 'queued'>;
  readonly held: HeldTasks;
  readonly committer: Pick<Committer, 'pending'>;
  /** What ails the node, in words. */
  readonly ailments: () => readonly string[];
  /** Slots of this node. */
  readonly slots: number;
  /** Newest revision of the own queue that the claim loop has considered. */
  readonly scanned: () => string;
}

export class OwnLoad {
  readonly #parts: OwnLoadParts;

  constructor(parts: OwnLoadParts) {
    this.#parts = parts;
  }

  record(): LoadRecord {
    const { held, queue, scanned } = this.#parts;
    const ailments = this.#parts.ailments();
    return {
      v: SCHEMA_VERSION,
      busy: held.busySlots,
      queued: queue.queued,
      running: held.running,
      ...(ailments.length === 0 ? { health: 'ok' } : { health: 'degraded', ailments: [...ailments] }),
      scanned: scanned(),
    };
  }

  gauges(): void {
    const { metrics, held, queue, committer, slots } = this.#parts;
    metrics.gauge('boi_core_tasks', queue.queued, { state: 'queued' });
    metrics.gauge('boi_core_tasks', held.running, { state: 'running' });
    metrics.gauge('boi_core_tasks', held.size - held.running - committer.pending, { state: 'ahead' });
    metrics.gauge('boi_core_tasks', committer.pending, { state: 'ended' });
    metrics.gauge('boi_core_slots', held.busySlots, { state: 'busy' });
    metrics.gauge('boi_core_slots', slots, { state: 'all' });
  }
}
