/**
 * Records in order of their keys: an array of arrays of at most {@link CHUNK_MAX}, found by binary search in both. Adding
 * and removing move at most one chunk; a million records are some three thousand chunks. Nothing here knows of revisions.
 */
const CHUNK_MAX = 512;

export class SortedRecords<T extends { readonly key: string }> {
  readonly #chunks: T[][] = [];

  /** The key must not be there yet. */
  add(record: T): void {
    const at = this.#chunkOf(record.key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([record]);
      return;
    }
    chunk.splice(lowerBound(chunk, record.key), 0, record);
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_MAX / 2));
  }

  delete(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const index = lowerBound(chunk, key);
    if (chunk[index]?.key !== key) return;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Visits the records of `[start, end)` in order until `visit` answers false. The visitor must not add or delete. */
  scan(start: string, end: string, visit: (record: T) => boolean): void {
    let at = this.#chunkOf(start);
    let chunk = this.#chunks[at];
    if (chunk === undefined) return;
    let index = lowerBound(chunk, start);
    for (;;) {
      const record = chunk[index];
      if (record === undefined) {
        at += 1;
        chunk = this.#chunks[at];
        if (chunk === undefined) return;
        index = 0;
        continue;
      }
      if (record.key >= end || !visit(record)) return;
      index += 1;
    }
  }

  /** The last chunk whose first key is not after `key`, or the first chunk. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && first.key <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

function lowerBound(chunk: readonly { readonly key: string }[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] as { key: string }).key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
