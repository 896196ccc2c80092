/** Draws specs: graphs of tasks with every feature that changes how the cluster treats them, and how their tasks behave. */

import type { Behaviour } from '@boi/cluster/testing';
import type { Assignment } from '@boi/core';
import type { SeededRandom } from '@boi/core/testing';

interface DrawnTask {
  readonly ref: string;
  readonly run: string;
  readonly needs?: readonly string[];
  readonly [field: string]: unknown;
}

export interface DrawnSpec {
  readonly source: string;
  readonly tasks: number;
}

export function drawSpec(random: SeededRandom, tasksMax: number, slotsMax: number): DrawnSpec {
  const chance = (p: number) => random.next() < p;
  const count = chance(0.35) ? 1 : 1 + random.int(tasksMax);
  const tasks: DrawnTask[] = [];
  for (let i = 1; i <= count; i++) {
    const needs = new Set<string>();
    if (i > 1 && chance(0.6)) for (let n = 1 + random.int(3); n > 0; n--) needs.add(`t${1 + random.int(i - 1)}`);
    const kind = random.next();
    tasks.push({
      ref: `t${i}`,
      // The script reads how to behave from here.
      run: kind < 0.72 ? 'ok' : kind < 0.84 ? 'flaky' : kind < 0.94 ? 'fail' : 'slow',
      ...(needs.size > 0 ? { needs: [...needs].sort() } : {}),
      ...(needs.size > 0 && chance(0.3) ? { when: random.pick(['failure', 'always', 'success']) } : {}),
      ...(chance(0.4) ? { retries: { max: 1 + random.int(2), backoff: `${200 + random.int(2000)}ms` } } : {}),
      ...(chance(0.2) ? { exclusive: true } : {}),
      ...(chance(0.2) ? { key: { name: random.pick(['red', 'blue']), limit: 1 + random.int(2) } } : {}),
      ...(chance(0.15) ? { slots: random.int(slotsMax + 1) } : {}),
      ...(chance(0.1) ? { requires: { zone: random.pick(['a', 'b']) } } : {}),
      ...(chance(0.2) ? { priority: random.int(20) - 10 } : {}),
    });
  }
  // A concurrency key has one limit wherever it is used.
  for (const task of tasks) {
    const key = task.key as { name: string; limit: number } | undefined;
    if (key !== undefined) key.limit = key.name === 'red' ? 1 : 2;
  }
  const spec = {
    ...(chance(0.3) ? { 'failure-policy': 'continue' } : {}),
    ...(chance(0.15) ? { concurrency: 1 + random.int(4) } : {}),
    tasks,
  };
  return { source: JSON.stringify(spec), tasks: count };
}

/** How one start behaves: drawn from the start itself, so that it does not depend on what else was drawn meanwhile. */
export function behave({ task, fence, attempt, definition }: Assignment, seed: number): Behaviour {
  const draw = unit(`${seed} ${task} ${fence} ${attempt}`);
  const durationMs = 20 + Math.floor(draw * draw * 6_000);
  const failed = { outcome: 'failed', reason: 'exit-code', exitCode: 1 } as const;
  const stopMs = Math.floor(unit(`${task} ${fence} stop`) * 4_000);
  switch (definition.run) {
    case 'fail':
      return { durationMs, stopMs, report: failed };
    case 'flaky':
      return { durationMs, stopMs, ...(unit(`${task} ${fence} flaky`) < 0.5 ? { report: failed } : {}) };
    case 'slow':
      return { durationMs: durationMs * 6, stopMs };
    default:
      return { durationMs, stopMs };
  }
}

/** FNV-1a, spread over [0, 1). */
function unit(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash ^= hash >>> 12;
  return (hash >>> 0) / 4294967296;
}
