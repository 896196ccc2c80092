/**
 * Reads the headers of specs again and again without reading those that will not change any more: a *settled* header (what
 * that means its owner says) is read once. Finished specs stay for days and there may be tens of thousands of them; what is
 * looked at every few seconds is the handful that is not settled.
 *
 * A header is one of
 *   open     read with every look, by its key
 *   settled  above the floor: its key is remembered; below: only counted
 *
 * The floor of a project is a key: ids begin with the time they were minted, so what is new comes above what was seen, but for
 * clocks of nodes that differ and requests that take their time; it stays {@link MARGIN_MS} behind the newest key. From it on
 * keys are listed without values, and those not remembered are read. A header that yet appears below the floor, or is
 * removed, is found by the next *whole* look, which reads everything: the first of a scan, and then one per `wholeEveryMs`.
 *
 * Used by the archiver (settled: archived) and by the count of specs in the cluster's view (settled: ended).
 */
import { isId, mintedAt, type SpecId } from '@boi/core';
import { type KeyValue, type Op, prefixEnd } from '@boi/store';
import type { ClusterContext } from '../context.ts';
import { lastPart } from '../keys.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { earliestSpecAt, stored } from '../spec/spec-ref.ts';

/** More than the clocks of two nodes may differ and a dispatch may take to write its header. */
const MARGIN_MS = 120_000;
/** Headers read in one request by their keys: a one-task spec's may hold 2 KiB of definition. */
const READ_TOGETHER = 100;
/** With more unknown keys than this on a page the page is read with its values instead. */
const READ_SINGLY_MAX = 32;

export interface HeaderScanOptions {
  readonly settled: (header: SpecHeader) => boolean;
  readonly wholeEveryMs: number;
  /** Told of every header that cannot be read, once per whole look. */
  readonly onUnreadable: (key: string, error: unknown) => void;
}

export class HeaderScan {
  readonly #ctx: Pick<ClusterContext, 'store' | 'keys' | 'clock'>;
  readonly #options: HeaderScanOptions;
  readonly #open = new Set<string>();
  /** Settled ones above the floor of their project. */
  readonly #settled = new Set<string>();
  #below = 0;
  readonly #floors = new Map<string, string>();
  #wholeAt = Number.NEGATIVE_INFINITY;

  constructor(ctx: Pick<ClusterContext, 'store' | 'keys' | 'clock'>, options: HeaderScanOptions) {
    this.#ctx = ctx;
    this.#options = options;
  }

  /** Headers not settled when last looked at. */
  get open(): number {
    return this.#open.size;
  }

  get total(): number {
    return this.#open.size + this.#settled.size + this.#below;
  }

  /** Whether the next look is a whole one. */
  get wholeDue(): boolean {
    return this.#ctx.clock.mono() - this.#wholeAt >= this.#options.wholeEveryMs;
  }

  /** The next look is a whole one. */
  lookAtAll(): void {
    this.#wholeAt = Number.NEGATIVE_INFINITY;
  }

  /** All headers that are open, or were before this look; in a whole look all there are. One look at a time. */
  async *look(): AsyncGenerator<readonly Stored<SpecHeader>[]> {
    const { clock } = this.#ctx;
    const whole = this.wholeDue;
    if (whole) this.#forget();
    else yield* this.#again();
    for await (const prefix of this.#projects()) {
      let newestMs = 0;
      for await (const page of this.#pages(prefix, this.#floors.get(prefix) ?? prefix, whole)) {
        const last = lastPart(page.last);
        if (isId(last, 'spec')) newestMs = mintedAt(last as SpecId);
        if (page.headers.length > 0) yield page.headers;
      }
      if (newestMs > MARGIN_MS) this.#raise(prefix, `${prefix}${earliestSpecAt(newestMs - MARGIN_MS)}`);
    }
    // Only one that came to its end counts.
    if (whole) this.#wholeAt = clock.mono();
  }

  #forget(): void {
    this.#open.clear();
    this.#settled.clear();
    this.#floors.clear();
    this.#below = 0;
    this.#wholeAt = Number.NEGATIVE_INFINITY;
  }

  async *#again(): AsyncGenerator<readonly Stored<SpecHeader>[]> {
    const open = [...this.#open];
    for (let from = 0; from < open.length; from += READ_TOGETHER) {
      yield await this.#read(open.slice(from, from + READ_TOGETHER));
    }
  }

  /** One project after the other, by the keys there are: `…specs/{prj}/`. */
  async *#projects(): AsyncGenerator<string> {
    const { store, keys } = this.#ctx;
    const all = keys.allSpecs();
    for (let start = all.start; start < all.end; ) {
      const [first] = (await store.range({ start, end: all.end, limit: 1, keysOnly: true })).kvs;
      if (first === undefined) return;
      const prefix = first.key.slice(0, first.key.indexOf('/', all.start.length) + 1);
      yield prefix;
      start = prefixEnd(prefix);
    }
  }

  async *#pages(
    prefix: string,
    from: string,
    whole: boolean,
  ): AsyncGenerator<{ readonly headers: readonly Stored<SpecHeader>[]; readonly last: string }> {
    const { store } = this.#ctx;
    const end = prefixEnd(prefix);
    for (let start = from; ; ) {
      const page = await store.range({ start, end, keysOnly: !whole });
      const last = page.kvs.at(-1)?.key;
      if (last === undefined) return;
      if (whole) {
        yield { headers: this.#take(page.kvs), last };
      } else {
        const unknown = page.kvs.map(({ key }) => key).filter((key) => !this.#open.has(key) && !this.#settled.has(key));
        const [first] = unknown;
        if (first !== undefined && unknown.length > READ_SINGLY_MAX) {
          const until = `${unknown.at(-1)} `;
          for (let at = first; at < until; ) {
            const values = await store.range({ start: at, end: until });
            yield { headers: this.#take(values.kvs), last };
            if (!values.more) break;
            at = `${values.kvs.at(-1)?.key ?? at} `;
          }
        } else yield { headers: unknown.length === 0 ? [] : await this.#read(unknown), last };
      }
      if (!page.more) return;
      start = `${last} `;
    }
  }

  async #read(keys: readonly string[]): Promise<Stored<SpecHeader>[]> {
    const success: Op[] = keys.map((key) => ({ op: 'get', key }));
    const answer = await this.#ctx.store.txn({ compares: [], success });
    // Reads change nothing: an unknown outcome is simply an answer that did not come.
    if (answer.outcome === 'unknown') throw answer.cause;
    for (const key of keys) this.#open.delete(key);
    return this.#take(answer.answers.flatMap((one) => (one.op === 'get' && one.kv !== undefined ? [one.kv] : [])));
  }

  #take(kvs: readonly KeyValue[]): Stored<SpecHeader>[] {
    const headers: Stored<SpecHeader>[] = [];
    for (const kv of kvs) {
      let settled = true;
      try {
        const header = stored(codecs.spec, kv);
        settled = this.#options.settled(header.record);
        headers.push(header);
      } catch (error) {
        this.#options.onUnreadable(kv.key, error);
      }
      const [to, from] = settled ? [this.#settled, this.#open] : [this.#open, this.#settled];
      to.add(kv.key);
      from.delete(kv.key);
    }
    return headers;
  }

  #raise(prefix: string, floor: string): void {
    if (floor <= (this.#floors.get(prefix) ?? '')) return;
    this.#floors.set(prefix, floor);
    for (const key of this.#settled) {
      if (!key.startsWith(prefix) || key >= floor) continue;
      this.#settled.delete(key);
      this.#below++;
    }
  }
}
