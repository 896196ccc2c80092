/**
 * Rates a node lower the more tasks of the same spec were advised to its place before, and much lower if an earlier attempt
 * failed on it. A place is a node, or all nodes with the same value of a label. What is remembered is advice given, not
 * placements: good enough to spread, and lost without harm.
 */
import type { router } from '@boi/plugin-sdk';

/** Of an earlier attempt that failed on the node. */
const FAILED_FACTOR = 0.05;
/** The least rating: 0 would forbid. */
const PREFERENCE_MIN = 0.001;
/** Specs remembered; the least recently seen is forgotten first. */
const SPECS_MAX = 1_000;

type Candidate = router.HintRequest__Output['candidates'][number];

export class Spread {
  readonly #label: string | undefined;
  readonly #counts = new Map<string, Map<string, number>>();

  /** `label`: whose values are the places. Default: each node is one. */
  constructor(label?: string) {
    this.#label = label;
  }

  hint({ tasks, candidates }: router.HintRequest__Output): router.TaskHint[] {
    return tasks.map(({ taskId, specId, eligible, failedNodeIds }) => {
      const counts = this.#countsOf(specId);
      const nodes = eligible.flatMap((index) => {
        const candidate = candidates[index];
        if (candidate === undefined) return [];
        const advised = counts.get(this.#placeOf(candidate)) ?? 0;
        const failed = failedNodeIds.includes(candidate.nodeId) ? FAILED_FACTOR : 1;
        return [{ candidate, preference: Math.max(PREFERENCE_MIN, (freeShare(candidate) * failed) / (1 + advised)) }];
      });
      const best = nodes.reduce<(typeof nodes)[number] | undefined>(
        (a, b) => (a !== undefined && a.preference >= b.preference ? a : b),
        undefined,
      );
      if (best !== undefined) {
        const place = this.#placeOf(best.candidate);
        counts.set(place, (counts.get(place) ?? 0) + 1);
      }
      return { taskId, nodes: nodes.map(({ candidate, preference }) => ({ nodeId: candidate.nodeId, preference })) };
    });
  }

  #placeOf(candidate: Candidate): string {
    return (this.#label === undefined ? undefined : candidate.capabilities[this.#label]) ?? candidate.nodeId;
  }

  #countsOf(specId: string): Map<string, number> {
    const counts = this.#counts.get(specId) ?? new Map<string, number>();
    this.#counts.delete(specId);
    this.#counts.set(specId, counts);
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > SPECS_MAX && oldest !== undefined) this.#counts.delete(oldest);
    return counts;
  }
}

/** Above 0 to 1: what part of a node's slots is neither busy nor spoken for. */
function freeShare({ slots, busy, queued }: Candidate): number {
  return Math.max(0.1, (slots - busy - queued) / Math.max(1, slots));
}
