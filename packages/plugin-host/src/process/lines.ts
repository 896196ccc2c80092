/** Lines from chunks of bytes, bounded: a line that does not end is cut into pieces, so nothing a program writes is kept long. */
export const LINE_BYTES_MAX = 8_192;

export function lineSplitter(onLine: (line: string, cut: boolean) => void): {
  write(chunk: Buffer): void;
  end(): void;
} {
  let kept: Buffer = Buffer.alloc(0);
  const emit = (bytes: Buffer, cut: boolean) => onLine(bytes.toString('utf8').replace(/\r$/, ''), cut);
  return {
    write: (chunk) => {
      let rest = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
      for (;;) {
        const at = rest.indexOf(10);
        if (at >= 0 && at <= LINE_BYTES_MAX) {
          emit(rest.subarray(0, at), false);
          rest = rest.subarray(at + 1);
        } else if (rest.length > LINE_BYTES_MAX) {
          emit(rest.subarray(0, LINE_BYTES_MAX), true);
          rest = rest.subarray(LINE_BYTES_MAX);
        } else break;
      }
      kept = Buffer.from(rest);
    },
    end: () => {
      if (kept.length > 0) emit(kept, false);
      kept = Buffer.alloc(0);
    },
  };
}
