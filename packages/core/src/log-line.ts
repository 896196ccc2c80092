/**
 * A `data` event of a log stream as its line of bytes. Output is nearly all of such a line, and base64 needs no escapes: a node
 * that writes one copies it in, a node that relays one passes it on and reads but its head, a client decodes it in place. As
 * JSON strings, made and parsed at each of the three, it was most of what a relayed log cost.
 *
 * The line is JSON like any other {@link LogEvent}; what {@link splitDataLine} does not know is to be read as such.
 */
import type { LogEvent } from './api-views.ts';

export type DataHead = Omit<Extract<LogEvent, { type: 'data' }>, 'type' | 'data'>;

export interface SplitDataLine extends DataHead {
  /** Where its base64 begins and ends in the line. */
  readonly from: number;
  readonly to: number;
  /** Of output. */
  readonly bytes: number;
}

const BEGIN = Buffer.from('{"type":"data",');
const DATA = Buffer.from('"data":"');
/** Longer than any head: two numbers of 16 digits and a stream. */
const HEAD_BYTES_MAX = 160;
const [QUOTE, BRACE, EQUALS] = [0x22, 0x7d, 0x3d];

/** With its end of line. */
export function dataLine({ offset, stream, at }: DataHead, bytes: Buffer): Buffer {
  const time = at === undefined ? '' : `,"at":${at}`;
  const head = `{"type":"data","offset":${offset},"stream":"${stream}"${time},"data":"`;
  const base64 = bytes.toString('base64');
  const line = Buffer.allocUnsafe(head.length + base64.length + 3);
  line.write(head, 0, 'latin1');
  line.write(base64, head.length, 'latin1');
  line.write('"}\n', head.length + base64.length, 'latin1');
  return line;
}

/** `line` without its end of line. Undefined: not a data event, or not in the form that {@link dataLine} gives it. */
export function splitDataLine(line: Buffer): SplitDataLine | undefined {
  if (!line.subarray(0, BEGIN.length).equals(BEGIN)) return undefined;
  const head = line.subarray(0, HEAD_BYTES_MAX).indexOf(DATA);
  if (head < 0) return undefined;
  const from = head + DATA.length;
  const to = line.indexOf(QUOTE, from);
  if (to !== line.length - 2 || line[to + 1] !== BRACE || (to - from) % 4 !== 0) return undefined;
  const padding = to === from || line[to - 1] !== EQUALS ? 0 : line[to - 2] !== EQUALS ? 1 : 2;
  const { offset, stream, at } = JSON.parse(`${line.toString('latin1', 0, from)}"}`) as Extract<
    LogEvent,
    { type: 'data' }
  >;
  return { offset, stream, ...(at === undefined ? {} : { at }), from, to, bytes: ((to - from) / 4) * 3 - padding };
}
