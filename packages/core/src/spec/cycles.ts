/** Finds tasks that need each other in a circle. Depth first along the needs, without recursion: a chain may have 200,000. */

/**
 * Cycles among tasks 1 to `count`, each as the indexes along it (the first is not repeated), at most `max`: one for each
 * edge that closes a circle in this walk, so a graph with a cycle never answers none.
 */
export function findCycles(
  count: number,
  needsOf: (index: number) => readonly number[] | undefined,
  max: number,
): number[][] {
  const cycles: number[][] = [];
  /** 0 not seen, 1 on the path, 2 done. */
  const state = new Uint8Array(count + 1);
  const next = new Int32Array(count + 1);
  const path: number[] = [];
  let length = 0;
  for (let root = 1; root <= count; root++) {
    if (state[root] !== 0) continue;
    path.push(root);
    state[root] = 1;
    while (path.length > 0) {
      const index = path[path.length - 1] as number;
      const needs = needsOf(index);
      const at = next[index] as number;
      const need = needs?.[at];
      if (need === undefined) {
        state[index] = 2;
        path.pop();
        continue;
      }
      next[index] = at + 1;
      if (state[need] === 0) {
        state[need] = 1;
        path.push(need);
      } else if (state[need] === 1) {
        const cycle = path.slice(path.lastIndexOf(need));
        cycles.push(cycle);
        length += cycle.length;
        if (cycles.length >= max || length > LENGTH_MAX) return cycles;
      }
    }
  }
  return cycles;
}

/** All cycles together: a long chain with many ways back must not fill the memory. */
const LENGTH_MAX = 300_000;
