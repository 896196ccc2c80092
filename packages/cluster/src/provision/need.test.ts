import type { Requirement } from '@boi/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { entry, testTask } from '../testing/fixtures.ts';
import { Needs, needOf } from './need.ts';

const gpu: Requirement = { key: 'gpu', op: 'exists', value: true };
const zones: Requirement = { key: 'zone', op: 'in', values: ['a', 'b'] };
const requires = (...list: Requirement[]) => entry({ requires: list as never });
const hashOf = (of: ReturnType<typeof entry>) => needOf(of)?.hash;

describe('a need', () => {
  test('is what tasks require, in whatever order they say it', () => {
    const same = [requires(gpu, zones), requires({ ...zones, values: ['b', 'a'] }, gpu), requires(gpu, zones, gpu)];
    expect(new Set(same.map(hashOf)).size).toBe(1);
    expect(hashOf(requires(gpu))).not.toBe(hashOf(requires(zones)));
  });

  test('is another for more slots', () => {
    expect(hashOf({ ...requires(gpu), slots: 2 })).not.toBe(hashOf(requires(gpu)));
    expect(hashOf({ ...requires(gpu), slots: 1 })).toBe(hashOf(requires(gpu)));
  });

  test('is none of a task that may go to certain nodes only', () => {
    expect(needOf({ ...requires(gpu), target: 'build-1' })).toBeUndefined();
  });
});

test('needs counted change by change are those counted at once', () => {
  const kinds = [undefined, requires(gpu), requires(zones), { ...requires(gpu), slots: 2 }, entry({ target: 'x' })];
  const step = fc.record({ task: fc.integer({ min: 1, max: 6 }), kind: fc.integer({ min: 0, max: kinds.length - 1 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const needs = new Needs();
      const waiting = new Map<string, (typeof kinds)[number]>();
      steps.forEach(({ task, kind }, i) => {
        const key = testTask(task);
        const record = kinds[kind];
        waiting.set(key, record);
        needs.heard([{ key, ...(record === undefined ? {} : { after: { key, record } as never }) }], i);
      });
      const counts = new Map<string, number>();
      for (const record of waiting.values()) {
        const hash = record === undefined ? undefined : hashOf(record);
        if (hash !== undefined) counts.set(hash, (counts.get(hash) ?? 0) + 1);
      }
      expect(needs.all().map(({ hash, tasks }) => [hash, tasks])).toEqual([...counts].sort());
    }),
  );
});
