/**
 * Watches of a memory server. Each commit's events go to the queues of the watchers whose range holds the key, and one
 * microtask later the queues are handed over: never inside the write, always whole revisions, always in order. Which
 * watchers a key concerns is looked up in the elementary intervals between all their bounds, so that the cost of a
 * write does not grow with the number of nodes watching.
 */
import type { Revision, WatchEvent, WatchListener } from '../port.ts';
import type { RevisionEvents } from './history.ts';

/** Revisions handed over in one call at most, as in etcd's catch-up. */
const REVISIONS_A_CALL_MAX = 1000;

interface Watcher {
  readonly start: string;
  readonly end: string;
  readonly from: number;
  readonly listener: WatchListener;
  /** Events not yet handed over, by revision. */
  queue: { readonly revision: number; readonly events: WatchEvent[] }[];
  cancelled: boolean;
}

export class Watchers {
  readonly #show: (revision: number) => Revision;
  readonly #all = new Set<Watcher>();
  #waiting = new Set<Watcher>();
  /** `#covering[i]` are the watchers of keys from `#bounds[i]` on, up to `#bounds[i + 1]`; undefined after a change. */
  #bounds: string[] | undefined;
  #covering: Watcher[][] = [];

  constructor(show: (revision: number) => Revision) {
    this.#show = show;
  }

  /** `past` are the revisions already made, from `from` on. Answers how to cancel. */
  add(range: { start: string; end: string }, from: number, past: readonly RevisionEvents[], listener: WatchListener) {
    const watcher: Watcher = { ...range, from, listener, queue: [], cancelled: false };
    for (const { revision, events } of past) {
      const own = events.filter((event) => within(range, keyOf(event)));
      if (own.length > 0) watcher.queue.push({ revision, events: own });
    }
    this.#all.add(watcher);
    this.#bounds = undefined;
    if (watcher.queue.length > 0) this.#wake(watcher);
    return () => {
      watcher.cancelled = true;
      watcher.queue = [];
      if (this.#all.delete(watcher)) this.#bounds = undefined;
    };
  }

  publish({ revision, events }: RevisionEvents): void {
    for (const event of events) {
      for (const watcher of this.#watchersOf(keyOf(event))) {
        if (revision < watcher.from) continue;
        const last = watcher.queue.at(-1);
        if (last?.revision === revision) last.events.push(event);
        else watcher.queue.push({ revision, events: [event] });
        this.#wake(watcher);
      }
    }
  }

  #wake(watcher: Watcher): void {
    if (this.#waiting.size === 0) queueMicrotask(() => this.#handOver());
    this.#waiting.add(watcher);
  }

  #handOver(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const watcher of waiting) {
      const queue = watcher.queue;
      watcher.queue = [];
      for (let i = 0; i < queue.length && !watcher.cancelled; i += REVISIONS_A_CALL_MAX) {
        const part = queue.slice(i, i + REVISIONS_A_CALL_MAX);
        const first = part[0];
        const events = part.length === 1 && first !== undefined ? first.events : part.flatMap((one) => one.events);
        watcher.listener.onEvents(events, this.#show(part.at(-1)?.revision ?? 0));
      }
    }
  }

  #watchersOf(key: string): readonly Watcher[] {
    const bounds = this.#bounds ?? this.#index();
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((bounds[middle] as string) <= key) low = middle + 1;
      else high = middle;
    }
    return this.#covering[low - 1] ?? [];
  }

  #index(): string[] {
    const bounds = [...new Set([...this.#all].flatMap(({ start, end }) => [start, end]))].sort();
    const place = new Map(bounds.map((bound, index) => [bound, index]));
    this.#covering = bounds.map(() => []);
    for (const watcher of this.#all) {
      const end = place.get(watcher.end) as number;
      for (let i = place.get(watcher.start) as number; i < end; i += 1) this.#covering[i]?.push(watcher);
    }
    this.#bounds = bounds;
    return bounds;
  }
}

function keyOf(event: WatchEvent): string {
  return event.type === 'put' ? event.kv.key : event.key;
}

function within({ start, end }: { start: string; end: string }, key: string): boolean {
  return key >= start && key < end;
}
