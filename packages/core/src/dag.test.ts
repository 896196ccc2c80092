import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Dag, type Ending, isFailure, readiness, specOutcome } from './dag.ts';
import type { When } from './definition.ts';
import { SeededRandom } from './testing/index.ts';

// Seconds of work at most, on a machine that many share.
vi.setConfig({ testTimeout: 60_000 });

interface Task {
  readonly needs?: number[];
  readonly when?: When;
}

const ok: Ending = { outcome: 'succeeded' };
const failed: Ending = { outcome: 'failed' };
const cancelled: Ending = { outcome: 'cancelled' };

/** Acyclic by construction: a task needs only those before it. */
const graph: fc.Arbitrary<Task[]> = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(1000), { maxLength: 4 }),
      when: fc.constantFrom<When>('success', 'success', 'failure', 'always'),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((tasks) =>
    tasks.map(({ needs, when }, i) => ({
      when,
      ...(i === 0 ? {} : { needs: [...new Set(needs.map((need) => 1 + (need % i)))].sort((a, b) => a - b) }),
    })),
  );

/** The definition of readiness, word for word, from all endings known: the oracle of the incremental one. */
function decide(task: Task, endings: ReadonlyMap<number, Ending>): 'wait' | 'run' | 'skip' {
  const needs = (task.needs ?? []).map((need) => endings.get(need));
  const allEnded = needs.every((ending) => ending !== undefined);
  const anyFailed = needs.some((ending) => ending !== undefined && isFailure(ending));
  switch (task.when ?? 'success') {
    case 'always':
      return allEnded ? 'run' : 'wait';
    case 'failure':
      return allEnded ? (anyFailed ? 'run' : 'skip') : 'wait';
    default:
      if (anyFailed) return 'skip';
      return allEnded ? (needs.every((ending) => ending?.outcome === 'succeeded') ? 'run' : 'skip') : 'wait';
  }
}

/** Runs a whole spec in an order drawn from a seed; answers how everything ended and what was released. */
function play(tasks: Task[], seed: number, outcomeOf: (index: number) => Ending) {
  const random = new SeededRandom(seed);
  const dag = new Dag(tasks);
  const endings = new Map<number, Ending>();
  const released: number[] = [];
  const running: number[] = [];
  const take = (progress: ReturnType<Dag['begin']>) => {
    for (const { index, skippedByFailure } of progress.skipped)
      endings.set(index, { outcome: 'skipped', skippedByFailure });
    running.push(...progress.ready);
    released.push(...progress.ready);
  };
  take(dag.begin());
  while (running.length > 0) {
    const [index = 0] = running.splice(random.int(running.length), 1);
    const ending = outcomeOf(index);
    endings.set(index, ending);
    take(dag.onResult(index, ending));
  }
  return { dag, endings, released };
}

const outcome = (seed: number) => (index: number) => {
  const drawn = new SeededRandom(seed * 1000 + index).next();
  return drawn < 0.6 ? ok : drawn < 0.85 ? failed : cancelled;
};

describe('the truth table', () => {
  it.each([
    ['success', 2, 2, 0, 2, 'run'],
    ['success', 2, 1, 0, 1, 'wait'],
    ['success', 2, 1, 1, 0, 'skip'],
    ['success', 2, 1, 0, 0, 'wait'],
    ['success', 2, 2, 0, 1, 'skip'],
    ['success', 0, 0, 0, 0, 'run'],
    ['failure', 2, 1, 1, 0, 'wait'],
    ['failure', 2, 2, 1, 1, 'run'],
    ['failure', 2, 2, 0, 2, 'skip'],
    ['failure', 2, 2, 0, 1, 'skip'],
    ['failure', 0, 0, 0, 0, 'skip'],
    ['always', 2, 1, 1, 0, 'wait'],
    ['always', 2, 2, 1, 0, 'run'],
    ['always', 0, 0, 0, 0, 'run'],
  ] as const)('%s: of %i needs %i ended, %i failed, %i succeeded → %s', (when, total, ended, bad, good, want) => {
    expect(readiness(when, total, ended, bad, good)).toBe(want);
  });

  it.each([
    ['failed', undefined, true],
    ['timed-out', undefined, true],
    ['poison', undefined, true],
    ['skipped', true, true],
    ['skipped', false, false],
    ['cancelled', undefined, false],
    ['succeeded', undefined, false],
  ] as const)('%s (skipped by failure: %s) counts as a failure: %s', (result, byFailure, want) => {
    expect(
      isFailure(byFailure === undefined ? { outcome: result } : { outcome: result, skippedByFailure: byFailure }),
    ).toBe(want);
  });
});

describe('a small spec', () => {
  // build → test → deploy; on any failure, report; clean up in any case.
  const tasks: Task[] = [
    {},
    { needs: [1] },
    { needs: [2] },
    { needs: [3], when: 'failure' },
    { needs: [3, 4], when: 'always' },
  ];

  it('runs along the needs and skips what waits for a failure that did not come', () => {
    const dag = new Dag(tasks);
    expect(dag.begin().ready).toEqual([1]);
    expect(dag.onResult(1, ok).ready).toEqual([2]);
    expect(dag.onResult(2, ok).ready).toEqual([3]);
    expect(dag.onResult(3, ok)).toEqual({ ready: [5], skipped: [{ index: 4, skippedByFailure: false }] });
    dag.onResult(5, ok);
    expect(dag.remaining).toBe(0);
    expect(dag.counts()).toEqual({ succeeded: 4, failed: 0, 'timed-out': 0, cancelled: 0, skipped: 1, poison: 0 });
  });

  it('carries a failure through what it skips', () => {
    const dag = new Dag(tasks);
    dag.begin();
    expect(dag.onResult(1, failed)).toEqual({
      ready: [4],
      skipped: [
        { index: 2, skippedByFailure: true },
        { index: 3, skippedByFailure: true },
      ],
    });
    expect(dag.onResult(4, ok).ready).toEqual([5]);
  });

  it('does not take a cancel for a failure', () => {
    const dag = new Dag(tasks);
    dag.begin();
    expect(dag.onResult(1, cancelled)).toEqual({
      ready: [5],
      skipped: [
        { index: 2, skippedByFailure: false },
        { index: 3, skippedByFailure: false },
        { index: 4, skippedByFailure: false },
      ],
    });
  });

  it('blocks again what was skipped because of a task that is retried', () => {
    const dag = new Dag(tasks);
    dag.begin();
    dag.onResult(1, failed);
    expect(dag.reset(1)).toEqual([2, 3]);
    expect(dag.isReleased(1)).toBe(true);
    expect(dag.onResult(1, ok).ready).toEqual([2]);
  });

  it('refuses to run again what has not run', () => {
    const dag = new Dag(tasks);
    dag.begin();
    expect(() => dag.reset(1)).toThrow(/has not run/);
    dag.onResult(1, failed);
    expect(() => dag.reset(2)).toThrow(/has not run/);
  });

  it('stops what runs on success only, then everything', () => {
    const dag = new Dag(tasks);
    dag.begin();
    dag.onResult(1, ok);
    expect(dag.toStop('success')).toEqual([2, 3]);
    expect(dag.toStop('all')).toEqual([2, 3, 4, 5]);
  });

  it('hears the same result twice without releasing anything twice', () => {
    const dag = new Dag(tasks);
    dag.begin();
    dag.onResult(1, ok);
    expect(dag.onResult(1, ok)).toEqual({ ready: [], skipped: [] });
    expect(dag.onResult(1, failed)).toEqual({ ready: [], skipped: [] });
    expect(dag.endingOf(1)).toEqual(ok);
  });

  it('refuses a need that does not exist and a result of a task that does not', () => {
    expect(() => new Dag([{ needs: [2] }])).toThrow(/does not exist/);
    expect(() => new Dag([{}]).onResult(2, ok)).toThrow(/no task 2/);
  });
});

describe('any spec, in any order', () => {
  it('ends every task once, and only after the needs allow it', () => {
    fc.assert(
      fc.property(graph, fc.integer(), (tasks, seed) => {
        const { dag, endings, released } = play(tasks, seed, outcome(seed));
        expect(dag.remaining).toBe(0);
        expect(endings.size).toBe(tasks.length);
        expect(new Set(released).size).toBe(released.length);
        tasks.forEach((task, i) => {
          const want = endings.get(i + 1)?.outcome === 'skipped' ? 'skip' : 'run';
          expect(decide(task, endings)).toBe(want);
        });
      }),
    );
  });

  it('ends the same way whatever the order of the results', () => {
    fc.assert(
      fc.property(graph, fc.integer(), fc.integer(), (tasks, one, other) => {
        const result = outcome(7);
        expect([...play(tasks, one, result).endings].sort()).toEqual([...play(tasks, other, result).endings].sort());
      }),
    );
  });

  it('is rebuilt from the results alone, also when some skips were not written yet', () => {
    fc.assert(
      fc.property(graph, fc.integer(), fc.nat(30), (tasks, seed, stopAfter) => {
        const random = new SeededRandom(seed);
        const dag = new Dag(tasks);
        const written: [number, Ending][] = [];
        const running = new Set<number>();
        const take = ({ ready, skipped }: ReturnType<Dag['begin']>) => {
          for (const index of ready) running.add(index);
          for (const { index, skippedByFailure } of skipped)
            if (random.next() < 0.5) written.push([index, { outcome: 'skipped', skippedByFailure }]);
        };
        take(dag.begin());
        for (let step = 0; step < stopAfter && running.size > 0; step++) {
          const index = random.pick([...running]);
          running.delete(index);
          written.push([index, outcome(seed)(index)]);
          take(dag.onResult(index, outcome(seed)(index)));
        }
        const successor = new Dag(tasks);
        expect(successor.begin(written).ready).toEqual([...running].sort((a, b) => a - b));
        for (let index = 1; index <= tasks.length; index++)
          expect(successor.endingOf(index)).toEqual(dag.endingOf(index));
        expect(successor.remaining).toBe(dag.remaining);
      }),
    );
  });

  it('leaves alone what is out already, whatever its needs say now', () => {
    const dag = new Dag([{}, { needs: [1] }, { needs: [2], when: 'always' }]);
    expect(dag.begin([[1, cancelled]], (index) => index === 2)).toEqual({ ready: [], skipped: [] });
    expect(dag.isReleased(2)).toBe(true);
    expect(dag.onResult(2, ok).ready).toEqual([3]);
  });

  it('after a retry is where it would be had the task not ended, but for what ran already', () => {
    fc.assert(
      fc.property(graph, fc.integer(), fc.nat(), (tasks, seed, pick) => {
        const { dag, endings } = play(tasks, seed, outcome(seed));
        const ran = [...endings].filter(([, ending]) => ending.outcome !== 'skipped').map(([index]) => index);
        const retried = ran[pick % ran.length] as number;
        const reblocked = dag.reset(retried);
        for (const index of [retried, ...reblocked]) endings.delete(index);
        for (const index of reblocked) expect(decide(tasks[index - 1] as Task, endings)).not.toBe('skip');
        for (const [index, ending] of endings)
          if (ending.outcome === 'skipped') expect(decide(tasks[index - 1] as Task, endings)).toBe('skip');
        expect(dag.remaining).toBe(1 + reblocked.length);
      }),
    );
  });
});

describe('a large spec', () => {
  it('takes 100,000 tasks with a million needs in its stride', () => {
    const layer = 1000;
    const tasks: Task[] = Array.from({ length: 100_000 }, (_, i) => {
      if (i < layer) return {};
      const above = i - (i % layer) - layer;
      return { needs: Array.from({ length: 10 }, (_, k) => above + ((i + k * 97) % layer) + 1).sort((a, b) => a - b) };
    });
    const dag = new Dag(tasks);
    let wave = dag.begin().ready;
    let ran = 0;
    while (wave.length > 0) {
      ran += wave.length;
      wave = wave.flatMap((index) => dag.onResult(index, ok).ready);
    }
    expect(ran).toBe(100_000);
    expect(dag.remaining).toBe(0);
  });

  it('skips a chain of 100,000 without recursion', () => {
    const dag = new Dag(Array.from({ length: 100_000 }, (_, i) => (i === 0 ? {} : { needs: [i] })));
    dag.begin();
    expect(dag.onResult(1, failed).skipped).toHaveLength(99_999);
  });
});

describe('the spec as a whole', () => {
  const none = { succeeded: 3, failed: 0, 'timed-out': 0, cancelled: 0, skipped: 1, poison: 0 };
  it.each([
    [none, 'succeeded'],
    [{ ...none, poison: 1, cancelled: 2 }, 'failed'],
    [{ ...none, 'timed-out': 1 }, 'failed'],
    [{ ...none, cancelled: 1 }, 'cancelled'],
  ] as const)('%j → %s', (counts, want) => {
    expect(specOutcome(counts)).toBe(want);
  });
});
