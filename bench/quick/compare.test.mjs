import { expect, test } from 'vitest';
import { compare, toBudget } from './compare.mjs';

const counts = { writes: 4.0004, reads: 1.0004, bytesPut: 460, heapBytes: 98_400 };
const budgets = { wide: toBudget(counts) };

const against = (changed) => compare(budgets, { wide: { ...counts, ...changed } });

test('what was counted is within the budget made of it', () => {
  expect(against({})).toEqual({ grown: [], shrunk: [] });
});

test('a single write more in a thousand tasks is told', () => {
  expect(against({ writes: 4.001 }).grown).toEqual(['wide: writes grew from 4 to 4.001 a task']);
});

test('what the runtime has a say in has a little room, and no more', () => {
  expect(against({ heapBytes: 108_000, bytesPut: 464 }).grown).toEqual([]);
  expect(against({ heapBytes: 109_500 }).grown).toEqual(['wide: heap bytes grew from 99000 to 110000 a task']);
  expect(against({ bytesPut: 465 }).grown).toEqual(['wide: bytes put grew from 460 to 465 a task']);
});

test('what became clearly less is told, and is no failure', () => {
  expect(against({ reads: 0.5, bytesPut: 450 })).toEqual({
    grown: [],
    shrunk: ['wide: reads fell from 1 to 0.5 a task'],
  });
});

test('the heap may be missing, since it cannot be measured when a collection came; nothing else may', () => {
  expect(against({ heapBytes: undefined }).grown).toEqual([]);
  expect(against({ writes: undefined }).grown).toEqual(['wide: writes was not counted']);
});

test('a workload or a measure without a budget is told, and so is a budget without a workload', () => {
  expect(compare({ wide: {} }, { wide: { writes: 4 } }).grown).toEqual(['wide: writes has no budget (4 a task)']);
  expect(compare({}, { wide: { writes: 4 } }).grown).toEqual(['wide: writes has no budget (4 a task)']);
  expect(compare(budgets, {}).grown).toEqual(['wide: has a budget, but was not measured']);
});
