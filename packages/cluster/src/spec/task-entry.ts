/** A task's first queue entry and other records that follow from its definition alone. Pure; used by dispatch and release. */
import type { ProjectId, TaskDefinition, TaskId } from '@boi/core';
import { keyHash } from '../base/hash.ts';
import type { Foretold } from '../events/cluster-event.ts';
import { type HistoryRecord, type QueueEntry, type ResultRecord, SCHEMA_VERSION } from '../records.ts';
import type { SpecRef } from './spec-ref.ts';

export interface EntryFacts {
  readonly prj: ProjectId;
  readonly definition: TaskDefinition;
  /** Chunk of the body that has the definition; absent: it goes inline. */
  readonly chunk?: number;
  /** Default 1. */
  readonly attempt?: number;
  readonly single?: boolean;
  readonly inputs?: boolean;
  readonly nowMs: number;
  /** Of attempts that a task retry took back. */
  readonly history?: HistoryRecord[];
}

export function newEntry(facts: EntryFacts): QueueEntry {
  const { prj, definition, chunk, nowMs } = facts;
  const { requires, target, slots, exclusive, key, priority } = definition;
  return {
    v: SCHEMA_VERSION,
    prj,
    ...(requires === undefined || requires.length === 0
      ? {}
      : { requires: requires as NonNullable<QueueEntry['requires']> }),
    ...(target === undefined ? {} : { target }),
    ...(slots === undefined || slots === 1 ? {} : { slots }),
    ...(exclusive === true ? { exclusive } : {}),
    ...(key === undefined ? {} : { lock: { hash: keyHash(key.name), limit: key.limit } }),
    ...(priority === undefined || priority === 0 ? {} : { priority }),
    attempt: facts.attempt ?? 1,
    deliveries: 0,
    ...(facts.single === true ? { single: true } : {}),
    ...(chunk === undefined ? { def: definition as unknown as Record<string, unknown> } : { chunk }),
    ...(facts.inputs === true ? { inputs: true } : {}),
    queuedAt: nowMs,
    ...(facts.history === undefined ? {} : { history: facts.history }),
  };
}

/** Result of a task that ended without having run in this attempt. */
export function unrunResult(
  outcome: 'cancelled' | 'skipped',
  nowMs: number,
  attempt = 1,
  more: Partial<Pick<ResultRecord, 'byFailure' | 'history' | 'message' | 'actor'>> = {},
): ResultRecord {
  return { v: SCHEMA_VERSION, outcome, endedAt: nowMs, attempt, ...more };
}

/** The history that a record passes on to the one that takes its place; spread into it. */
export function carriedHistory(history: readonly HistoryRecord[] | undefined): { readonly history?: HistoryRecord[] } {
  return history === undefined || history.length === 0 ? {} : { history: [...history] };
}

/** Told of a task that nobody ran. */
export function taskCancelled(
  { prj: project, spc: spec }: SpecRef,
  task: TaskId,
  { endedAt, attempt }: Pick<ResultRecord, 'endedAt' | 'attempt'>,
): Foretold {
  return {
    event: { kind: 'task.cancelled', project, spec, task },
    trace: { endedAt: String(endedAt), attempt: String(attempt) },
  };
}
