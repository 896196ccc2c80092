/**
 * A container's log as the engine sends it with timestamps: for each message a byte for the stream (1 or 2), three of nothing, four of
 * length, the time, a space, and the data. Bytes come in pieces cut anywhere; what is whole of them is given on at once.
 *
 * A message is a line with its end, or a part of a line of 16 KiB and more; all parts of a line have one time. Engines before 23 lose
 * the end of such a line. It is put back: on one stream nothing can follow a line without an end, so where a message of another
 * time does, there was one. Only of such a line at the end of everything is it not known.
 */
const HEADER_BYTES = 8;
const SPACE = 0x20;
const END = Buffer.from('\n');

export interface Piece {
  readonly stream: 1 | 2;
  readonly data: Buffer;
}

export class LogFrames {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Of the message, from here on. */
  #left = 0;
  /** Of the message, as far as it was read; undefined when its data have begun. */
  #time: string | undefined;
  readonly #lines = { 1: { time: '', ended: true }, 2: { time: '', ended: true } };

  /** The data in these bytes; neighbours of one stream are joined, so that a thousand short lines are no thousand pieces. */
  feed(bytes: Buffer): Piece[] {
    const pieces: { stream: 1 | 2; parts: Buffer[] }[] = [];
    const give = (stream: 1 | 2, data: Buffer) => {
      this.#lines[stream].ended = data.at(-1) === END[0];
      const last = pieces.at(-1);
      if (last?.stream === stream) last.parts.push(data);
      else pieces.push({ stream, parts: [data] });
    };
    for (let at = 0; at < bytes.length; ) {
      if (this.#left === 0) {
        at += this.#readHeader(bytes.subarray(at));
        continue;
      }
      const stream = this.#header[0] === 2 ? 2 : 1;
      const rest = bytes.subarray(at, at + this.#left);
      const taken = this.#time === undefined ? rest : rest.subarray(0, rest.indexOf(SPACE) + 1 || rest.length);
      at += taken.length;
      this.#left -= taken.length;
      if (this.#time === undefined) give(stream, taken);
      else if (this.#readTime(taken)) {
        const line = this.#lines[stream];
        if (!line.ended && (line.time !== this.#time || this.#left === 0)) give(stream, END);
        line.time = this.#time;
        this.#time = undefined;
      }
    }
    return pieces.map(({ stream, parts }) => ({ stream, data: Buffer.concat(parts) }));
  }

  /** How many bytes it took. */
  #readHeader(bytes: Buffer): number {
    const taken = bytes.copy(this.#header, this.#headerBytes, 0, HEADER_BYTES - this.#headerBytes);
    this.#headerBytes += taken;
    if (this.#headerBytes < HEADER_BYTES) return taken;
    this.#headerBytes = 0;
    this.#left = this.#header.readUInt32BE(4);
    this.#time = '';
    return taken;
  }

  /** Whether it is read to its end. */
  #readTime(bytes: Buffer): boolean {
    this.#time += bytes.toString('latin1');
    return bytes.at(-1) === SPACE;
  }
}
