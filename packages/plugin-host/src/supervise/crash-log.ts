/**
 * Which crashes of a plugin count, kept where it outlives the daemon: else a plugin that takes the daemon down with it, or a
 * daemon restarted by its service manager, would start the count anew each time. The cluster keeps it in the store
 * (`plugins/{nod}/{name}`) behind {@link CrashLog}; times are of the wall clock for the same reason.
 *
 * The store may be away while a plugin crashes: then the copy in memory counts, and is merged into the stored one at the next
 * chance, so no crash is lost and none counted twice.
 */
import { type Random, randomHex } from '@boi/core';

export interface CrashRecord {
  /** Crashes within the window, each with a random id that makes merging idempotent. */
  readonly crashes: readonly { readonly id: string; readonly at: number }[];
  /** Left stopped until an operator restarts it. */
  readonly unstable: boolean;
}

/** A record as it was read; `revision` is the store's, opaque. */
export interface StoredCrashRecord {
  readonly record: CrashRecord;
  readonly revision: string;
}

/** Where the records are kept. Both may reject while the store is away. */
export interface CrashLog {
  read(plugin: string): Promise<StoredCrashRecord | undefined>;
  /** Writes if the record is still at `expected` (undefined: absent). `refused`: somebody else wrote. An unknown outcome rejects. */
  swap(plugin: string, expected: string | undefined, record: CrashRecord): Promise<'applied' | 'refused'>;
}

export const NO_CRASHES: CrashRecord = { crashes: [], unstable: false };
/** More swaps refused in a row than any number of writers of one plugin's record explains. */
const SWAPS_MAX = 10;

export interface CrashRules {
  readonly windowMs: number;
  readonly restartsMax: number;
}

/** The union of both, without what fell out of the window. Unstable as soon as one of them says so or the count does. */
export function mergeCrashes(a: CrashRecord, b: CrashRecord, now: number, rules: CrashRules): CrashRecord {
  const all = new Map([...a.crashes, ...b.crashes].map((crash) => [crash.id, crash]));
  // A crash in the future was counted by a clock that has been set back since; it is a crash all the same.
  const crashes = [...all.values()].filter(({ at }) => now - at < rules.windowMs).sort((x, y) => x.at - y.at);
  return { crashes, unstable: a.unstable || b.unstable || crashes.length > rules.restartsMax };
}

/** The crashes of one plugin, in memory and behind the port. */
export class CrashLedger {
  readonly #plugin: string;
  readonly #log: CrashLog;
  readonly #rules: CrashRules;
  readonly #random: Random;
  readonly #onProblem: (error: unknown) => void;
  #memory: CrashRecord = NO_CRASHES;
  /** The log has not heard of what is in memory. */
  #unwritten = false;
  /** What the log has of earlier crashes is void: an operator's restart that it has not heard of. */
  #void = false;

  constructor(
    plugin: string,
    log: CrashLog,
    rules: CrashRules,
    random: Random,
    /** The log could not be read or written; the count goes on in memory. */
    onProblem: (error: unknown) => void,
  ) {
    this.#plugin = plugin;
    this.#log = log;
    this.#rules = rules;
    this.#random = random;
    this.#onProblem = onProblem;
  }

  /** Whether something is known here alone: to be written again by {@link CrashLedger.load}, else the next life does not know it. */
  get unwritten(): boolean {
    return this.#unwritten;
  }

  /** What is known now, with what an earlier life of the daemon wrote. */
  load(now: number): Promise<CrashRecord> {
    return this.#update(now, (record) => record);
  }

  /** Counts one crash. */
  add(now: number): Promise<CrashRecord> {
    const crash: CrashRecord = { crashes: [{ id: randomHex(this.#random, 8), at: now }], unstable: false };
    return this.#update(now, (record) => mergeCrashes(record, crash, now, this.#rules));
  }

  /** An operator's restart: the count begins anew. */
  async clear(): Promise<void> {
    this.#memory = NO_CRASHES;
    this.#void = true;
    await this.#write(() => NO_CRASHES);
  }

  async #update(now: number, change: (record: CrashRecord) => CrashRecord): Promise<CrashRecord> {
    this.#memory = change(this.#memory);
    const mine = this.#memory;
    await this.#write((stored) => mergeCrashes(stored, mine, now, this.#rules));
    return this.#memory;
  }

  async #write(change: (stored: CrashRecord) => CrashRecord): Promise<void> {
    try {
      for (let i = 0; i < SWAPS_MAX; i++) {
        const stored = await this.#log.read(this.#plugin);
        const next = change((this.#void ? undefined : stored?.record) ?? NO_CRASHES);
        this.#memory = next;
        const known = same(stored?.record ?? NO_CRASHES, next);
        if (known || (await this.#log.swap(this.#plugin, stored?.revision, next)) === 'applied') {
          this.#unwritten = false;
          this.#void = false;
          return;
        }
      }
      throw new Error(`the crash record of ${this.#plugin} was changed by others ${SWAPS_MAX} times in a row`);
    } catch (error) {
      this.#unwritten = true;
      this.#onProblem(error);
    }
  }
}

function same(a: CrashRecord, b: CrashRecord): boolean {
  return a.unstable === b.unstable && a.crashes.map(({ id }) => id).join() === b.crashes.map(({ id }) => id).join();
}

/** A log that lives as long as the process: for `boi-node plugin test` and programs without a store. */
export class MemoryCrashLog implements CrashLog {
  readonly #records = new Map<string, StoredCrashRecord>();

  read(plugin: string): Promise<StoredCrashRecord | undefined> {
    return Promise.resolve(this.#records.get(plugin));
  }

  swap(plugin: string, expected: string | undefined, record: CrashRecord): Promise<'applied' | 'refused'> {
    const known = this.#records.get(plugin)?.revision;
    if (known !== expected) return Promise.resolve('refused');
    this.#records.set(plugin, { record, revision: String(Number(known ?? 0) + 1) });
    return Promise.resolve('applied');
  }
}
