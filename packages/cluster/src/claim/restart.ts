/**
 * What a node does between registering and its first claim, at start and after every lost session, in this order:
 *
 *   1. commit the results kept on disk, oldest first: some of the entries below are ended by them
 *   2. list the own queue as it is now; what was taken away meanwhile is stopped here
 *   3. stop what runs without an entry, and wait until it is gone: no task starts where an older copy of it still lives
 *   4. hand back what was claimed ahead and never started
 *   5. give away what this node cannot run any more: it may have come back with fewer slots or other capabilities
 *   6. look at every entry again: those claimed with a nonce that does not run here are claimed anew
 */
import type { TaskRunner } from '@boi/core';
import type { Revision } from '@boi/store';
import type { Committer } from '../commit/commit.ts';
import { handBack } from '../commit/hand-back.ts';
import type { NodeDeps } from '../deps.ts';
import { handOver } from '../placement/handover.ts';
import { matches, placementFactsOf } from '../placement/placement.ts';
import type { QueueEntry, Stored } from '../records.ts';
import { type Held, type HeldTasks, newHeld } from './held.ts';
import type { OwnQueue } from './own-queue.ts';
import type { Runs } from './run.ts';

export interface RestartOptions {
  readonly deps: NodeDeps;
  readonly queue: OwnQueue;
  readonly held: HeldTasks;
  readonly runs: Runs;
  readonly runner: TaskRunner;
  readonly committer: Committer;
  readonly settled: (held: Held, applied: boolean) => void;
}

/** Rejects when the store is away or the session ends meanwhile; to be called again then. */
export async function restart(options: RestartOptions): Promise<void> {
  const { deps, queue, held, committer, settled } = options;
  await committer.flush();
  if (queue.mirror.started) await queue.mirror.resync();
  else await queue.mirror.start();
  options.runs.missing(queue);
  await stopStrays(options);
  await handBack(deps, held, held.inPhase('ahead'), settled);
  await giveAwayMisfits(deps, queue);
  queue.reconsiderAll();
}

async function giveAwayMisfits(deps: NodeDeps, queue: OwnQueue): Promise<void> {
  const snapshot = deps.membership.snapshot();
  const own = snapshot.members.get(deps.self);
  if (own === undefined) return;
  await handOver(deps, {
    entries: queue.mirror.entries.values(),
    lost: (entry) => queue.isLost(entry),
    select: ({ record }) => !matches(own, placementFactsOf(record), snapshot),
    why: 'rebalanced',
  });
}

async function stopStrays({ deps, queue, held, runs, runner }: RestartOptions): Promise<void> {
  const gone: Promise<unknown>[] = [];
  for (const { task, fence, nonce, running } of runner.list()) {
    const known = held.get(task);
    if (known?.fence === fence) {
      // Stopped already when its entry was seen to be gone.
      if (known.stop === 'superseded') gone.push(running.done);
      continue;
    }
    const entry = queue.entry(task);
    if (entry?.record.claim !== undefined && isOfClaim(entry, fence as Revision, nonce)) {
      const claim = newHeld({
        task,
        key: entry.key,
        nonce: entry.record.claim.nonce,
        fence: fence as Revision,
        revision: entry.modRevision,
        incarnation: deps.membership.snapshot().incarnationRevision,
        entry: entry.record,
        phase: 'running',
      });
      held.add(claim);
      runs.attach(claim, running);
      continue;
    }
    deps.ctx.log.warn({ task, fence }, 'a task runs here without an entry; it is stopped');
    running.cancel({ force: true });
    gone.push(running.done.then(() => runner.forget?.(task, fence)));
  }
  await Promise.all(gone);
}

/**
 * What an earlier life of the daemon started is ours still if nobody has written the entry since that claim; or only to
 * mark it, which the nonce tells: a mark keeps the claim and is all that others may do to it.
 */
function isOfClaim({ record, modRevision }: Stored<QueueEntry>, fence: Revision, nonce: string | undefined): boolean {
  if (modRevision === fence) return true;
  return nonce !== undefined && record.claim?.nonce === nonce && record.cancel !== undefined;
}
