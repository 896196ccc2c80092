/**
 * The engine's framing of two streams in one: a byte for the stream (1 or 2), three of nothing, four of length, then the data. Bytes
 * come in pieces cut anywhere; what is whole of them is given on at once, a frame that is cut in several parts.
 */
const HEADER_BYTES = 8;

export interface Piece {
  readonly stream: 1 | 2;
  readonly data: Buffer;
}

export class LogFrames {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #left = 0;

  /** The data in these bytes; neighbours of one stream are joined, so that a thousand short lines are no thousand messages. */
  feed(bytes: Buffer): Piece[] {
    const pieces: { stream: 1 | 2; parts: Buffer[] }[] = [];
    for (let at = 0; at < bytes.length; ) {
      if (this.#left === 0) {
        const taken = bytes.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
        at += taken;
        this.#headerBytes += taken;
        if (this.#headerBytes < HEADER_BYTES) break;
        this.#headerBytes = 0;
        this.#left = this.#header.readUInt32BE(4);
        continue;
      }
      const data = bytes.subarray(at, at + this.#left);
      at += data.length;
      this.#left -= data.length;
      const stream = this.#header[0] === 2 ? 2 : 1;
      const last = pieces.at(-1);
      if (last?.stream === stream) last.parts.push(data);
      else pieces.push({ stream, parts: [data] });
    }
    return pieces.map(({ stream, parts }) => ({ stream, data: Buffer.concat(parts) }));
  }
}
