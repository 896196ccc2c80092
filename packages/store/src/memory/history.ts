/**
 * The multi-version map of a memory server: for each key its versions since the last compaction, and for each revision the
 * events that made it, in order. Writes of one request share a revision and are seen at once by reads of the same request;
 * `commit` closes the revision, and makes none when nothing was written.
 */
import { BoiError } from '@boi/core';
import { CompactedError, type KeyValue, type LeaseId, type Revision, toRevision, type WatchEvent } from '../port.ts';
import { SortedRecords } from './sorted-records.ts';

interface Version {
  readonly revision: number;
  /** Undefined: deleted at this revision. */
  readonly kv: KeyValue | undefined;
}

interface KeyRecord {
  readonly key: string;
  /** Oldest first, never empty. */
  readonly versions: Version[];
}

export interface RevisionEvents {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

export class History {
  readonly #records = new Map<string, KeyRecord>();
  readonly #sorted = new SortedRecords<KeyRecord>();
  readonly #base: bigint;
  #log: RevisionEvents[] = [];
  #open: WatchEvent[] = [];
  #bytes = 0;
  /** Revision of the last commit. An empty store is at 1, as etcd is. */
  #revision = 1;
  #compacted = 0;

  /** Revisions shown are `base` more than those counted here, so that tests can pass 2^53. */
  constructor(base: bigint) {
    this.#base = base;
  }

  get revision(): number {
    return this.#revision;
  }

  get compacted(): number {
    return this.#compacted;
  }

  /** Bytes of all keys and values kept, older versions included. */
  get bytes(): number {
    return this.#bytes;
  }

  show(revision: number): Revision {
    return this.#base === 0n ? toRevision(revision) : toRevision(this.#base + BigInt(revision));
  }

  parse(revision: Revision): number {
    return this.#base === 0n ? Number(revision) : Number(BigInt(revision) - this.#base);
  }

  current(key: string): KeyValue | undefined {
    return this.#records.get(key)?.versions.at(-1)?.kv;
  }

  /** A page of `[start, end)` as of `revision` (default: now). */
  range(start: string, end: string, limit: number, revision?: number): { kvs: KeyValue[]; more: boolean } {
    if (revision !== undefined) this.#checkReadable(revision);
    const kvs: KeyValue[] = [];
    let more = false;
    this.#sorted.scan(start, end, (record) => {
      const kv = revision === undefined ? record.versions.at(-1)?.kv : at(record, revision);
      if (kv === undefined) return true;
      if (kvs.length === limit) {
        more = true;
        return false;
      }
      kvs.push(kv);
      return true;
    });
    return { kvs, more };
  }

  /** Keys now in `[start, end)`. */
  keys(start: string, end: string): string[] {
    const keys: string[] = [];
    this.#sorted.scan(start, end, (record) => {
      if (record.versions.at(-1)?.kv !== undefined) keys.push(record.key);
      return true;
    });
    return keys;
  }

  put(key: string, value: Buffer, lease: LeaseId | undefined): void {
    const revision = this.#revision + 1;
    const modRevision = this.show(revision);
    const createRevision = this.current(key)?.createRevision ?? modRevision;
    const kv: KeyValue =
      lease === undefined
        ? { key, value, createRevision, modRevision }
        : { key, value, createRevision, modRevision, lease };
    this.#bytes += key.length + value.length;
    const record = this.#records.get(key);
    if (record !== undefined) record.versions.push({ revision, kv });
    else {
      const added: KeyRecord = { key, versions: [{ revision, kv }] };
      this.#records.set(key, added);
      this.#sorted.add(added);
    }
    this.#open.push({ type: 'put', kv });
  }

  /** Answers whether the key was there. */
  delete(key: string): boolean {
    const record = this.#records.get(key);
    if (record?.versions.at(-1)?.kv === undefined) return false;
    const revision = this.#revision + 1;
    record.versions.push({ revision, kv: undefined });
    this.#bytes += key.length;
    this.#open.push({ type: 'delete', key, modRevision: this.show(revision) });
    return true;
  }

  /** Ends the request; answers the events of the revision it made, if it wrote anything. */
  commit(): RevisionEvents | undefined {
    if (this.#open.length === 0) return undefined;
    this.#revision += 1;
    const made = { revision: this.#revision, events: this.#open };
    this.#log.push(made);
    this.#open = [];
    return made;
  }

  /** The revisions from `from` on, oldest first; `from` must be above the compacted one. */
  since(from: number): readonly RevisionEvents[] {
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#log[middle] as RevisionEvents).revision < from) low = middle + 1;
      else high = middle;
    }
    return this.#log.slice(low);
  }

  compact(revision: number): void {
    if (revision > this.#revision) throw future(this.show(revision), this.show(this.#revision));
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    const kept = this.since(revision + 1);
    const dropped = this.#log.slice(0, this.#log.length - kept.length);
    this.#log = kept as RevisionEvents[];
    for (const { events } of dropped) {
      for (const event of events) this.#prune(event.type === 'put' ? event.kv.key : event.key, revision);
    }
  }

  /** Drops the versions no read at `revision` or later can see. */
  #prune(key: string, revision: number): void {
    const record = this.#records.get(key);
    if (record === undefined) return;
    const { versions } = record;
    let oldest = 0;
    while ((versions[oldest + 1]?.revision ?? Number.POSITIVE_INFINITY) <= revision) oldest += 1;
    const first = versions[oldest] as Version;
    if (first.kv === undefined && first.revision <= revision) oldest += 1;
    for (const version of versions.splice(0, oldest)) this.#bytes -= key.length + (version.kv?.value.length ?? 0);
    if (versions.length === 0) {
      this.#records.delete(key);
      this.#sorted.delete(key);
    }
  }

  #checkReadable(revision: number): void {
    if (revision < this.#compacted) throw new CompactedError(this.show(revision));
    if (revision > this.#revision) throw future(this.show(revision), this.show(this.#revision));
  }
}

function at(record: KeyRecord, revision: number): KeyValue | undefined {
  const { versions } = record;
  for (let i = versions.length - 1; i >= 0; i -= 1) {
    const version = versions[i] as Version;
    if (version.revision <= revision) return version.kv;
  }
  return undefined;
}

function future(asked: Revision, current: Revision): BoiError {
  return new BoiError('bad-request', `revision ${asked} has not been yet; the store is at ${current}`, {
    details: { asked, current },
  });
}
