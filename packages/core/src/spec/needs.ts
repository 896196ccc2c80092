/**
 * Resolves `needs` to the indexes of tasks. A need that is the same for all instances of a task is resolved once and
 * shared between them; the number of edges is bounded before any list is made.
 */
import type { Instances } from './instances.ts';
import { SPEC_LIMITS } from './limits.ts';
import type { Hint } from './suggest.ts';

/** A task of the file with its place in the expansion. */
export interface Placed {
  readonly ref: string;
  readonly instances: Instances;
  /** Index of its first instance, from 1. */
  readonly first: number;
}

export class NeedsResolver {
  readonly #tasks: ReadonlyMap<string, Placed>;
  readonly #refs: readonly string[];
  readonly #single = new Map<string, readonly number[]>();
  readonly #combined = new Map<string, readonly number[]>();
  readonly #hint: Hint;
  #edges = 0;
  #templated = 0;

  constructor(tasks: ReadonlyMap<string, Placed>, hint: Hint) {
    this.#tasks = tasks;
    this.#hint = hint;
    this.#refs = [...tasks.keys()];
  }

  /** Counts needs of one task; false once there are too many in the spec. */
  count(needs: number): boolean {
    this.#edges += needs;
    return this.#edges <= SPEC_LIMITS.edgesMax;
  }

  /** Counts needs that differ from instance to instance; false once there are too many. */
  countTemplated(count: number): boolean {
    this.#templated += count;
    return this.#templated <= SPEC_LIMITS.templatedNeedsMax;
  }

  /** The tasks meant by several needs together, ascending, each once; tells `problem` what is wrong with which. */
  all(texts: readonly string[], problem: (at: number, message: string) => void): readonly number[] {
    if (texts.length === 1) return this.one(texts[0] as string, (message) => problem(0, message));
    const key = texts.join('\n');
    const known = this.#combined.get(key);
    if (known !== undefined) return known;
    let faulty = false;
    const merged = new Set<number>();
    texts.forEach((text, at) => {
      const indexes = this.one(text, (message) => {
        faulty = true;
        problem(at, message);
      });
      if (merged.size <= SPEC_LIMITS.needsMax) for (const index of indexes) merged.add(index);
    });
    const sorted = [...merged].sort((a, b) => a - b);
    if (!faulty && this.#combined.size < CACHED_MAX) this.#combined.set(key, sorted);
    return sorted;
  }

  /** The tasks meant by one need. Ascending. Of a very large task, one more than the limit is enough to refuse it. */
  one(text: string, problem: (message: string) => void): readonly number[] {
    const known = this.#single.get(text);
    if (known !== undefined) return known;
    const match = /^([^[\]]*)(?:\[([^[\]]*)\])?$/.exec(text.trim());
    const ref = match?.[1] ?? text;
    const task = this.#tasks.get(ref);
    if (match === null || task === undefined) {
      const shown = ref.length > 80 ? `${ref.slice(0, 77)}…` : ref;
      problem(`there is no task ${JSON.stringify(shown)}${this.#hint(ref, this.#refs)}`);
      return [];
    }
    const size = Math.min(task.instances.size, SPEC_LIMITS.needsMax + 1);
    const chosen =
      match[2] === undefined
        ? Array.from({ length: size }, (_, i) => i)
        : task.instances.select(match[2], (message) => problem(`"${ref}" ${message}`));
    const indexes = chosen.map((i) => task.first + i);
    if (indexes.length > 0 && this.#single.size < CACHED_MAX) this.#single.set(text, indexes);
    return indexes;
  }
}

const CACHED_MAX = 10_000;
