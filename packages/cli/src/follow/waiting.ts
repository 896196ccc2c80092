/**
 * Why tasks wait, told to whoever follows a spec on which nothing happens: a task that no node can run, claims that are paused,
 * or a key in use would else look like work that takes its time. Looks only after a silence, since a look costs the cluster
 * more than an event; each reason is told once.
 */
import type { TaskView } from '@boi/core';
import { escapeName } from '@boi/core/names';
import { asFailure } from '../fail.ts';
import type { Session } from '../session.ts';

/** Longer than a placement that is only slow, shorter than a person's patience. */
const SILENT_MS = 10_000;
/** A reason that was told seldom changes. */
const AGAIN_MS = 60_000;
/** Tasks looked at. */
const TASKS_MAX = 100;

export interface WaitingOptions {
  readonly list: () => Promise<readonly TaskView[]>;
  readonly tell: (line: string) => void;
  readonly silentMs?: number;
}

export class WaitingReasons {
  readonly #options: WaitingOptions;
  readonly #told = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: WaitingOptions) {
    this.#options = options;
    this.heard();
  }

  /** Something happened. */
  heard(): void {
    this.#lookIn(this.#options.silentMs ?? SILENT_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look(): Promise<void> {
    try {
      const tasks = await this.#options.list();
      if (!this.#stopped) for (const line of this.#news(tasks)) this.#options.tell(line);
    } catch (error) {
      // That it cannot be told now is no reason to stop following, which says itself when the cluster is away.
      if (asFailure(error) === undefined) throw error;
    }
    this.#lookIn(AGAIN_MS);
  }

  *#news(tasks: readonly TaskView[]): Generator<string> {
    const reasons = new Map<string, TaskView[]>();
    for (const task of tasks) {
      const summary = task.why?.summary;
      if (summary !== undefined) reasons.set(summary, [...(reasons.get(summary) ?? []), task]);
    }
    for (const [summary, [first, ...others]] of reasons) {
      // Counts and times in it change; the reason does not.
      const reason = summary.replace(/\d+/g, '0');
      if (first === undefined || this.#told.has(reason)) continue;
      this.#told.add(reason);
      const who = others.length > 0 ? ` and ${others.length} more wait` : ' waits';
      yield `${escapeName(first.ref)}${who}: ${escapeName(summary)}`;
    }
  }
}

/** Of a spec. */
export function waitingReasons(
  session: Session,
  spec: string,
  tell: (line: string) => void,
  signal: AbortSignal,
): WaitingReasons {
  const params = { prj: session.project, spc: spec };
  const query = { state: 'waiting', limit: TASKS_MAX } as const;
  const list = async () => {
    try {
      return (await session.client.call('spec.tasks', { params, query, signal })).items;
    } catch (error) {
      if (signal.aborted) return [];
      throw error;
    }
  };
  return new WaitingReasons({ list, tell });
}
