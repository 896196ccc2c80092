/**
 * Ends claims of an earlier life of this node that must not be made anew, here or elsewhere: those that were to be cancelled,
 * and those lost as often as is allowed. Asked by the claim loop as it comes to them, and by the drain, which stops that loop.
 */
import type { Committer } from '../commit/commit.ts';
import type { NodeDeps } from '../deps.ts';
import { fenceOf } from '../records.ts';
import type { Candidate } from './claim-plan.ts';
import { type HeldTasks, newHeld } from './held.ts';
import type { OwnQueue } from './own-queue.ts';

export interface LostClaimsOptions {
  readonly deps: NodeDeps;
  readonly held: HeldTasks;
  readonly queue: OwnQueue;
  readonly committer: Pick<Committer, 'add' | 'addPoison'>;
  /** Whether it is known what runs here. */
  readonly ready: () => boolean;
}

export class LostClaims {
  readonly #options: LostClaimsOptions;

  constructor(options: LostClaimsOptions) {
    this.#options = options;
  }

  endAll(): void {
    const { ready, queue } = this.#options;
    if (!ready()) return;
    for (const candidate of queue.lost()) if (this.end(candidate)) queue.take(candidate.task);
  }

  /** Answers whether it is one to be ended. */
  end({ task, stored }: Candidate): boolean {
    const { deps, held, committer } = this.#options;
    const { record: entry, key, modRevision: revision } = stored;
    const { claim, cancel, deliveries } = entry;
    if (claim === undefined) return false;
    const poison = deliveries >= deps.ctx.config.deliveriesMax;
    if (cancel === undefined && !poison) return false;
    const { incarnationRevision: incarnation } = deps.membership.snapshot();
    const { nonce } = claim;
    const fence = fenceOf(stored);
    const lost = newHeld({ task, key, nonce, fence, revision, incarnation, entry, phase: 'ended' });
    held.add(lost);
    if (cancel === undefined) committer.addPoison(lost);
    else committer.add(lost, { outcome: 'cancelled', endedAt: deps.ctx.clock.now(), tail: '', logBytes: 0 });
    return true;
  }
}
