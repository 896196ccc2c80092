/**
 * Entries in the own queue whose target this node is not in any more, since a group has changed after they were placed. They
 * are found when it would be their turn, and go to another node or to `unassigned`. What has no target is never looked at.
 */
import type { TaskId } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import { targetOf } from '../group/target.ts';
import { lastPart } from '../keys.ts';
import { handOver } from '../placement/handover.ts';
import type { QueueEntry, Stored } from '../records.ts';
import type { Candidate } from './claim-plan.ts';
import type { OwnQueue } from './own-queue.ts';

export class Misfits {
  readonly #deps: NodeDeps;
  readonly #queue: OwnQueue;
  #going: Stored<QueueEntry>[] = [];

  constructor(deps: NodeDeps, queue: OwnQueue) {
    this.#deps = deps;
    this.#queue = queue;
  }

  /** Whether it must not be claimed here; if so it goes with the next {@link handOver}. */
  take({ task, stored }: Candidate): boolean {
    const { target } = stored.record;
    if (target === undefined) return false;
    const { membership, self } = this.#deps;
    if (targetOf(membership.snapshot(), target).has(self)) return false;
    this.#queue.take(task);
    this.#going.push(stored);
    return true;
  }

  /** Never rejects: what could not go is looked at again. */
  async handOver(): Promise<void> {
    const going = this.#going;
    if (going.length === 0) return;
    this.#going = [];
    let moved = 0;
    try {
      // Candidates are unclaimed, or claimed in this node's name with a nonce that does not run here.
      moved = await handOver(this.#deps, { entries: going, lost: () => true, why: 'rebalanced' });
    } catch (error) {
      this.#deps.ctx.log.debug({ err: error }, 'tasks with another target could not be moved yet');
    }
    if (moved === going.length) return;
    for (const { key } of going) this.#queue.reconsider(lastPart(key) as TaskId);
  }
}
