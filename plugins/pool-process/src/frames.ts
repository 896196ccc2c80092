/** The output of a run on disk: frames of one byte for the stream (1 or 2), four for the length, and the bytes. Only appended to. */
import { open } from 'node:fs/promises';

export const HEADER_BYTES = 5;
/** Of one read, and so of one chunk. */
const READ_BYTES_MAX = 262_144;

export interface Frame {
  readonly stream: 1 | 2;
  readonly data: Buffer;
}

export function encodeFrame(stream: 1 | 2, data: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = stream;
  header.writeUInt32BE(data.length, 1);
  return Buffer.concat([header, data]);
}

/** Whole frames from byte `at` of the file on, at most about 256 KiB; a frame that is being written is left for the next call. */
export async function readFrames(
  path: string,
  at: number,
): Promise<{ readonly frames: Frame[]; readonly next: number }> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return { frames: [], next: at };
  try {
    const buffer = Buffer.alloc(READ_BYTES_MAX);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    const frames: Frame[] = [];
    let next = 0;
    while (next + HEADER_BYTES <= bytesRead) {
      const length = buffer.readUInt32BE(next + 1);
      if (next + HEADER_BYTES + length > bytesRead) break;
      const data = Buffer.from(buffer.subarray(next + HEADER_BYTES, next + HEADER_BYTES + length));
      frames.push({ stream: buffer[next] === 2 ? 2 : 1, data });
      next += HEADER_BYTES + length;
    }
    return { frames, next: at + next };
  } finally {
    await file.close();
  }
}
