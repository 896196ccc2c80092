/**
 * Progress of specs on standard error. On a terminal: one bar per spec, redrawn in place at most ten times a second.
 * Elsewhere: plain lines, for each task that ended (for large specs: that failed) and the counts every few seconds.
 */
import type { SpecView, TaskView } from '@boi/core';
import { displayName, escapeName } from '@boi/core/names';
import { paintState } from '../output/paint.ts';
import { clockTime, elapsed } from '../output/time.ts';
import { displayWidth, padTo, stripped, truncate } from '../output/width.ts';
import type { Session } from '../session.ts';

const REDRAW_MS = 100;
/** Plain counts at most so often. */
const LINE_MS = 5_000;
/** Above so many tasks, plain lines name only those that failed. */
const TASK_LINES_MAX = 200;
const BAR_CELLS = 24;
const FINAL_SPEC = ['succeeded', 'failed', 'cancelled'];
const FAILED = ['failed', 'timed-out', 'poison'];
const FINAL_TASK = ['succeeded', 'failed', 'timed-out', 'cancelled', 'skipped', 'poison'];

interface Followed {
  view?: SpecView;
  readonly running: Set<string>;
  /** Tasks of which an event came: newer than any list. */
  readonly told: Set<string>;
  lineAt: number;
  lastLine: string;
}

export class Progress {
  readonly #session: Session;
  readonly #specs = new Map<string, Followed>();
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #drawnLines = 0;

  constructor(session: Session, specs: readonly string[]) {
    this.#session = session;
    this.#now = session.io.now;
    for (const spec of specs) this.#specs.set(spec, { running: new Set(), told: new Set(), lineAt: 0, lastLine: '' });
    if (session.animated) this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
  }

  spec(key: string, view: SpecView): void {
    const followed = this.#specs.get(key);
    if (followed === undefined) return;
    followed.view = view;
    if (FINAL_SPEC.includes(view.state)) followed.running.clear();
    if (!this.#session.animated) this.#plainCounts(followed, view);
  }

  task(key: string, task: TaskView): void {
    const followed = this.#specs.get(key);
    if (followed === undefined) return;
    followed.told.add(task.id);
    if (task.state === 'running') followed.running.add(task.id);
    else followed.running.delete(task.id);
    const failed = FAILED.includes(task.state);
    const small = (followed.view?.tasks ?? 0) <= TASK_LINES_MAX;
    if (failed || (!this.#session.animated && small && FINAL_TASK.includes(task.state)))
      this.line(this.#taskLine(task));
  }

  /** Tasks that were running before the events began. */
  seed(key: string, running: readonly TaskView[]): void {
    const followed = this.#specs.get(key);
    for (const task of running) if (followed?.told.has(task.id) === false) followed.running.add(task.id);
  }

  /** A line that stays, above the bars. */
  line(text: string): void {
    this.#erase();
    this.#session.note(text);
    if (this.#timer !== undefined) this.#draw();
  }

  /** Leaves the last state on the screen. */
  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
    this.#drawnLines = 0;
  }

  #taskLine(task: TaskView): string {
    const { err } = this.#session;
    const took =
      task.startedAt !== undefined && task.endedAt !== undefined
        ? ` after ${elapsed(task.endedAt - task.startedAt)}`
        : '';
    const exit = task.exitCode === undefined || task.exitCode === 0 ? '' : `, exit code ${task.exitCode}`;
    const message = task.message === undefined ? '' : `: ${escapeName(task.message)}`;
    return `${escapeName(task.ref)} ${paintState(err, task.state)}${took}${exit}${message}`;
  }

  #plainCounts(followed: Followed, view: SpecView): void {
    const final = FINAL_SPEC.includes(view.state);
    const line = `${displayName(view.name, view.id)} ${view.state}: ${this.#countsText(followed, view)}`;
    const now = this.#now();
    if (line === followed.lastLine || (!final && now - followed.lineAt < LINE_MS)) return;
    followed.lastLine = line;
    followed.lineAt = now;
    this.#session.note(line);
  }

  #countsText(followed: Followed, view: SpecView): string {
    const { counts } = view;
    const ended = counts.succeeded + counts.failed + counts.cancelled + counts.skipped;
    const running = Math.min(followed.running.size, view.tasks - ended);
    const { err } = this.#session;
    const parts = [
      `${ended}/${view.tasks}`,
      counts.succeeded > 0 ? err.green(`${counts.succeeded} succeeded`) : '',
      counts.failed > 0 ? err.red(`${counts.failed} failed`) : '',
      counts.cancelled > 0 ? `${counts.cancelled} cancelled` : '',
      counts.skipped > 0 ? `${counts.skipped} skipped` : '',
      running > 0 ? err.cyan(`${running} running`) : '',
      view.tasks - ended - running > 0 ? `${view.tasks - ended - running} queued` : '',
    ];
    return parts.filter((p) => p !== '').join(', ');
  }

  #draw(): void {
    const columns = this.#session.io.stderr.columns || 80;
    const names = [...this.#specs].map(([key, { view }]) => escapeName(view?.name ?? key));
    const nameCells = Math.min(28, Math.max(...names.map(displayWidth)));
    const lines = [...this.#specs.values()].map((followed, i) => {
      const name = padTo(truncate(names[i] as string, nameCells), nameCells);
      return this.#barLine(name, followed);
    });
    // A line that wraps could not be erased again.
    const shown = lines.map((line) => (displayWidth(line) < columns ? line : truncate(stripped(line), columns - 1)));
    this.#erase();
    this.#session.io.stderr.write(shown.map((line) => `${line}\n`).join(''));
    this.#drawnLines = shown.length;
  }

  #barLine(name: string, followed: Followed): string {
    const { view } = followed;
    const { err } = this.#session;
    if (view === undefined) return `${name}  …`;
    const { counts } = view;
    const cells = (count: number) => Math.floor((count / Math.max(1, view.tasks)) * BAR_CELLS);
    const good = cells(counts.succeeded);
    const bad = counts.failed > 0 ? Math.max(1, cells(counts.failed)) : 0;
    const other = cells(counts.cancelled + counts.skipped);
    const running = Math.min(followed.running.size > 0 ? Math.max(1, cells(followed.running.size)) : 0, BAR_CELLS);
    const filled = Math.min(BAR_CELLS, good + bad + other);
    const bar =
      err.green('█'.repeat(Math.min(good, BAR_CELLS - bad))) +
      err.red('█'.repeat(bad)) +
      err.dim('▒'.repeat(Math.max(0, filled - Math.min(good, BAR_CELLS - bad) - bad))) +
      err.cyan('▒'.repeat(Math.min(running, BAR_CELLS - filled))) +
      err.dim('░'.repeat(Math.max(0, BAR_CELLS - filled - running)));
    const ended = view.endedAt ?? this.#now();
    const state = FINAL_SPEC.includes(view.state) ? ` ${paintState(err, view.state)}` : '';
    return `${name}  ${bar}  ${clockTime(ended - view.createdAt)}${state}  ${this.#countsText(followed, view)}`;
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#session.io.stderr.write(`\x1b[${this.#drawnLines}A\x1b[J`);
    this.#drawnLines = 0;
  }
}
