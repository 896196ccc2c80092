/** The last bytes of a task's output, kept in memory for its result: bounded, masked before they come here, sanitized. */
import { sanitize } from '@boi/core';

/** A result record's share of the store. */
export const TAIL_BYTES_MAX = 2_048;
/** Escape sequences and invalid bytes vanish or grow in sanitizing, so somewhat more is kept. */
export const TAIL_KEPT_BYTES = 4 * TAIL_BYTES_MAX;

export class OutputTail {
  #chunks: Buffer[] = [];
  #bytes = 0;

  add(chunk: Buffer): void {
    // A copy: a slice would keep the whole of its pipe's buffer alive.
    const kept = Buffer.from(chunk.subarray(Math.max(0, chunk.length - TAIL_KEPT_BYTES)));
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    if (this.#bytes <= 2 * TAIL_KEPT_BYTES && this.#chunks.length < 64) return;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [Buffer.from(whole.subarray(Math.max(0, whole.length - TAIL_KEPT_BYTES)))];
    this.#bytes = this.#chunks[0]?.length ?? 0;
  }

  /** UTF-8 text of at most {@link TAIL_BYTES_MAX} bytes. */
  text(): string {
    if (this.#bytes === 0) return '';
    const whole = Buffer.concat(this.#chunks);
    return sanitize(whole.subarray(Math.max(0, whole.length - TAIL_KEPT_BYTES)), { bytesMax: TAIL_BYTES_MAX });
  }
}
