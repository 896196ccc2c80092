import { TASK_ID, taskView } from '@boi/client/testing';
import { BoiError, type TaskView } from '@boi/core';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WaitingReasons } from './waiting.ts';

const waitsFor = (ref: string, summary: string): TaskView =>
  taskView({ id: TASK_ID, ref, state: 'waiting', why: { summary } });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('tells each reason once, and only when nothing was heard for a while', async () => {
  let tasks = [waitsFor('train', '3 nodes: 3 lack gpu'), waitsFor('eval', '3 nodes: 3 lack gpu')];
  const told: string[] = [];
  const list = vi.fn(async () => tasks);
  const reasons = new WaitingReasons({ list, tell: (line) => told.push(line) });
  for (let i = 0; i < 5; i++) {
    await vi.advanceTimersByTimeAsync(9_000);
    reasons.heard();
  }
  expect(list).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).toEqual(['train and 1 more wait: 3 nodes: 3 lack gpu']);
  tasks = [waitsFor('train', '2 nodes: 2 lack gpu'), waitsFor('post', 'claims are paused everywhere')];
  await vi.advanceTimersByTimeAsync(120_000);
  expect(told.slice(1)).toEqual(['post waits: claims are paused everywhere']);
  reasons.stop();
  expect(vi.getTimerCount()).toBe(0);
});

it('goes on when the cluster cannot say it, and says nothing after it was stopped', async () => {
  const told: string[] = [];
  let answer: (tasks: TaskView[]) => void = () => undefined;
  const list = vi
    .fn<() => Promise<TaskView[]>>()
    .mockRejectedValueOnce(new BoiError('unreachable', 'away'))
    .mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
  const reasons = new WaitingReasons({ list, tell: (line) => told.push(line) });
  await vi.advanceTimersByTimeAsync(70_000);
  expect(list).toHaveBeenCalledTimes(2);
  reasons.stop();
  answer([waitsFor('train', 'no node can run it now')]);
  await vi.advanceTimersByTimeAsync(200_000);
  expect(told).toEqual([]);
  expect(list).toHaveBeenCalledTimes(2);
});
