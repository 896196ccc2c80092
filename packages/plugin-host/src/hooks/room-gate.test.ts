import { VirtualClock } from '@boi/core/testing';
import { expect, test } from 'vitest';
import { RoomGate, SATURATED_AFTER_MS } from './room-gate.ts';

function gateOf(outstandingMax: number) {
  const clock = new VirtualClock();
  const told: boolean[] = [];
  let outstanding = 0;
  const gate = new RoomGate({
    clock,
    outstandingMax,
    outstanding: () => outstanding,
    onSaturated: (saturated) => told.push(saturated),
  });
  const set = (count: number) => {
    outstanding = count;
    gate.look();
  };
  return { clock, gate, told, set };
}

test('a gate that is full for a moment is no episode, however often it happens', async () => {
  const { clock, told, set } = gateOf(10);
  for (let i = 0; i < 5; i++) {
    set(10);
    await clock.advance(SATURATED_AFTER_MS - 1);
    set(9);
    await clock.advance(1);
  }
  expect(told).toEqual([]);
});

test('one that stays full is one episode, until half of it is free', async () => {
  const { clock, told, set } = gateOf(10);
  set(10);
  await clock.advance(SATURATED_AFTER_MS);
  expect(told).toEqual([true]);
  for (const count of [9, 10, 9, 10]) {
    set(count);
    await clock.advance(10 * SATURATED_AFTER_MS);
  }
  expect(told).toEqual([true]);
  set(5);
  expect(told).toEqual([true, false]);
});

test('who leaves the line holds nobody up', async () => {
  const { gate, set } = gateOf(1);
  set(1);
  const entered: string[] = [];
  const leave = new AbortController();
  const gone = gate.enter(() => entered.push('first'), leave.signal);
  const second = gate.enter(() => {
    entered.push('second');
    set(1);
  }, new AbortController().signal);
  leave.abort(new Error('enough'));
  await expect(gone).rejects.toThrow('enough');
  set(0);
  await second;
  expect(entered).toEqual(['second']);
});
