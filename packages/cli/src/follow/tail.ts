/**
 * The output of all tasks of a spec, in whole lines, each after the ref of its task. A bounded number of tasks is read at
 * once; the others wait their turn, and miss nothing, since logs stay where they were written.
 */
import type { SpecView, TaskView } from '@boi/core';
import { escapeName } from '@boi/core/names';
import { asFailure } from '../fail.ts';
import { type Output, write } from '../io.ts';
import { colourOf, type Paint, painter, paintState } from '../output/paint.ts';
import { elapsed } from '../output/time.ts';
import { displayWidth, forTerminal, padTo } from '../output/width.ts';
import type { Session } from '../session.ts';
import { LogLines, timestamp } from './log-lines.ts';
import { waitingReasons } from './waiting.ts';

/** Streams at once: few enough for one node to serve, enough to show what a small cluster runs. */
const STREAMS_MAX = 16;
/** Of all attempts: the first ones may have failed before anybody could ask. */
export const FROM_THE_FIRST = { attempt: 1, delivery: 1, follow: true } as const;
const REF_CELLS_MAX = 32;
const FAILED: readonly string[] = ['failed', 'timed-out', 'poison'];
const COLOURS = ['cyan', 'magenta', 'yellow', 'green', 'blue'] as const;

export interface TailOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly to: Output;
  readonly signal: AbortSignal;
}

/** Answers the spec as it was last seen: ended, when following. */
export async function tailSpecTasks(session: Session, spec: string, options: TailOptions): Promise<SpecView> {
  const tail = new SpecTail(session, options);
  if (!options.follow) {
    const view = await session.client.call('spec.show', {
      params: { prj: session.project, spc: spec },
      signal: options.signal,
    });
    await tail.addStarted(view.id);
    await tail.done();
    return view;
  }
  let listed = false;
  const waiting = waitingReasons(session, spec, (line) => session.note(line), options.signal);
  try {
    for await (const event of session.followSpec(spec, { tasks: true, signal: options.signal })) {
      waiting.heard();
      if (event.type === 'task') tail.add(event.task);
      else if (event.type === 'link') {
        session.note(
          event.state === 'lost' ? `connection lost (${event.text}); trying again` : `connected to ${event.text}`,
        );
        // Changes during the cut were not told.
        if (event.state === 'restored') listed = false;
      } else {
        if (!listed || event.type === 'end') await tail.addStarted(event.spec.id);
        listed = true;
        if (event.type === 'end') {
          await tail.done();
          return event.spec;
        }
      }
      tail.throwIfBroken();
    }
  } finally {
    waiting.stop();
  }
  throw new Error('a followed spec ends with its end event');
}

class SpecTail {
  readonly #session: Session;
  readonly #options: TailOptions;
  readonly #paint: Paint;
  readonly #raw: boolean;
  readonly #seen = new Set<string>();
  readonly #waiting: TaskView[] = [];
  /** Waiting or being read, as last seen. */
  readonly #reading = new Map<string, TaskView>();
  readonly #active = new Set<Promise<void>>();
  #broken: { readonly error: unknown } | undefined;
  #refCells = 0;

  constructor(session: Session, options: TailOptions) {
    this.#session = session;
    this.#options = options;
    const choice = session.settings.get('color')?.value;
    this.#paint = painter(colourOf(typeof choice === 'string' ? choice : 'auto', options.to, session.io.env));
    this.#raw = options.to.isTTY !== true;
  }

  /** Reads a task's output from its beginning, once, as soon as it runs or has run; or tells why it could not be started. */
  add(task: TaskView): void {
    if (this.#reading.has(task.id)) this.#reading.set(task.id, task);
    const failed = FAILED.includes(task.state);
    if (this.#seen.has(task.id) || (task.startedAt === undefined && task.state !== 'running' && !failed)) return;
    this.#seen.add(task.id);
    this.#refCells = Math.max(this.#refCells, Math.min(REF_CELLS_MAX, displayWidth(escapeName(task.ref))));
    this.#reading.set(task.id, task);
    this.#waiting.push(task);
    this.#startNext();
  }

  async addStarted(spec: string): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.#session.client.call('spec.tasks', {
        params: { prj: this.#session.project, spc: spec },
        query: { limit: 1000, ...(after === undefined ? {} : { after }) },
        signal: this.#options.signal,
      });
      for (const task of page.items) this.add(task);
      after = page.next;
    } while (after !== undefined);
  }

  throwIfBroken(): void {
    if (this.#broken !== undefined) throw this.#broken.error;
  }

  /** All that was added has been written. */
  async done(): Promise<void> {
    while (this.#active.size > 0) await Promise.all(this.#active);
    this.throwIfBroken();
  }

  #startNext(): void {
    while (this.#active.size < STREAMS_MAX && this.#broken === undefined) {
      const task = this.#waiting.shift();
      if (task === undefined) return;
      const reading = this.#read(task)
        .catch((error: unknown) => {
          this.#broken ??= { error };
        })
        .finally(() => {
          this.#active.delete(reading);
          this.#reading.delete(task.id);
          this.#startNext();
        });
      this.#active.add(reading);
    }
  }

  async #read(task: TaskView): Promise<void> {
    const prefix = this.#prefix(task);
    const lines = new LogLines();
    const { follow, signal } = this.#options;
    const query = follow ? FROM_THE_FIRST : {};
    let first = true;
    try {
      for await (const item of this.#session.readLog(task.id, { query, signal })) {
        switch (item.type) {
          case 'data':
            for (const line of lines.take(item)) await this.#line(prefix, line.text, line.at);
            break;
          case 'begin':
            for (const line of lines.flush()) await this.#line(prefix, line.text, line.at);
            // A later one is announced by a note.
            if (first && (item.attempt > 1 || item.delivery > 1))
              await this.#remark(prefix, `attempt ${item.attempt}, on ${item.node}`);
            first = false;
            break;
          case 'gap':
            await this.#remark(prefix, `${item.to - item.offset} bytes are gone`);
            break;
          case 'note':
            await this.#remark(prefix, item.text);
            break;
          case 'end':
            for (const line of lines.flush()) await this.#line(prefix, line.text, line.at);
            if (item.complete && item.state !== undefined)
              await this.#remark(prefix, await this.#ended(task.id, item.state));
            break;
        }
      }
    } catch (error) {
      const code = asFailure(error)?.code;
      if (code !== 'log-unavailable' && code !== 'not-found') throw error;
      const { state, startedAt } = this.#reading.get(task.id) ?? task;
      // What was never started has none.
      if (startedAt !== undefined || !FAILED.includes(state)) await this.#remark(prefix, 'its output is not available');
      if (FAILED.includes(state)) await this.#remark(prefix, await this.#ended(task.id, state));
    }
  }

  /** How it ended, and why it failed: the log does not tell. */
  async #ended(id: string, state: string): Promise<string> {
    let task = this.#reading.get(id);
    if (FAILED.includes(state) && task?.state !== state) task = (await this.#shown(id)) ?? task;
    const took =
      task?.startedAt !== undefined && task.endedAt !== undefined
        ? ` after ${elapsed(task.endedAt - task.startedAt)}`
        : '';
    // What a plugin said besides is in the output, before this.
    const [message] = (task?.state === state ? task.message : undefined)?.split('\n') ?? [];
    const why = message === undefined ? '' : `: ${forTerminal(message)}`;
    return `${paintState(this.#paint, state)}${took}${why}`;
  }

  /** For the display only: that it cannot be had now is no reason to stop. */
  async #shown(id: string): Promise<TaskView | undefined> {
    const { signal } = this.#options;
    try {
      return await this.#session.client.call('task.show', { params: { prj: this.#session.project, tsk: id }, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (asFailure(error) === undefined) throw error;
      return undefined;
    }
  }

  #prefix(task: TaskView): string {
    const colour = COLOURS[task.index % COLOURS.length] ?? 'cyan';
    return this.#paint[colour](`${padTo(escapeName(task.ref), this.#refCells)} |`);
  }

  #line(prefix: string, text: string, at: number | undefined): Promise<void> {
    const time = this.#options.timestamps ? `${this.#paint.dim(timestamp(at))} ` : '';
    return write(this.#options.to, `${prefix} ${time}${this.#raw ? text : forTerminal(text)}\n`);
  }

  #remark(prefix: string, text: string): Promise<void> {
    return write(this.#session.io.stderr, `${prefix} ${this.#paint.dim(`-- ${forTerminal(text)}`)}\n`);
  }
}
