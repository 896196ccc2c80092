/** The chunks of a spec that is being dispatched, and its tasks by chunk. Pure. */
import type { TaskDefinition } from '@boi/core';
import type { FreshTask } from './fresh-records.ts';
import { type BodyChunk, type EncodedChunk, encodeBody } from './spec-body.ts';

/** Chunks encoded once, whichever way they are written in the end. */
export class ChunkList {
  readonly #tasks: readonly TaskDefinition[];
  readonly #made: EncodedChunk[] = [];
  readonly #source: Generator<EncodedChunk>;

  constructor(tasks: readonly TaskDefinition[]) {
    this.#tasks = tasks;
    this.#source = encodeBody(tasks);
  }

  *[Symbol.iterator](): Generator<EncodedChunk> {
    for (let n = 0; ; n++) {
      let chunk = this.#made[n];
      if (chunk === undefined) {
        const next = this.#source.next();
        if (next.done === true) return;
        chunk = next.value;
        this.#made.push(chunk);
      }
      yield chunk;
    }
  }

  all(): readonly EncodedChunk[] {
    return [...this];
  }

  /** The same in the form in which a stored body is read. */
  async *bodies(): AsyncGenerator<BodyChunk & { readonly n: number }> {
    for (const { n, first, count } of this) yield { n, first, tasks: this.#tasks.slice(first - 1, first - 1 + count) };
  }
}

/** Tasks with the chunk that has each; without chunks their definitions go inline. */
export function* freshTasks(
  tasks: readonly TaskDefinition[],
  chunks: readonly EncodedChunk[] | undefined,
): Generator<FreshTask> {
  if (chunks === undefined) {
    for (const [i, definition] of tasks.entries()) yield { index: i + 1, definition };
    return;
  }
  for (const { n, first, count } of chunks) {
    for (let i = 0; i < count; i++) {
      yield { index: first + i, definition: tasks[first - 1 + i] as TaskDefinition, chunk: n };
    }
  }
}
