/** What is told of a commit: counts and events, once its outcome is definite. */
import type { NodeId } from '@boi/core';
import { claimEvent, type Held } from '../claim/held.ts';
import type { ClusterContext } from '../context.ts';
import type { ResultRecord } from '../records.ts';
import type { Ending } from './ending.ts';
import type { Ended } from './prepare-commit.ts';

export function tellApplied(ctx: ClusterContext, self: NodeId, { held, report }: Ended, ending: Ending): void {
  if (ending.kind === 'result') {
    const { outcome, reason, exitCode } = ending.result;
    ctx.metrics.count('boi_core_commits_total', 1, { outcome });
    const more = {
      outcome,
      ...(reason === undefined ? {} : { reason }),
      ...(exitCode === undefined ? {} : { exitCode }),
    };
    if (outcome === 'cancelled') {
      const { task, spec, project } = held;
      ctx.emit({ kind: 'task.cancelled', project, task, spec, executor: self });
    } else ctx.emit(claimEvent(self, held, outcome === 'succeeded' ? 'task.completed' : 'task.failed', more));
    tellSpecEnded(ctx, held, ending.result);
  } else {
    ctx.metrics.count('boi_core_requeues_total', 1, { why: ending.why });
    const { outcome, reason, exitCode } = report;
    const more = { outcome, delayMs: ending.delayMs, ...(reason === undefined ? {} : { reason }) };
    if (ending.why === 'retry') {
      ctx.emit(claimEvent(self, held, 'task.retried', { ...more, ...(exitCode === undefined ? {} : { exitCode }) }));
    }
  }
}

function tellSpecEnded(ctx: ClusterContext, held: Held, { outcome }: ResultRecord): void {
  if (!held.entry.single) return;
  const { project, spec } = held;
  const failed = outcome !== 'succeeded' && outcome !== 'cancelled';
  if (failed) ctx.emit({ kind: 'spec.failed', project, spec, tasks: 1, failed: 1 });
  else ctx.emit({ kind: 'spec.completed', project, spec, outcome, tasks: 1 });
}
