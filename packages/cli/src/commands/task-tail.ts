/** `task tail`: the output of one task; standard output and error stay apart. */
import type { LogData, LogItem } from '@boi/client';
import type { LogQuery } from '@boi/core';
import type { Args } from '../args.ts';
import { untilDetached } from '../follow/detach.ts';
import { type LastLines, readLastLines } from '../follow/last-lines.ts';
import { type LogLine, LogLines, timestamp } from '../follow/log-lines.ts';
import { type Output, write } from '../io.ts';
import { forTerminal } from '../output/width.ts';
import type { Session } from '../session.ts';

export function tailTask(session: Session, args: Args): Promise<number> {
  const task = args.one('task');
  return untilDetached(
    session,
    () => 'detached; the task goes on',
    async (signal) => {
      const read = (query: LogQuery) => session.readLog(task, { query, signal });
      const lines = args.number('tail');
      const printer = new TailPrinter(session, { timestamps: args.switch('timestamps'), byLine: lines !== undefined });
      let query: LogQuery | undefined = logQuery(args);
      if (lines !== undefined && lines > 0) {
        const last = await readLastLines(read, query, lines);
        await printer.goOnFrom(last);
        query = last.next;
      }
      if (query !== undefined) for await (const item of read(query)) await printer.take(item);
      await printer.end();
      return 0;
    },
  );
}

function logQuery(args: Args): LogQuery {
  const attempt = args.number('attempt');
  const offset = args.number('since-bytes');
  const none = args.number('tail') === 0;
  return {
    ...(attempt === undefined ? {} : { attempt }),
    ...(none ? { tailBytes: 0 } : offset === undefined ? {} : { offset }),
    ...(args.switch('follow') ? { follow: true } : {}),
  };
}

class TailPrinter {
  readonly #session: Session;
  readonly #timestamps: boolean;
  /** Bytes go through untouched unless something is to be done with lines. */
  readonly #byLine: boolean;
  #lines = new LogLines();
  /** The log that was begun last. */
  #log = '';

  constructor(session: Session, { timestamps, byLine }: { readonly timestamps: boolean; readonly byLine: boolean }) {
    this.#session = session;
    this.#timestamps = timestamps;
    this.#byLine = byLine || timestamps || session.io.stdout.isTTY === true;
  }

  /** Prints the last lines, and has what was begun of the next. */
  async goOnFrom({ lines, remarks, rest, next }: LastLines): Promise<void> {
    // Where it goes on, a log that cannot be had is told of again.
    const told = next === undefined || next.offset !== undefined;
    for (const item of remarks) if (told || item.type !== 'note') await this.take(item);
    for (const line of lines) await this.#line(line);
    this.#lines = rest;
  }

  async take(item: LogItem): Promise<void> {
    switch (item.type) {
      case 'data':
        if (!this.#byLine) return write(this.#target(item.stream), item.bytes);
        for (const line of this.#lines.take(item)) await this.#line(line);
        return;
      case 'begin': {
        const log = `${item.attempt}.${item.delivery}`;
        // Asked for again, behind the lines that were shown.
        if (log === this.#log) return;
        const first = this.#log === '';
        this.#log = log;
        // What the attempt before it left unfinished is a line of its own.
        await this.end();
        // A later one is announced by a note.
        if (first && (item.attempt > 1 || item.delivery > 1))
          this.#session.note(`-- attempt ${item.attempt}, delivery ${item.delivery}, on ${item.node}`);
        return;
      }
      case 'gap':
        return this.#session.note(`-- ${item.to - item.offset} bytes are gone`);
      case 'note':
        return this.#session.note(`-- ${item.text}`);
      case 'link':
        return this.#session.note(
          item.state === 'lost' ? `-- connection lost (${item.text}); trying again` : `-- connected to ${item.text}`,
        );
      case 'end':
        return;
    }
  }

  async end(): Promise<void> {
    for (const line of this.#lines.flush()) await this.#line(line);
  }

  async #line({ stream, at, text }: LogLine): Promise<void> {
    const to = this.#target(stream);
    const stamped = `${this.#timestamps ? `${timestamp(at)} ` : ''}${text}`;
    await write(to, `${to.isTTY ? forTerminal(stamped) : stamped}\n`);
  }

  #target(stream: LogData['stream']): Output {
    return stream === 'stdout' ? this.#session.io.stdout : this.#session.io.stderr;
  }
}
