/**
 * How many archived specs there are, how large they are, and which are the oldest beyond the budget. Pure. Counted anew with
 * each whole look of the archiver; between them what is archived is added, so that it is known when the next one is needed.
 */
import type { SpecHeader } from '../records.ts';

/** Removed down to this part of the budget, so that the next archived spec does not ask for another whole look. */
const DOWN_TO = 0.9;

export interface ArchivedSpec {
  /** Of its header. */
  readonly key: string;
  readonly endedAt: number;
  readonly bytes: number;
}

export class ArchiveBudget {
  readonly #specsMax: number;
  readonly #bytesMax: number;
  #specs: ArchivedSpec[] = [];
  #bytes = 0;

  constructor(specsMax: number, bytesMax: number) {
    this.#specsMax = specsMax;
    this.#bytesMax = bytesMax;
  }

  get exceeded(): boolean {
    return this.#specs.length > this.#specsMax || this.#bytes > this.#bytesMax;
  }

  clear(): void {
    this.#specs = [];
    this.#bytes = 0;
  }

  add(key: string, header: SpecHeader): void {
    const { archived, bodyBytes = 0, endedAt, createdAt } = header;
    const bytes = (archived?.bytes ?? 0) + bodyBytes + JSON.stringify(header).length;
    this.#specs.push({ key, endedAt: endedAt ?? createdAt, bytes });
    this.#bytes += bytes;
  }

  /** Takes out, oldest first, as many as must go for the others to be well within the budget; none while it is kept. */
  takeExcess(): readonly ArchivedSpec[] {
    if (!this.exceeded) return [];
    this.#specs.sort((a, b) => a.endedAt - b.endedAt || (a.key < b.key ? -1 : 1));
    let count = 0;
    let bytes = this.#bytes;
    while (this.#specs.length - count > DOWN_TO * this.#specsMax || bytes > DOWN_TO * this.#bytesMax) {
      bytes -= (this.#specs[count] as ArchivedSpec).bytes;
      count++;
    }
    this.#bytes = bytes;
    return this.#specs.splice(0, count);
  }
}
