/**
 * Makes a failing run smaller. What a seed draws depends on what it drew before, so a smaller size may be another run; any
 * that still fails will do. Used by main.ts.
 */
export interface Sizes {
  readonly seed: number;
  readonly nodes: number;
  readonly tasks: number;
  readonly steps: number;
}

/** Tries at most so many runs. */
const RUNS_MAX = 120;

/** The smallest found, perhaps what it was given: steps first, then tasks, then nodes. */
export async function shrink(sizes: Sizes, fails: (sizes: Sizes) => Promise<boolean>): Promise<Sizes> {
  let best = sizes;
  let runs = 0;
  for (const size of ['steps', 'tasks', 'nodes'] as const) {
    for (let cut = best[size] >> 1; cut >= 1 && runs < RUNS_MAX; ) {
      const smaller = { ...best, [size]: best[size] - cut };
      runs++;
      if (smaller[size] >= 1 && (await fails(smaller))) best = smaller;
      else cut >>= 1;
      cut = Math.min(cut, best[size] - 1);
    }
  }
  return best;
}
