/**
 * Watches a memory server and checks, at every revision, that nothing is lost and nothing is there twice: of each spec past
 * `writing`, tasks 1…cursor have exactly one record among blocked, queued and result, and none above has; a finished spec has
 * results only, an archived or removed one none; a result is never written over; what was blocked is released once an attempt.
 * Costs what changes, not what there is, so it can stay on through a whole simulation.
 */
import { indexOf, isId, type SpecId, specOf, type TaskId, taskId } from '@boi/core';
import { type MemoryServer, type Revision, toRevision, type WatchEvent } from '@boi/store';
import type { Keys } from '../keys.ts';
import { codecs, type SpecHeader } from '../records.ts';

type Kind = 'blocked' | 'queue' | 'results';

interface Spec {
  header: SpecHeader | undefined;
  /** Keys of each task's records. */
  readonly records: Map<TaskId, Set<string>>;
}

export class Conservation {
  readonly violations: string[] = [];
  /** `task attempt` → how often it went from blocked to a queue. */
  readonly releases = new Map<string, number>();
  /** Results put, by task. */
  readonly results = new Map<TaskId, number>();
  readonly #keys: Keys;
  readonly #specs = new Map<SpecId, Spec>();
  readonly #cancel: (() => void) | undefined;

  /** From the server's first revision on. */
  constructor(server: MemoryServer, keys: Keys) {
    this.#keys = keys;
    this.#cancel = server.watch(
      { ...keys.all(), fromRevision: toRevision(1) },
      {
        onEvents: (events) => {
          for (const [revision, some] of byRevision(events)) this.#apply(some, revision);
        },
        onLost: (_reason, message) => void this.violations.push(`the checker lost its watch: ${message}`),
      },
    );
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Throws with everything that was wrong so far. */
  assert(): void {
    if (this.violations.length > 0) throw new Error(this.violations.slice(0, 20).join('\n'));
  }

  #apply(events: readonly WatchEvent[], revision: Revision): void {
    const touched = new Map<SpecId, Set<number>>();
    const touch = (spc: SpecId, ...indexes: number[]) => {
      const set = touched.get(spc) ?? new Set();
      touched.set(spc, set);
      for (const index of indexes) set.add(index);
    };
    const deletedBlocked = new Set<string>();
    for (const event of events) {
      const key = event.type === 'put' ? event.kv.key : event.key;
      const [kind = '', , id = ''] = this.#keys.parts(key) ?? [];
      if (kind === 'specs' && isId(id, 'spec')) {
        const spec = this.#spec(id);
        const before = spec.header;
        spec.header = event.type === 'put' ? codecs.spec.decode(key, event.kv.value) : undefined;
        touch(id);
        const from = before?.cursor ?? 0;
        const to = spec.header?.cursor ?? 0;
        if (to < from && spec.header !== undefined) this.#violate(revision, `${id}: the cursor went back`);
        for (let index = from + 1; index <= to; index++) touch(id, index);
        const ends = (header: SpecHeader | undefined) => header?.endedAt !== undefined;
        if (ends(spec.header) && !ends(before)) for (const task of spec.records.keys()) touch(id, indexOf(task));
        if (ends(spec.header) && !ends(before) && to < (spec.header?.tasks ?? 0)) {
          this.#violate(revision, `${id} ended before it was dispatched whole`);
        }
      } else if ((kind === 'blocked' || kind === 'queue' || kind === 'results') && isId(id, 'task')) {
        const spc = specOf(id);
        const records = this.#spec(spc).records.get(id) ?? new Set<string>();
        this.#spec(spc).records.set(id, records);
        if (event.type === 'put') {
          if (kind === 'results' && records.has(key)) this.#violate(revision, `${id}: its result was written over`);
          if (kind === 'results') this.results.set(id, (this.results.get(id) ?? 0) + 1);
          if (
            kind === 'queue' &&
            !records.has(key) &&
            (records.has(blockedKey(this.#keys, id)) || deletedBlocked.has(id))
          ) {
            this.#release(id, codecs.entry.decode(key, event.kv.value).attempt, revision);
          }
          // Taken back before it ever ran, a task keeps its attempt and is released in it once more.
          if (kind === 'blocked')
            this.releases.delete(`${id} ${codecs.blocked.decode(key, event.kv.value).attempt ?? 1}`);
          records.add(key);
        } else {
          records.delete(key);
          if (kind === 'blocked') deletedBlocked.add(id);
        }
        touch(spc, indexOf(id));
      }
    }
    for (const [spc, indexes] of touched) this.#check(spc, indexes, revision);
  }

  #release(task: TaskId, attempt: number, revision: Revision): void {
    const key = `${task} ${attempt}`;
    const count = (this.releases.get(key) ?? 0) + 1;
    this.releases.set(key, count);
    if (count > 1) this.#violate(revision, `${task} was released ${count} times in attempt ${attempt}`);
  }

  #check(spc: SpecId, indexes: ReadonlySet<number>, revision: Revision): void {
    const { header, records } = this.#spec(spc);
    for (const index of indexes) {
      const task = taskId(spc, index);
      const keys = [...(records.get(task) ?? [])];
      const expected =
        header === undefined || header.state === 'writing' || header.archived !== undefined || index > header.cursor
          ? 0
          : 1;
      if (keys.length !== expected) {
        const state = header === undefined ? 'gone' : `${header.state}, cursor ${header.cursor}`;
        this.#violate(revision, `task ${index} of ${spc} (${state}) has ${keys.length} records: ${keys.join(', ')}`);
      }
      if (header?.endedAt !== undefined && keys.some((key) => kindOf(this.#keys, key) !== 'results')) {
        this.#violate(revision, `task ${index} of ${spc} has not ended, but the spec has: ${keys.join(', ')}`);
      }
      if (keys.length === 0) records.delete(task);
    }
  }

  #spec(spc: SpecId): Spec {
    const known = this.#specs.get(spc);
    if (known !== undefined) return known;
    const spec: Spec = { header: undefined, records: new Map() };
    this.#specs.set(spc, spec);
    return spec;
  }

  #violate(revision: Revision, what: string): void {
    this.violations.push(`revision ${revision}: ${what}`);
  }
}

/** A delivery of a watch may hold several whole revisions: what must hold, must hold at each of them. */
export function byRevision(events: readonly WatchEvent[]): Map<Revision, WatchEvent[]> {
  const revisions = new Map<Revision, WatchEvent[]>();
  for (const event of events) {
    const revision = event.type === 'put' ? event.kv.modRevision : event.modRevision;
    const some = revisions.get(revision) ?? [];
    revisions.set(revision, some);
    some.push(event);
  }
  return revisions;
}

function blockedKey(keys: Keys, task: TaskId): string {
  return keys.blocked(specOf(task), task);
}

function kindOf(keys: Keys, key: string): Kind {
  return (keys.parts(key)?.[0] ?? 'results') as Kind;
}
