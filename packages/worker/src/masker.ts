/**
 * Replaces secret values by `***` in a stream of bytes, also where a value is cut by the border of two chunks: the end of a
 * chunk that could be the beginning of a secret is held back until the next one, or the end, decides.
 *
 * Values of several lines are masked line by line too, since programs indent or split them. What a program transforms
 * (base64, escapes) is beyond any masking; the documentation says so.
 */

const MASK = Buffer.from('***');
/** Lines of a secret shorter than this are too common to be masked on their own (`{`, `-----`). */
const LINE_LENGTH_MIN = 8;

export class Masker {
  readonly #values: readonly string[];
  readonly #secrets: readonly Buffer[];
  readonly #lengthMax: number;
  #held = Buffer.alloc(0);

  constructor(values: Iterable<string>) {
    this.#values = [...values];
    const parts = new Set<string>();
    for (const value of this.#values) {
      if (value !== '') parts.add(value);
      const lines = value.split(/\r?\n/);
      if (lines.length > 1) for (const line of lines) if (line.length >= LINE_LENGTH_MIN) parts.add(line);
    }
    // Longest first: of two that begin at the same byte the longer one is masked.
    this.#secrets = [...parts].map((part) => Buffer.from(part)).sort((a, b) => b.length - a.length);
    this.#lengthMax = this.#secrets[0]?.length ?? 0;
  }

  get active(): boolean {
    return this.#secrets.length > 0;
  }

  /** Whether something is held back. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  /** What of the stream so far may be shown. */
  push(chunk: Buffer): Buffer {
    if (!this.active) return chunk;
    return this.#run(chunk, false);
  }

  /** What was held back; the stream has ended. */
  flush(): Buffer {
    return this.#run(Buffer.alloc(0), true);
  }

  /** A whole text at once; the state of the stream is not touched. */
  text(text: string): string {
    if (!this.active) return text;
    return new Masker(this.#values).#run(Buffer.from(text), true).toString();
  }

  #run(chunk: Buffer, ended: boolean): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const out: Buffer[] = [];
    let at = 0;
    for (;;) {
      const hold = ended ? bytes.length : this.#holdFrom(bytes, at);
      const match = this.#firstMatch(bytes, at, hold);
      if (match === undefined) {
        out.push(bytes.subarray(at, hold));
        this.#held = Buffer.from(bytes.subarray(hold));
        break;
      }
      out.push(bytes.subarray(at, match.at), MASK);
      at = match.at + match.length;
    }
    return out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out);
  }

  /** The first byte from which the rest could be the beginning of a secret. */
  #holdFrom(bytes: Buffer, from: number): number {
    for (let i = Math.max(from, bytes.length - this.#lengthMax + 1); i < bytes.length; i++) {
      const rest = bytes.subarray(i);
      if (this.#secrets.some((s) => s.length > rest.length && s.subarray(0, rest.length).equals(rest))) return i;
    }
    return bytes.length;
  }

  #firstMatch(bytes: Buffer, from: number, before: number): { at: number; length: number } | undefined {
    let first: { at: number; length: number } | undefined;
    for (const secret of this.#secrets) {
      const at = bytes.indexOf(secret, from);
      if (at >= 0 && at < before && (first === undefined || at < first.at)) first = { at, length: secret.length };
    }
    return first;
  }
}
