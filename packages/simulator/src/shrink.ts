/**
 * Makes a failing run smaller: fewer steps (a run with fewer is the beginning of the one with more), then single steps left
 * out, then fewer tasks and nodes, which is another run that may fail as well. Used by main.ts.
 */
export interface Sizes {
  readonly seed: number;
  readonly nodes: number;
  readonly tasks: number;
  readonly steps: number;
  /** Steps, from 1, in which nothing is done. */
  readonly without?: readonly number[];
}

/** Tries at most so many runs. */
const RUNS_MAX = 200;

/** The smallest found, perhaps what it was given. */
export async function shrink(sizes: Sizes, fails: (sizes: Sizes) => Promise<boolean>): Promise<Sizes> {
  let best = sizes;
  let runs = 0;
  const attempt = async (smaller: Sizes) => {
    if (runs++ >= RUNS_MAX || !(await fails(smaller))) return false;
    best = smaller;
    return true;
  };
  const cutSize = async (size: 'steps' | 'tasks' | 'nodes') => {
    for (let cut = best[size] >> 1; cut >= 1 && runs < RUNS_MAX; ) {
      if (best[size] - cut < 1 || !(await attempt({ ...best, [size]: best[size] - cut }))) cut >>= 1;
      cut = Math.min(cut, best[size] - 1);
    }
  };
  await cutSize('steps');
  // By halves of what is left, then by quarters, down to single steps.
  for (let size = best.steps >> 1; size >= 1 && runs < RUNS_MAX; size >>= 1) {
    for (let from = 1; from <= best.steps; from += size) {
      const without = new Set(best.without ?? []);
      const before = without.size;
      for (let step = from; step < from + size && step <= best.steps; step++) without.add(step);
      if (without.size > before) await attempt({ ...best, without: [...without].sort((a, b) => a - b) });
    }
  }
  await cutSize('tasks');
  await cutSize('nodes');
  return best;
}
