import type { RetryPolicy, TaskReport } from '@boi/core';
import { SeededRandom } from '@boi/core/testing';
import { toRevision } from '@boi/store';
import { describe, expect, test } from 'vitest';
import { type Held, newHeld } from '../claim/held.ts';
import { HISTORY_MAX, type QueueEntry, SCHEMA_VERSION, type SpecHeader } from '../records.ts';
import { claimedEntry, testNode, testTask } from '../testing/fixtures.ts';
import { decideEnding, finalHeader, poisonResult } from './ending.ts';

const self = testNode(1);
const retries: RetryPolicy = { max: 2, backoffMs: 1_000, backoffMaxMs: 60_000 };
const failed: TaskReport = { outcome: 'failed', reason: 'exit-code', exitCode: 3, endedAt: 5, tail: 'x', logBytes: 1 };
const cancelled: TaskReport = { outcome: 'cancelled', endedAt: 5, tail: '', logBytes: 0 };

function held(over: Partial<QueueEntry> = {}, more: Partial<Pick<Held, 'stop'>> = {}): Held {
  const facts = { task: testTask(1), key: 'k', nonce: 'c1', fence: toRevision(7), incarnation: toRevision(1) };
  return { ...newHeld({ ...facts, entry: claimedEntry(over), phase: 'ended' }), ...more };
}

function decide(report: TaskReport, task = held(), policy: RetryPolicy | undefined = undefined) {
  const random = new SeededRandom(1);
  return decideEnding({ self, held: task, report, retries: policy, deliveriesMax: 3, nowMs: 1_000, random });
}

test('a success is a result under the fence of its claim', () => {
  expect(decide({ ...failed, outcome: 'succeeded', outputs: { a: '1' } })).toMatchObject({
    kind: 'result',
    result: { outcome: 'succeeded', node: self, fence: '7', attempt: 1, delivery: 1, outputs: { a: '1' } },
  });
});

describe('a failure', () => {
  test('is final without a policy, after the last attempt, and for another exit code', () => {
    expect(decide(failed).kind).toBe('result');
    expect(decide(failed, held({ attempt: 3 }), retries).kind).toBe('result');
    expect(decide(failed, held(), { ...retries, onExitCodes: [1] }).kind).toBe('result');
  });

  test('is tried again as the next attempt, with nothing left of the claim', () => {
    const ending = decide(failed, held({ deliveries: 2, lockSlot: 0, lock: { hash: 'h', limit: 1 } }), retries);
    if (ending.kind !== 'requeue') throw new Error('not requeued');
    const { claim, lockSlot, attempt, deliveries, notBefore, delayMs, history } = ending.entry;
    expect({ claim, lockSlot, attempt, deliveries }).toEqual({
      claim: undefined,
      lockSlot: undefined,
      attempt: 2,
      deliveries: 0,
    });
    expect(notBefore).toBe(1_000 + (delayMs ?? 0));
    expect(history).toEqual([
      { attempt: 1, delivery: 2, node: self, at: 1_000, end: 'failed', reason: 'exit-code', exitCode: 3 },
    ]);
  });

  test('is final when somebody has cancelled the task meanwhile', () => {
    expect(decide(failed, held({ cancel: { at: 1 } }), retries)).toMatchObject({
      kind: 'result',
      result: { outcome: 'failed' },
    });
  });
});

describe('stopped', () => {
  test('by a cancel: the result is cancelled', () => {
    expect(decide(cancelled, held({ cancel: { at: 1 } }))).toMatchObject({ result: { outcome: 'cancelled' } });
  });

  test('by a drain: the same attempt, its delivery given back', () => {
    expect(decide(cancelled, held({ deliveries: 3 }, { stop: 'drained' }))).toMatchObject({
      kind: 'requeue',
      why: 'drained',
      entry: { attempt: 1, deliveries: 2, history: [{ end: 'drained' }] },
    });
  });

  test('before it began, for a session that was ending: the delivery is given back', () => {
    const late = { outcome: 'cancelled', reason: 'lost', endedAt: 1, tail: '', logBytes: 0 } as const;
    expect(decide(late, held({ deliveries: 3 }))).toMatchObject({
      kind: 'requeue',
      why: 'handed-back',
      entry: { attempt: 1, deliveries: 2 },
    });
  });

  test('by nobody known here: a lost claim, and poison at the last one', () => {
    expect(decide(cancelled, held({ deliveries: 2 }))).toMatchObject({
      kind: 'requeue',
      why: 'handed-back',
      entry: { attempt: 1, deliveries: 2, history: [{ end: 'lost' }] },
    });
    expect(decide(cancelled, held({ deliveries: 3 }))).toMatchObject({ kind: 'result', result: { outcome: 'poison' } });
  });
});

test('the history is bounded', () => {
  const item = { attempt: 1, delivery: 1, node: self, at: 0, end: 'lost' as const };
  const history = Array.from({ length: HISTORY_MAX }, (_, at) => ({ ...item, at }));
  const result = poisonResult(self, held({ history }), 99);
  expect(result.history).toHaveLength(HISTORY_MAX);
  expect(result.history?.at(-1)?.at).toBe(99);
});

test('the header of a one-task spec ends as its task did', () => {
  const counts = { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };
  const header: SpecHeader = {
    v: SCHEMA_VERSION,
    state: 'active',
    cursor: 1,
    tasks: 1,
    chunks: 0,
    counts,
    failure: 'continue',
    digest: 'd',
    createdAt: 0,
  };
  const after = (outcome: 'succeeded' | 'failed' | 'timed-out' | 'poison' | 'cancelled') => {
    const { state, counts: counted } = finalHeader(header, { outcome, endedAt: 9 });
    return [state, Object.entries(counted).find(([, count]) => count === 1)?.[0]];
  };
  expect(after('succeeded')).toEqual(['succeeded', 'succeeded']);
  expect(after('cancelled')).toEqual(['cancelled', 'cancelled']);
  for (const outcome of ['failed', 'timed-out', 'poison'] as const)
    expect(after(outcome)).toEqual(['failed', 'failed']);
});
