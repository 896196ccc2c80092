/**
 * A view in memory of one key range, kept current by a watch: list at a revision (all pages at one revision), watch from the
 * next, and when the watch is lost list again and apply the difference. Listeners hear every change, in the order of the
 * store's revisions, synchronously with the view's own update: when `onChange` is called `entries` shows exactly that state.
 *
 * States: stopped → listing → watching → (watch lost) listing → … → stopped. A store outage while listing is waited out
 * with a backoff, for ever; `entries` then shows the last known state.
 *
 * With `relistMs` the range is also listed now and then and compared with the view: a difference that is still there a
 * while later is an event that never came. It is mended by starting over, and counted; the counter must stay 0.
 *
 * A record that does not decode is logged, counted and kept in `broken`; to listeners it is absent.
 */
import { assert, jitter, sleep } from '@boi/core';
import {
  CompactedError,
  compareRevisions,
  type KeyValue,
  nextRevision,
  type Revision,
  toRevision,
  type Watch,
  type WatchEvent,
} from '@boi/store';
import type { ClusterContext } from '../context.ts';
import type { KeyRange } from '../keys.ts';
import type { Codec, Stored } from '../records.ts';
import { wholeRange } from './pages.ts';

export interface Change<T> {
  readonly key: string;
  /** Absent: the key was not there. */
  readonly before?: Stored<T>;
  /** Absent: the key was deleted. */
  readonly after?: Stored<T>;
  /** When: of the write; for a deletion found by a listing, of the listing. */
  readonly revision: Revision;
}

export type ChangeListener<T> = (changes: readonly Change<T>[], revision: Revision) => void;

export interface MirrorOptions<T> {
  readonly ctx: Pick<ClusterContext, 'store' | 'clock' | 'random' | 'log' | 'metrics'>;
  readonly range: KeyRange;
  readonly codec: Codec<T>;
  /** For logs and the `what` label of metrics: `queue`, `nodes`, … */
  readonly what: string;
  /** Compare with a listing this often, ± 20 %. Absent: never. */
  readonly relistMs?: number;
}

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1_000;
/** A listing may be ahead of the watch by what is under way; a difference older than this is a lost event. */
const REPAIR_GRACE_MS = 5_000;

/** The range of one single key: the end is the key followed by the lowest printable character. */
export function onlyKey(key: string): KeyRange {
  return { start: key, end: `${key} ` };
}

export class Mirror<T> {
  readonly #options: MirrorOptions<T>;
  readonly #entries = new Map<string, Stored<T>>();
  readonly #broken = new Map<string, Revision>();
  readonly #listeners = new Set<ChangeListener<T>>();
  #revision: Revision = toRevision(0);
  #watch: Watch | undefined;
  /** Grows with each listing, so that a listener of an older watch is told apart. */
  #generation = 0;
  /** The newest listing. */
  #listing: Promise<void> | undefined;
  #stopping: AbortController | undefined;
  /** While a comparison is under way: keys whose deletion was heard of since it began. */
  #deleted: Set<string> | undefined;
  /** The listing under way, if any, and the relist timer: all that `stop` waits for. */
  readonly #tasks = new Set<Promise<void>>();

  constructor(options: MirrorOptions<T>) {
    this.#options = options;
  }

  get entries(): ReadonlyMap<string, Stored<T>> {
    return this.#entries;
  }

  /** Keys whose record this node cannot read, and their mod revision. */
  get broken(): ReadonlyMap<string, Revision> {
    return this.#broken;
  }

  /** Store revision of the last listing or event: the view is current to it, and perhaps beyond. */
  get revision(): Revision {
    return this.#revision;
  }

  /** The records in key order. */
  sorted(): Stored<T>[] {
    return [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  }

  /** Answers an unsubscribe. Listeners registered before `start` hear the first listing as changes. */
  onChange(listener: ChangeListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get started(): boolean {
    return this.#stopping !== undefined;
  }

  /** Resolves when listed and watching. Rejects only when stopped before. */
  async start(): Promise<void> {
    assert(this.#stopping === undefined, `mirror of ${this.#options.what} is started once`);
    this.#stopping = new AbortController();
    const { relistMs } = this.#options;
    await this.#list(this.#stopping.signal);
    if (relistMs !== undefined) this.#run(this.#relist(relistMs, this.#stopping.signal));
  }

  async stop(): Promise<void> {
    this.#stopping?.abort(new Error(`mirror of ${this.#options.what} stopped`));
    this.#generation++;
    this.#watch?.cancel();
    this.#watch = undefined;
    await Promise.all(this.#tasks);
  }

  /** Lists again now and applies the difference; resolves when the view is at least as new as the store was at the call. */
  async resync(): Promise<void> {
    assert(this.#stopping !== undefined, `mirror of ${this.#options.what} is not started`);
    await this.#list(this.#stopping.signal);
  }

  #run(work: Promise<void>): void {
    const task = work
      .catch((error: unknown) => {
        if (this.#stopping?.signal.aborted) return;
        this.#options.ctx.log.error({ err: error, what: this.#options.what }, 'a mirror failed');
      })
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  #list(signal: AbortSignal): Promise<void> {
    this.#listing = this.#listAs(signal);
    return this.#listing;
  }

  async #listAs(signal: AbortSignal): Promise<void> {
    const generation = ++this.#generation;
    this.#watch?.cancel();
    this.#watch = undefined;
    const { ctx, what, range } = this.#options;
    for (let backoffMs = BACKOFF_FIRST_MS; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS)) {
      signal.throwIfAborted();
      try {
        const { kvs, revision } = await wholeRange(ctx.store, range);
        if (generation !== this.#generation) {
          signal.throwIfAborted();
          // A newer listing has taken over: who waits for this one needs a view at least as new, which is there with that.
          return this.#listing;
        }
        this.#replace(kvs, revision);
        this.#watch = ctx.store.watch(
          { ...range, fromRevision: nextRevision(revision) },
          {
            onEvents: (events, at) => {
              if (generation === this.#generation) this.#apply(events, at);
            },
            onLost: (reason, message) => {
              if (generation !== this.#generation) return;
              ctx.log.warn({ what, reason, detail: message }, 'a watch was lost; listing again');
              ctx.metrics.count('boi_core_watch_lost_total', 1, { what });
              this.#run(this.#list(signal));
            },
          },
        );
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (generation !== this.#generation) return this.#listing;
        if (!(error instanceof CompactedError)) ctx.log.debug({ err: error, what }, 'a listing failed; trying again');
        await sleep(ctx.clock, backoffMs, signal);
      }
    }
  }

  #replace(kvs: readonly KeyValue[], revision: Revision): void {
    const changes: Change<T>[] = [];
    const present = new Set<string>();
    for (const kv of kvs) {
      present.add(kv.key);
      const known = this.#entries.get(kv.key)?.modRevision ?? this.#broken.get(kv.key);
      if (known !== kv.modRevision) this.#put(kv, changes);
    }
    for (const key of [...this.#entries.keys(), ...this.#broken.keys()]) {
      if (!present.has(key)) this.#delete(key, revision, changes);
    }
    this.#revision = revision;
    this.#tell(changes, revision);
  }

  #apply(events: readonly WatchEvent[], revision: Revision): void {
    const changes: Change<T>[] = [];
    for (const event of events) {
      if (event.type === 'put') this.#put(event.kv, changes);
      else this.#delete(event.key, event.modRevision, changes);
    }
    this.#revision = revision;
    this.#tell(changes, revision);
  }

  #put(kv: KeyValue, changes: Change<T>[]): void {
    const before = this.#entries.get(kv.key);
    this.#broken.delete(kv.key);
    let record: T;
    try {
      record = this.#options.codec.decode(kv.key, kv.value);
    } catch (error) {
      this.#options.ctx.log.error({ err: error, key: kv.key }, 'a record cannot be read; it is left alone');
      this.#options.ctx.metrics.count('boi_core_records_unreadable_total', 1, { what: this.#options.what });
      this.#delete(kv.key, kv.modRevision, changes);
      this.#broken.set(kv.key, kv.modRevision);
      return;
    }
    const after = { key: kv.key, record, createRevision: kv.createRevision, modRevision: kv.modRevision };
    this.#entries.set(kv.key, after);
    const revision = kv.modRevision;
    changes.push(before === undefined ? { key: kv.key, after, revision } : { key: kv.key, before, after, revision });
  }

  #delete(key: string, revision: Revision, changes: Change<T>[]): void {
    this.#broken.delete(key);
    this.#deleted?.add(key);
    const before = this.#entries.get(key);
    if (before === undefined) return;
    this.#entries.delete(key);
    changes.push({ key, before, revision });
  }

  #tell(changes: readonly Change<T>[], revision: Revision): void {
    if (changes.length === 0) return;
    for (const listener of [...this.#listeners]) listener(changes, revision);
  }

  async #relist(relistMs: number, signal: AbortSignal): Promise<void> {
    const { ctx, what, range } = this.#options;
    for (;;) {
      await sleep(ctx.clock, jitter(ctx.random, relistMs, 0.2), signal);
      const generation = this.#generation;
      // While it is listed anew the view is behind as it should be.
      if (this.#watch === undefined) continue;
      const deleted = new Set<string>();
      this.#deleted = deleted;
      try {
        const { kvs, revision } = await wholeRange(ctx.store, range, { keysOnly: true });
        const suspects = this.#differences(kvs, revision);
        if (suspects.length === 0) continue;
        await sleep(ctx.clock, REPAIR_GRACE_MS, signal);
        if (generation !== this.#generation) continue;
        const lost = suspects.filter(({ key, shown }) => this.#shown(key) === shown && !deleted.has(key));
        if (lost.length === 0) continue;
        ctx.log.error({ what, keys: lost.slice(0, 10).map(({ key }) => key), count: lost.length }, 'events were lost');
        ctx.metrics.count('boi_core_watch_repairs_total', lost.length, { what });
        await this.#list(signal);
      } catch (error) {
        signal.throwIfAborted();
        ctx.log.debug({ err: error, what }, 'a comparison with the store failed; the next one will do');
      } finally {
        this.#deleted = undefined;
      }
    }
  }

  #shown(key: string): Revision | undefined {
    return this.#entries.get(key)?.modRevision ?? this.#broken.get(key);
  }

  /** Keys the view shows older than the listing at `revision` does, and what the view shows for them. */
  #differences(kvs: readonly KeyValue[], revision: Revision): { key: string; shown: Revision | undefined }[] {
    const suspects: { key: string; shown: Revision | undefined }[] = [];
    const present = new Set<string>();
    for (const { key, modRevision } of kvs) {
      present.add(key);
      const shown = this.#shown(key);
      if (shown === undefined || compareRevisions(shown, modRevision) < 0) suspects.push({ key, shown });
    }
    for (const [key, { modRevision }] of this.#entries) {
      if (!present.has(key) && compareRevisions(modRevision, revision) <= 0) suspects.push({ key, shown: modRevision });
    }
    return suspects;
  }
}
