import { SeededRandom } from '@boi/core/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SortedRecords } from './sorted-records.ts';

function scanned(records: SortedRecords<{ key: string }>, start: string, end: string): string[] {
  const keys: string[] = [];
  records.scan(start, end, ({ key }) => keys.push(key) > 0);
  return keys;
}

describe('sorted records', () => {
  it('hold what was added and not deleted, in order, whatever the order of the calls', () => {
    const key = fc.stringMatching(/^[a-d]{1,3}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), key)), key, key, (steps, start, end) => {
        const records = new SortedRecords<{ key: string }>();
        const model = new Set<string>();
        for (const [add, one] of steps) {
          if (!add) {
            records.delete(one);
            model.delete(one);
          } else if (!model.has(one)) {
            records.add({ key: one });
            model.add(one);
          }
        }
        expect(scanned(records, start, end)).toEqual([...model].filter((one) => one >= start && one < end).sort());
      }),
    );
  });

  it('two hundred thousand are added and removed in any order, and a scan visits its range only', () => {
    const random = new SeededRandom(7);
    const numbers = Array.from({ length: 200_000 }, (_, i) => i);
    for (let i = numbers.length - 1; i > 0; i -= 1) {
      const j = random.int(i + 1);
      [numbers[i], numbers[j]] = [numbers[j] as number, numbers[i] as number];
    }
    const keyOf = (number: number) => `/queue/${String(number).padStart(7, '0')}`;
    const records = new SortedRecords<{ key: string }>();
    for (const number of numbers) records.add({ key: keyOf(number) });
    let visited = 0;
    records.scan(keyOf(100_000), keyOf(100_100), () => {
      visited += 1;
      return true;
    });
    expect(visited).toBe(100);
    for (const number of numbers) if (number % 1000 !== 0) records.delete(keyOf(number));
    expect(scanned(records, '/queue/', '/queue0')).toEqual(Array.from({ length: 200 }, (_, i) => keyOf(i * 1000)));
  });
});
