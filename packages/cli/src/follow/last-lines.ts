/**
 * The last lines of a log: read from near its end, and from farther back until those wanted are there and whole. The caller then
 * goes on behind them. A request of its own, since a followed stream does not tell where what there was ends and new output
 * begins, and a task that is silent for an hour must not hide its last lines for as long. For `task tail --tail`.
 */
import type { LogItem } from '@boi/client';
import type { LogQuery } from '@boi/core';
import { type LogLine, LogLines } from './log-lines.ts';

/** Enough for most lines, so that they are found in one read. */
const LINE_BYTES_GUESS = 1_024;
/** So much farther back each time that they were not. */
const WIDENING = 8;

export interface LastLines {
  readonly lines: readonly LogLine[];
  /** What else was told: gaps, and why there is no log. */
  readonly remarks: readonly LogItem[];
  /** With `follow`: holds what was begun and is no whole line yet. */
  readonly rest: LogLines;
  /** With `follow`: from where to go on; undefined if nothing more will come. */
  readonly next: LogQuery | undefined;
}

interface Found extends LastLines {
  /** Where the reading began in the log. */
  readonly from: number;
  /** All wanted lines are there, each with its beginning. */
  readonly whole: boolean;
}

/** `query` says which log, and may have an `offset`: then the lines behind it are meant. */
export async function readLastLines(
  read: (query: LogQuery) => AsyncIterable<LogItem>,
  { follow = false, ...query }: LogQuery,
  count: number,
): Promise<LastLines> {
  if (query.offset !== undefined) return readFrom(read, query, count, follow);
  let before = Number.POSITIVE_INFINITY;
  for (let tailBytes = count * LINE_BYTES_GUESS; ; tailBytes *= WIDENING) {
    const found = await readFrom(read, { ...query, tailBytes }, count, follow);
    if (found.whole || found.from >= before) return found;
    before = found.from;
  }
}

async function readFrom(
  read: (query: LogQuery) => AsyncIterable<LogItem>,
  query: LogQuery,
  count: number,
  follow: boolean,
): Promise<Found> {
  const rest = new LogLines();
  const remarks: LogItem[] = [];
  const held: { readonly line: LogLine; readonly first: boolean }[] = [];
  const streams = new Set<LogLine['stream']>();
  const hold = (line: LogLine) => {
    held.push({ line, first: !streams.has(line.stream) });
    streams.add(line.stream);
    if (held.length > count) held.shift();
  };
  let begin: Extract<LogItem, { type: 'begin' }> | undefined;
  let offset: number | undefined;
  let complete = false;
  for await (const item of read(query)) {
    if (item.type === 'data') {
      for (const line of rest.take(item)) hold(line);
      offset = item.offset + item.bytes.length;
    } else if (item.type === 'end') complete = item.complete;
    else {
      remarks.push(item);
      if (item.type === 'begin') begin = item;
      else if (item.type === 'gap') offset = item.to;
    }
  }
  if (!follow) for (const line of rest.flush()) hold(line);
  const from = begin?.offset ?? 0;
  // The first line of each stream may have begun before the place where the reading did.
  const cut = held.length < count || held.some(({ first }) => first) || rest.streams().some((s) => !streams.has(s));
  let next: LogQuery | undefined;
  if (follow && begin !== undefined) {
    const { attempt, delivery } = begin;
    next = { attempt, delivery, offset: offset ?? from, follow };
  } else if (follow && !complete) next = { ...withoutTail(query), follow };
  return { lines: held.map(({ line }) => line), remarks, rest, next, from, whole: from === 0 || !cut };
}

function withoutTail({ tailBytes: _, ...query }: LogQuery): LogQuery {
  return query;
}
