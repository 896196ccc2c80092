/**
 * Output of tasks made safe to keep and to show: no escape sequences, no control characters but newline and tab, no bidi
 * overrides, no broken UTF-8, and no more than so many bytes. A carriage return, with which programs redraw a line,
 * becomes a newline.
 */

export interface SanitizeOptions {
  /** UTF-8 bytes of the answer, at most; cut between code points. */
  readonly bytesMax: number;
  /** Which end is kept when it is too long. Default `tail`. */
  readonly keep?: 'head' | 'tail';
}

export function sanitize(output: Uint8Array | string, options: SanitizeOptions): string {
  const { bytesMax, keep = 'tail' } = options;
  const bytes =
    typeof output === 'string'
      ? Buffer.from(output, 'utf8')
      : Buffer.from(output.buffer, output.byteOffset, output.byteLength);
  // Colour can be most of a log: a window eight times as large is looked at, so that what is left still fills the answer.
  const window = 8 * bytesMax + WINDOW_EXTRA;
  const part =
    bytes.length <= window
      ? bytes
      : keep === 'tail'
        ? bytes.subarray(bytes.length - window)
        : bytes.subarray(0, window);
  const clean = part.toString('utf8').replace(SEQUENCES, '').replace(/\r\n?/g, '\n').replace(UNSAFE, '');
  return clipBytes(clean, bytesMax, keep);
}

/** The first or last at most `bytesMax` UTF-8 bytes of a text, cut between code points. */
export function clipBytes(text: string, bytesMax: number, keep: 'head' | 'tail'): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= bytesMax) return text;
  if (keep === 'head') {
    let end = bytesMax;
    while (end > 0 && isContinuation(bytes[end])) end--;
    return bytes.toString('utf8', 0, end);
  }
  let start = bytes.length - bytesMax;
  while (start < bytes.length && isContinuation(bytes[start])) start++;
  return bytes.toString('utf8', start);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

const WINDOW_EXTRA = 256;
const ESC = '\\u001b';
/**
 * ECMA-48: strings (OSC, DCS, SOS, PM, APC) up to their terminator or the line's end, control sequences, and two-character
 * escapes. Each also in its one-character form of the C1 set.
 */
const SEQUENCES = new RegExp(
  [
    `(?:${ESC}[PX\\]^_]|[\\u0090\\u0098\\u009d\\u009e\\u009f])[^\\u0007\\u001b\\u009c\\n]*(?:\\u0007|\\u009c|${ESC}\\\\)?`,
    `(?:${ESC}\\[|\\u009b)[0-?]*[ -/]*[@-~]?`,
    `${ESC}[ -/]*[0-~]?`,
  ].join('|'),
  'g',
);
/** Controls but tab and newline; bidi controls; what a decoder puts for broken bytes; lone surrogates. */
const UNSAFE = /(?![\t\n])\p{Cc}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd\u2028\u2029]|\p{Cs}/gu;
