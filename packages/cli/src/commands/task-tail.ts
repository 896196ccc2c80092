/** `task tail`: the output of one task; standard output and error stay apart. */
import type { LogData, LogItem } from '@boi/client';
import type { LogQuery } from '@boi/core';
import type { Args } from '../args.ts';
import { untilDetached } from '../follow/detach.ts';
import { LogLines, timestamp } from '../follow/log-lines.ts';
import { type Output, write } from '../io.ts';
import { forTerminal } from '../output/width.ts';
import type { Session } from '../session.ts';

/** Enough for any sensible line, so that N lines are found in one read. */
const LINE_BYTES_GUESS = 1_024;

export function tailTask(session: Session, args: Args): Promise<number> {
  const task = args.one('task');
  return untilDetached(
    session,
    () => 'detached; the task goes on',
    async (signal) => {
      const lines = args.number('tail');
      const query = logQuery(args, lines);
      const printer = new TailPrinter(session, args.switch('timestamps'), lines);
      for await (const item of session.readLog(task, { query, signal })) await printer.take(item);
      await printer.end();
      return 0;
    },
  );
}

function logQuery(args: Args, lines: number | undefined): LogQuery {
  const attempt = args.number('attempt');
  const offset = args.number('since-bytes');
  return {
    ...(attempt === undefined ? {} : { attempt }),
    ...(offset === undefined ? {} : { offset }),
    ...(lines === undefined || offset !== undefined ? {} : { tailBytes: lines * LINE_BYTES_GUESS }),
    ...(args.switch('follow') ? { follow: true } : {}),
  };
}

class TailPrinter {
  readonly #session: Session;
  readonly #timestamps: boolean;
  readonly #lines = new LogLines();
  readonly #linesMax: number | undefined;
  #held: { readonly stream: LogData['stream']; readonly text: string }[] = [];
  #holding: boolean;

  constructor(session: Session, timestamps: boolean, linesMax: number | undefined) {
    this.#session = session;
    this.#timestamps = timestamps;
    this.#linesMax = linesMax;
    this.#holding = linesMax !== undefined;
  }

  async take(item: LogItem): Promise<void> {
    switch (item.type) {
      case 'data':
        if (!this.#byLine) return write(this.#target(item.stream), item.bytes);
        for (const line of this.#lines.take(item)) await this.#line(line.stream, this.#stamped(line.at) + line.text);
        // What there was has come once new output follows it; from then on nothing is held back.
        if (this.#holding && item.at !== undefined && item.at >= this.#session.io.now() - 500) await this.#release();
        return;
      case 'begin':
        if (item.attempt > 1 || item.delivery > 1)
          this.#session.note(`-- attempt ${item.attempt}, delivery ${item.delivery}, on ${item.node}`);
        return;
      case 'gap':
        return this.#session.note(`-- ${item.to - item.offset} bytes are gone`);
      case 'note':
        return this.#session.note(`-- ${forTerminal(item.text)}`);
      case 'link':
        return this.#session.note(
          item.state === 'lost' ? `-- connection lost (${item.text}); trying again` : `-- connected to ${item.text}`,
        );
      case 'end':
        return;
    }
  }

  async end(): Promise<void> {
    for (const line of this.#lines.flush()) await this.#line(line.stream, this.#stamped(line.at) + line.text);
    await this.#release();
  }

  /** Bytes go through untouched unless something is to be done with lines. */
  get #byLine(): boolean {
    return this.#timestamps || this.#linesMax !== undefined || this.#session.io.stdout.isTTY === true;
  }

  #stamped(at: number | undefined): string {
    return this.#timestamps ? `${timestamp(at)} ` : '';
  }

  async #line(stream: LogData['stream'], text: string): Promise<void> {
    if (this.#holding) {
      this.#held.push({ stream, text });
      if (this.#held.length > (this.#linesMax ?? 0)) this.#held.shift();
      return;
    }
    const to = this.#target(stream);
    await write(to, `${to.isTTY ? forTerminal(text) : text}\n`);
  }

  async #release(): Promise<void> {
    this.#holding = false;
    for (const { stream, text } of this.#held) await this.#line(stream, text);
    this.#held = [];
  }

  #target(stream: LogData['stream']): Output {
    return stream === 'stdout' ? this.#session.io.stdout : this.#session.io.stderr;
  }
}
