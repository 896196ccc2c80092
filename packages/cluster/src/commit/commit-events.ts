/** What is told of a commit: its events, announced before it and told when its outcome is definite, and its counts. */
import type { NodeId, Outcome } from '@boi/core';
import { claimFacts, type Held } from '../claim/held.ts';
import type { ClusterContext } from '../context.ts';
import type { Foretold } from '../events/cluster-event.ts';
import type { ResultRecord } from '../records.ts';
import type { Ending } from './ending.ts';
import type { Prepared } from './prepare-commit.ts';

/** What the end of a claim may emit. */
export const ENDING_EVENTS = [
  'task.completed',
  'task.failed',
  'task.cancelled',
  'task.retried',
  'task.reassigned',
  'spec.completed',
  'spec.failed',
] as const;

export function countApplied(ctx: ClusterContext, ending: Ending): void {
  if (ending.kind === 'result') ctx.metrics.count('boi_core_commits_total', 1, { outcome: ending.result.outcome });
  else ctx.metrics.count('boi_core_requeues_total', 1, { why: ending.why });
}

export function endingEvents(self: NodeId, { ended: { held, report }, ending, movedTo }: Prepared): Foretold[] {
  if (ending.kind === 'result') return resultEvents(self, held, ending.result);
  const { entry, why, delayMs } = ending;
  const compared = { source: held.key, base: held.revision };
  const { outcome, reason, exitCode } = report;
  const events: Foretold[] = [];
  if (why === 'retry') {
    const event = {
      kind: 'task.retried',
      ...claimFacts(self, held),
      outcome,
      delayMs,
      ...(reason === undefined ? {} : { reason }),
      ...(exitCode === undefined ? {} : { exitCode }),
    } as const;
    events.push({ event, trace: compared });
  }
  if (movedTo !== 'here') {
    const { task, spec, project } = held;
    const { attempt } = entry;
    const to = movedTo.node === undefined ? {} : { to: movedTo.node };
    const event = { kind: 'task.reassigned', project, task, spec, from: self, ...to, why, attempt } as const;
    events.push({ event, trace: { ...compared, at: String(movedTo.at) } });
  }
  return events;
}

/** Of a result that ends a claim `executor` had, whoever writes it: the task's event, and its spec's if that has no other task. */
export function resultEvents(
  executor: NodeId,
  held: Pick<Held, 'task' | 'spec' | 'project' | 'entry' | 'key' | 'revision'> & { readonly fence: string },
  result: Pick<ResultRecord, 'outcome' | 'reason' | 'exitCode' | 'endedAt' | 'attempt'>,
): Foretold[] {
  const { task, spec, project, entry } = held;
  const { outcome, reason, exitCode } = result;
  const endedAt = String(result.endedAt);
  const trace = { source: held.key, base: held.revision, endedAt, attempt: String(result.attempt) };
  const ended = {
    ...claimFacts(executor, held),
    outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(exitCode === undefined ? {} : { exitCode }),
  };
  const events: Foretold[] = [
    outcome === 'cancelled'
      ? { event: { kind: 'task.cancelled', project, task, spec, executor }, trace }
      : { event: { kind: outcome === 'succeeded' ? 'task.completed' : 'task.failed', ...ended }, trace },
  ];
  return entry.single === true ? [...events, onlyTaskEnded({ project, spec }, outcome, endedAt)] : events;
}

/** A spec without a coordinator ends with its task. */
export function onlyTaskEnded(
  { project, spec }: Pick<Held, 'project' | 'spec'>,
  outcome: Outcome,
  endedAt: string,
): Foretold {
  const trace = { endedAt };
  return outcome === 'succeeded' || outcome === 'cancelled'
    ? { event: { kind: 'spec.completed', project, spec, outcome, tasks: 1 }, trace }
    : { event: { kind: 'spec.failed', project, spec, tasks: 1, failed: 1 }, trace };
}
