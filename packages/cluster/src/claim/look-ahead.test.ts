import { expect, test } from 'vitest';
import { aheadMore } from './look-ahead.ts';

test('nothing is claimed ahead where no slot came free lately, and no more than came free', () => {
  expect(aheadMore({ turnover: 0, perSlot: 4, waiting: 0 })).toBe(0);
  expect(aheadMore({ turnover: 1, perSlot: 4, waiting: 0 })).toBe(1);
});

test('long tasks: one for each slot', () => {
  expect(aheadMore({ turnover: 4, perSlot: 4, waiting: 0 })).toBe(4);
  expect(aheadMore({ turnover: 4, perSlot: 4, waiting: 1 })).toBe(3);
});

test('short tasks: what a tenth of a second needs, and again when half of it has started', () => {
  expect(aheadMore({ turnover: 100, perSlot: 2, waiting: 0 })).toBe(10);
  expect(aheadMore({ turnover: 100, perSlot: 2, waiting: 6 })).toBe(0);
  expect(aheadMore({ turnover: 100, perSlot: 2, waiting: 5 })).toBe(5);
});

test('never more than a request holds', () => {
  expect(aheadMore({ turnover: 100, perSlot: 1_000, waiting: 0 })).toBe(100);
});
