import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SortedList } from './sorted-list.ts';

test('is the same as a sorted array, whatever is added and removed', () => {
  const steps = fc.array(fc.record({ add: fc.boolean(), value: fc.integer({ min: 0, max: 2_000 }) }), {
    maxLength: 3_000,
  });
  fc.assert(
    fc.property(steps, (list) => {
      const model = new Set<number>();
      const sorted = new SortedList<number>((a, b) => a - b);
      for (const { add, value } of list) {
        if (add && !model.has(value)) {
          sorted.add(value);
          model.add(value);
        } else if (!add) expect(sorted.remove(value)).toBe(model.delete(value));
      }
      expect([...sorted]).toEqual([...model].sort((a, b) => a - b));
      expect(sorted.size).toBe(model.size);
    }),
    { numRuns: 50 },
  );
});

test('keeps its order over many short arrays', () => {
  const sorted = new SortedList<number>((a, b) => a - b);
  for (let i = 0; i < 5_000; i++) sorted.add((i * 7_919) % 5_000);
  expect([...sorted]).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  for (let i = 0; i < 5_000; i += 2) expect(sorted.remove(i)).toBe(true);
  expect([...sorted]).toEqual(Array.from({ length: 2_500 }, (_, i) => 2 * i + 1));
});
