/**
 * Turns chunks of output into whole lines. Standard output and error of a task are cut apart, so that a line of one is never
 * broken by the other. A line longer than the cap is given out in pieces rather than kept.
 */
import { StringDecoder } from 'node:string_decoder';
import type { LogData } from '@boi/client';

const LINE_CHARACTERS_MAX = 64 * 1024;

export interface LogLine {
  readonly stream: LogData['stream'];
  /** When its first byte was written, milliseconds since the epoch, if known. */
  readonly at: number | undefined;
  /** Without its end. */
  readonly text: string;
}

interface Pending {
  readonly decoder: StringDecoder;
  text: string;
  at: number | undefined;
}

export class LogLines {
  readonly #streams = new Map<LogData['stream'], Pending>();

  *take(data: LogData): Generator<LogLine> {
    let pending = this.#streams.get(data.stream);
    if (pending === undefined) {
      pending = { decoder: new StringDecoder('utf8'), text: '', at: undefined };
      this.#streams.set(data.stream, pending);
    }
    const parts = (pending.text + pending.decoder.write(data.bytes)).split('\n');
    const last = parts.pop() ?? '';
    for (const [i, part] of parts.entries()) {
      const at = i === 0 && pending.text !== '' ? pending.at : data.at;
      yield { stream: data.stream, at, text: part.endsWith('\r') ? part.slice(0, -1) : part };
    }
    if (parts.length > 0 || pending.text === '') pending.at = data.at;
    pending.text = last;
    if (last.length > LINE_CHARACTERS_MAX) {
      yield { stream: data.stream, at: pending.at, text: last };
      pending.text = '';
    }
  }

  /** What is left without an end of line, when the output has ended or goes on in another log. */
  *flush(): Generator<LogLine> {
    for (const [stream, pending] of this.#streams) {
      const text = pending.text + pending.decoder.end();
      if (text !== '') yield { stream, at: pending.at, text };
    }
    this.#streams.clear();
  }

  /** Those with a line that was begun. */
  streams(): LogLine['stream'][] {
    return [...this.#streams].flatMap(([stream, { text }]) => (text === '' ? [] : [stream]));
  }
}

export function timestamp(at: number | undefined): string {
  return at === undefined ? '-'.padEnd(24) : new Date(at).toISOString();
}
