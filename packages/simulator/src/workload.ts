/** Draws specs: graphs of tasks with every feature that changes how the cluster treats them, and how their tasks behave. */

import type { Behaviour } from '@boi/cluster/testing';
import type { Assignment } from '@boi/core';
import type { SeededRandom } from '@boi/core/testing';
import type { Kind, Tally } from './kinds.ts';

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

export interface DrawOptions {
  readonly tasksMax: number;
  /** No task wants more. */
  readonly slotsMax: number;
  /** More tasks than this, and the spec is written in parts. */
  readonly chunk: number;
}

/** What a task's script reads how to behave from. */
const RUNS = [
  ['ok', 0.66],
  ['flaky', 0.12],
  ['fail', 0.08],
  ['slow', 0.05],
  ['hang', 0.03],
  ['flood', 0.03],
  ['unstartable', 0.02],
  ['kill', 0.01],
] as const;
type Run = (typeof RUNS)[number][0];

export function drawSpec(random: SeededRandom, options: DrawOptions, tally: Tally): DrawnSpec {
  const chance = (p: number, kind?: Kind) => {
    const drawn = random.next() < p;
    if (drawn && kind !== undefined) tally.add(kind);
    return drawn;
  };
  const count = chance(0.35) ? 1 : 1 + random.int(options.tasksMax);
  if (count === 1) tally.add('spec of one task');
  if (count > options.chunk) tally.add('spec written in parts');
  const tasks: DrawnTask[] = [];
  for (let i = 1; i <= count; i++) {
    const needs = new Set<string>();
    if (i > 1 && chance(0.6, 'needs')) {
      for (let n = 1 + random.int(3); n > 0; n--) needs.add(`t${1 + random.int(i - 1)}`);
    }
    const run = drawRun(random);
    const when = needs.size > 0 && chance(0.3) ? random.pick(['failure', 'always', 'success'] as const) : undefined;
    if (when === 'failure') tally.add('when failure');
    if (when === 'always') tally.add('when always');
    tasks.push({
      ref: `t${i}`,
      run,
      ...(run === 'hang' ? { timeout: `${5 + random.int(20)}s` } : {}),
      ...(needs.size > 0 ? { needs: [...needs].sort() } : {}),
      ...(when === undefined ? {} : { when }),
      ...(chance(0.4, 'retries')
        ? { retries: { max: 1 + random.int(2), backoff: `${200 + random.int(2000)}ms` } }
        : {}),
      ...(chance(0.2, 'exclusive') ? { exclusive: true } : {}),
      ...(chance(0.2, 'concurrency key') ? { key: { name: random.pick(['red', 'blue']), limit: 1 } } : {}),
      ...(chance(0.15, 'slots') ? { slots: random.int(options.slotsMax + 1) } : {}),
      ...(chance(0.1, 'requires') ? { requires: { zone: random.pick(['a', 'b']) } } : {}),
      ...(chance(0.2, 'priority') ? { priority: random.int(20) - 10 } : {}),
    });
  }
  // A concurrency key has one limit wherever it is used.
  for (const task of tasks) {
    const key = task.key as { name: string; limit: number } | undefined;
    if (key !== undefined) key.limit = key.name === 'red' ? 1 : 2;
  }
  const spec = {
    ...(chance(0.3, 'policy continue') ? { 'failure-policy': 'continue' } : {}),
    ...(chance(0.15, 'concurrency limit') ? { concurrency: 1 + random.int(4) } : {}),
    tasks,
  };
  return { source: JSON.stringify(spec), tasks: count };
}

function drawRun(random: SeededRandom): Run {
  let left = random.next();
  for (const [run, share] of RUNS) {
    left -= share;
    if (left < 0) return run;
  }
  return 'ok';
}

export interface Act {
  readonly behaviour: Behaviour;
  /** So much later its node is gone, and the task with it. */
  readonly killsAfterMs?: number;
}

/** How one start behaves: drawn from the start itself, so that it does not depend on what else was drawn meanwhile. */
export function behave({ task, fence, attempt, definition }: Assignment, seed: number, tally: Tally): Act {
  const draw = unit(`${seed} ${task} ${fence} ${attempt}`);
  const durationMs = 20 + Math.floor(draw * draw * 6_000);
  const failed = { outcome: 'failed', reason: 'exit-code', exitCode: 1 } as const;
  const stopMs = Math.floor(unit(`${task} ${fence} stop`) * 4_000);
  const fails = () => {
    tally.add('task fails');
    return { behaviour: { durationMs, stopMs, report: failed } };
  };
  switch (definition.run as Run) {
    case 'fail':
      return fails();
    case 'flaky':
      return unit(`${task} ${fence} flaky`) < 0.5 ? fails() : { behaviour: { durationMs, stopMs } };
    case 'slow':
      return { behaviour: { durationMs: durationMs * 6, stopMs } };
    case 'hang':
      tally.add('task hangs');
      return {
        // It does not hear TERM: its whole grace passes.
        behaviour: {
          durationMs: definition.timeoutMs ?? durationMs,
          stopMs: 10_000,
          report: { outcome: 'timed-out', reason: 'timeout' },
        },
      };
    case 'flood':
      tally.add('task floods its output');
      return {
        behaviour: {
          durationMs,
          stopMs,
          report: { tail: 'x'.repeat(2_048), logBytes: 1_000_000_000, outputs: { all: 'y'.repeat(4_000) } },
        },
      };
    case 'unstartable':
      tally.add('task cannot start');
      return { behaviour: { durationMs: 0, cannotStart: true } };
    case 'kill':
      tally.add('task kills its node');
      return { behaviour: { durationMs: 60_000, stopMs }, killsAfterMs: durationMs };
    default:
      return { behaviour: { durationMs, stopMs } };
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
