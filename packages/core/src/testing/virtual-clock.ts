import type { Clock, Timer } from '../clock.ts';

interface Scheduled {
  at: number;
  seq: number;
  fn: () => void;
}

/**
 * A clock that moves only when told. Timers fire in order of time, then of creation; between two timers every pending
 * promise reaction runs, so code under test sees the same interleaving on every run.
 */
export class VirtualClock implements Clock {
  #mono = 0;
  #seq = 0;
  /** Added to the wall clock only: how a test makes it jump. */
  wallOffsetMs: number;
  readonly #heap: Scheduled[] = [];

  constructor(wallStartMs = 1_700_000_000_000) {
    this.wallOffsetMs = wallStartMs;
  }

  now(): number {
    return Math.floor(this.#mono + this.wallOffsetMs);
  }

  mono(): number {
    return this.#mono;
  }

  timer(delayMs: number, fn: () => void): Timer {
    const entry: Scheduled = { at: this.#mono + Math.max(0, delayMs), seq: this.#seq++, fn };
    this.#push(entry);
    return {
      cancel: () => {
        entry.fn = () => {};
      },
    };
  }

  /** Number of timers not yet due, cancelled ones included. */
  get pending(): number {
    return this.#heap.length;
  }

  /** Runs everything due in the next `ms` milliseconds. */
  async advance(ms: number): Promise<void> {
    const until = this.#mono + ms;
    await drain();
    for (;;) {
      const head = this.#heap[0];
      if (head === undefined || head.at > until) break;
      this.#pop();
      this.#mono = Math.max(this.#mono, head.at);
      head.fn();
      await drain();
    }
    this.#mono = until;
  }

  /** Fires the single next timer, if any; answers whether there was one. */
  async step(): Promise<boolean> {
    await drain();
    const head = this.#pop();
    if (head === undefined) return false;
    this.#mono = Math.max(this.#mono, head.at);
    head.fn();
    await drain();
    return true;
  }

  /** Advances until `done()` is true; throws after `limitMs` of virtual time. */
  async until(done: () => boolean | Promise<boolean>, limitMs: number, what = 'condition'): Promise<void> {
    const end = this.#mono + limitMs;
    await drain();
    const due = () => (this.#heap[0]?.at ?? Number.POSITIVE_INFINITY) <= end;
    while (!(await done())) {
      // What `done` itself began gets its turn before time is found to stand still.
      if (!due()) await drain();
      if (!due()) {
        if (await done()) return;
        throw new Error(`${what}: not reached within ${limitMs} ms of virtual time`);
      }
      await this.step();
    }
  }

  #less(a: number, b: number): boolean {
    const x = this.#heap[a] as Scheduled;
    const y = this.#heap[b] as Scheduled;
    return x.at < y.at || (x.at === y.at && x.seq < y.seq);
  }

  #swap(a: number, b: number): void {
    const x = this.#heap[a] as Scheduled;
    this.#heap[a] = this.#heap[b] as Scheduled;
    this.#heap[b] = x;
  }

  #push(entry: Scheduled): void {
    let i = this.#heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#less(i, parent)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #pop(): Scheduled | undefined {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (top === undefined || last === undefined || this.#heap.length === 0) return top;
    this.#heap[0] = last;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      const right = left + 1;
      let least = i;
      if (left < this.#heap.length && this.#less(left, least)) least = left;
      if (right < this.#heap.length && this.#less(right, least)) least = right;
      if (least === i) return top;
      this.#swap(i, least);
      i = least;
    }
  }
}

/** Lets every promise reaction that is ready run; a macrotask turn comes only after all microtasks. */
function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
