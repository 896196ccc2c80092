/**
 * What becomes of a held task when its report is here: a result, or another try. Pure; commit.ts and requeue.ts carry it out.
 *
 * A result: it succeeded, it was cancelled, or it failed for good.
 * Another attempt: it failed, its policy allows a retry, and nobody has cancelled it meanwhile.
 * The same attempt again, elsewhere: this node stopped it for its drain (the delivery is given back, it counts neither as
 *   failed nor as lost), or something stopped it that nobody asked for, as the guard does with exclusive tasks when the
 *   session is about to end (a lost claim: the delivery counts, and the last one allowed makes it poison).
 */
import { clipBytes, type NodeId, type Random, type RetryPolicy, retryDecision, type TaskReport } from '@boi/core';
import type { Held } from '../claim/held.ts';
import { unclaimed } from '../placement/move.ts';
import { HISTORY_MAX, type QueueEntry, type ResultRecord, SCHEMA_VERSION, type SpecHeader } from '../records.ts';

export type Ending =
  | { readonly kind: 'result'; readonly result: ResultRecord }
  | {
      readonly kind: 'requeue';
      readonly why: 'retry' | 'drained' | 'handed-back';
      readonly delayMs: number;
      /** The entry to be queued, without claim, lock slot or cancel mark. */
      readonly entry: QueueEntry;
    };

export interface EndingFacts {
  readonly self: NodeId;
  readonly held: Held;
  readonly report: TaskReport;
  readonly retries: RetryPolicy | undefined;
  readonly deliveriesMax: number;
  readonly nowMs: number;
  readonly random: Random;
}

type HistoryItem = NonNullable<QueueEntry['history']>[number];

export function decideEnding(facts: EndingFacts): Ending {
  const { held, report, retries, deliveriesMax, nowMs, random } = facts;
  const { entry } = held;
  if (report.outcome === 'cancelled' && entry.cancel === undefined) {
    if (held.stop === 'drained') return again(facts, 'drained', entry.deliveries - 1, { end: 'drained' });
    // An exclusive task whose start came too late for the session: it never ran, the delivery is given back.
    if (report.reason === 'lost' && report.startedAt === undefined) {
      return again(facts, 'handed-back', entry.deliveries - 1, { end: 'lost' });
    }
    if (entry.deliveries >= deliveriesMax) return { kind: 'result', result: poisonResult(facts.self, held, nowMs) };
    return again(facts, 'handed-back', entry.deliveries, { end: 'lost' });
  }
  const decision = entry.cancel === undefined ? retryDecision(retries, entry.attempt, report, random) : undefined;
  if (decision?.retry !== true) return { kind: 'result', result: resultOf(facts.self, held, report) };
  const { delayMs } = decision;
  const end = report.outcome === 'timed-out' ? 'timed-out' : 'failed';
  const { reason, exitCode } = report;
  const item = {
    end,
    ...(reason === undefined ? {} : { reason }),
    ...(exitCode === undefined ? {} : { exitCode }),
  } as const;
  const queued: QueueEntry = {
    ...released(entry, withHistory(facts, item)),
    attempt: entry.attempt + 1,
    deliveries: 0,
    queuedAt: nowMs,
    ...(delayMs > 0 ? { notBefore: nowMs + delayMs, delayMs } : {}),
  };
  return { kind: 'requeue', why: 'retry', delayMs, entry: queued };
}

function again(
  facts: EndingFacts,
  why: 'drained' | 'handed-back',
  deliveries: number,
  item: Pick<HistoryItem, 'end'>,
): Ending {
  const entry = { ...released(facts.held.entry, withHistory(facts, item)), deliveries, queuedAt: facts.nowMs };
  return { kind: 'requeue', why, delayMs: 0, entry };
}

/** The entry for a claim that is to come; the time that the last one waited for has passed. */
function released(entry: QueueEntry, history: QueueEntry['history']): QueueEntry {
  const { notBefore: _at, delayMs: _delay, ...rest } = unclaimed(entry);
  return history === undefined ? rest : { ...rest, history };
}

function withHistory({ self, held, nowMs }: EndingFacts, item: Pick<HistoryItem, 'end' | 'reason' | 'exitCode'>) {
  const { attempt, deliveries: delivery, history = [] } = held.entry;
  return [...history, { attempt, delivery, node: self, at: nowMs, ...item }].slice(-HISTORY_MAX);
}

/** A result that the store cannot take would be sent for ever, and with it all that waits beside and behind it, over restarts. */
const MESSAGE_BYTES_MAX = 8_192;
const SIGNAL_BYTES_MAX = 64;

export function resultOf(
  self: NodeId,
  { entry, fence }: Pick<Held, 'entry' | 'fence'>,
  report: TaskReport,
): ResultRecord {
  const { outcome, reason, message, exitCode, signal, startedAt, endedAt, tail, outputs, logBytes } = report;
  return {
    v: SCHEMA_VERSION,
    outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message: clipBytes(message, MESSAGE_BYTES_MAX, 'head') }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal: clipBytes(signal, SIGNAL_BYTES_MAX, 'head') }),
    ...(startedAt === undefined ? {} : { startedAt }),
    endedAt,
    node: self,
    attempt: entry.attempt,
    delivery: entry.deliveries,
    fence,
    ...(tail === '' ? {} : { tail }),
    ...(outputs === undefined || Object.keys(outputs).length === 0 ? {} : { outputs }),
    ...(logBytes === 0 ? {} : { logBytes }),
    ...(entry.history === undefined ? {} : { history: entry.history }),
  };
}

/** Its claims were lost as often as is allowed: it is taken to be what ends its nodes. */
export function poisonResult(
  self: NodeId,
  { entry, fence }: Pick<Held, 'entry' | 'fence'>,
  nowMs: number,
): ResultRecord {
  const { attempt, deliveries: delivery, history = [] } = entry;
  const lost: HistoryItem = { attempt, delivery, node: self, at: nowMs, end: 'lost' };
  return {
    v: SCHEMA_VERSION,
    outcome: 'poison',
    reason: 'lost',
    message: `claimed ${delivery} times, and each time lost with its node`,
    endedAt: nowMs,
    node: self,
    attempt,
    delivery,
    fence,
    history: [...history, lost].slice(-HISTORY_MAX),
  };
}

/** The header of a one-task spec once its task has this result. */
export function finalHeader(
  header: SpecHeader,
  { outcome, endedAt }: Pick<ResultRecord, 'outcome' | 'endedAt'>,
): SpecHeader {
  const state = outcome === 'succeeded' ? 'succeeded' : outcome === 'cancelled' ? 'cancelled' : 'failed';
  const counted = outcome === 'succeeded' || outcome === 'cancelled' || outcome === 'skipped' ? outcome : 'failed';
  return { ...header, state, endedAt, counts: { ...header.counts, [counted]: header.counts[counted] + 1 } };
}
