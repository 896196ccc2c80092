/**
 * Holds a run against what must be true, revision by revision, from the store's own events and from what the task runners
 * witnessed. Conservation is the cluster package's checker; here is the rest:
 *
 * - a result of a task that ran replaces an entry claimed by that node under that fence: nobody superseded it
 * - a task starts only after every one it needs has ended, and only under the claim that stands in the store or stood there
 * - a concurrency slot is held by a claimed entry that says so, and every such entry holds its slot
 * - copies of an exclusive task never overlap, and each (task, fence) starts once
 */
import { createHash } from 'node:crypto';
import { codecs, Keys, lastPart, type QueueEntry, type SpecHeader } from '@boi/cluster';
import { Conservation, type Witness } from '@boi/cluster/testing';
import { type Assignment, type TaskId, taskId } from '@boi/core';
import type { VirtualClock } from '@boi/core/testing';
import { type MemoryServer, type Revision, toRevision, type WatchEvent } from '@boi/store';

interface Entry {
  readonly node: string;
  readonly record: QueueEntry;
  /** Revision at which its present claim was made. */
  readonly fence: Revision | undefined;
  readonly modRevision: Revision;
}

export class Referee {
  readonly keys = new Keys();
  readonly #conservation: Conservation;
  readonly #clock: VirtualClock;
  readonly #violations: string[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #locks = new Map<string, { task: string; nonce: string }>();
  /** Tasks that have, or once had, a result. */
  readonly #ended = new Set<TaskId>();
  readonly #results = new Map<TaskId, { outcome: string; node: string | undefined; fence: string | undefined }>();
  /** Claims that were made, `task fence`. */
  readonly #claims = new Set<string>();
  /** Headers, by spec. */
  readonly #specs = new Map<string, SpecHeader>();
  readonly #hash = createHash('sha256');
  readonly #cancel: (() => void) | undefined;
  revisions = 0;

  constructor(server: MemoryServer, clock: VirtualClock) {
    this.#clock = clock;
    this.#conservation = new Conservation(server, this.keys);
    this.#cancel = server.watch(
      { ...this.keys.all(), fromRevision: toRevision(1) },
      {
        onEvents: (events) => {
          for (const [revision, some] of byRevision(events)) this.#apply(some, revision);
        },
        onLost: (_reason, message) => this.violate(`the referee lost its watch: ${message}`),
      },
    );
  }

  stop(): void {
    this.#cancel?.();
    this.#conservation.stop();
  }

  /** Everything that was wrong so far. */
  get violations(): readonly string[] {
    return [...this.#conservation.violations, ...this.#violations];
  }

  violate(what: string): void {
    this.#violations.push(`at ${Math.round(this.#clock.mono())} ms: ${what}`);
  }

  /** Adds to what identifies the run. */
  trace(line: string): void {
    this.#hash.update(`${this.#clock.mono()} ${line}\n`);
  }

  get traceHash(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Called by runners as they start a task, before anything else. */
  starts(assignment: Assignment): void {
    const { task, fence, definition, spec } = assignment;
    this.trace(`start ${task} ${fence}`);
    if (!this.#claims.has(`${task} ${fence}`)) this.violate(`${task} starts under fence ${fence}, which is no claim`);
    for (const need of definition.needs ?? []) {
      if (!this.#ended.has(taskId(spec, need)))
        this.violate(`${task} starts before task ${need}, which it needs, ended`);
    }
  }

  /** What the runners saw, when the run is over. */
  judge(witnesses: readonly Witness[]): void {
    const started = new Set<string>();
    const exclusive = new Map<TaskId, Witness[]>();
    for (const witness of witnesses) {
      const { task, fence, definition } = witness.assignment;
      const key = `${task} ${fence}`;
      if (started.has(key)) this.violate(`${task} was started twice under fence ${fence}`);
      started.add(key);
      if (definition.exclusive === true) exclusive.set(task, [...(exclusive.get(task) ?? []), witness]);
    }
    for (const [task, copies] of exclusive) {
      copies.sort((a, b) => a.startedMono - b.startedMono);
      for (let i = 1; i < copies.length; i++) {
        const before = copies[i - 1] as Witness;
        const after = copies[i] as Witness;
        if ((before.endedMono ?? Number.POSITIVE_INFINITY) <= after.startedMono) continue;
        this.violate(
          `exclusive ${task} ran twice at once: on ${before.assignment.node} from ${before.startedMono} to ${before.endedMono}, on ${after.assignment.node} from ${after.startedMono}`,
        );
      }
    }
    for (const [task, { outcome, fence }] of this.#results) {
      if (outcome !== 'succeeded' && outcome !== 'timed-out') continue;
      if (!started.has(`${task} ${fence}`)) this.violate(`${task} ${outcome} under fence ${fence}, which never ran`);
    }
  }

  /** Queue entries that are left. */
  get entries(): readonly string[] {
    return [...this.#entries].map(([key, { record, fence }]) => {
      const { attempt, deliveries, claim, cancel, lock } = record;
      const held = claim === undefined ? 'unclaimed' : `claimed ${claim.nonce} at ${fence}`;
      const more = `${cancel === undefined ? '' : ', cancelled'}${lock === undefined ? '' : ', keyed'}`;
      return `${key}: attempt ${attempt}, delivery ${deliveries}, ${held}${more}`;
    });
  }

  get specs(): ReadonlyMap<string, SpecHeader> {
    return this.#specs;
  }

  /** A task that has an entry, and whether it is claimed: what an operator could act on. */
  tasks(claimed: boolean): TaskId[] {
    return [...this.#entries].flatMap(([key, { record }]) =>
      (record.claim !== undefined) === claimed ? [lastPart(key) as TaskId] : [],
    );
  }

  get endedTasks(): TaskId[] {
    return [...this.#results.keys()];
  }

  get resultCount(): number {
    return this.#results.size;
  }

  get locksHeld(): readonly string[] {
    return [...this.#locks.keys()];
  }

  #apply(events: readonly WatchEvent[], revision: Revision): void {
    this.revisions++;
    const gone = new Map<string, Entry>();
    const touched = new Set<string>();
    const lockKeys = new Set<string>();
    const results: { task: TaskId; value: Buffer; key: string }[] = [];
    for (const event of events) {
      const key = event.type === 'put' ? event.kv.key : event.key;
      const [kind, owner = ''] = this.keys.parts(key) ?? [];
      if (kind !== 'load') this.trace(`${revision} ${key} ${event.type === 'put' ? event.kv.value.toString() : '-'}`);
      if (kind === 'queue') {
        const before = this.#entries.get(key);
        if (before !== undefined) gone.set(key, before);
        touched.add(key);
        if (event.type === 'delete') this.#entries.delete(key);
        else this.#put(key, owner, codecs.entry.decode(key, event.kv.value), before, revision);
      } else if (kind === 'specs') {
        if (event.type === 'delete') this.#specs.delete(lastPart(key));
        else this.#specs.set(lastPart(key), codecs.spec.decode(key, event.kv.value));
      } else if (kind === 'locks') {
        lockKeys.add(key);
        if (event.type === 'delete') this.#locks.delete(key);
        else this.#locks.set(key, codecs.lock.decode(key, event.kv.value));
      } else if (kind === 'results') {
        const task = lastPart(key) as TaskId;
        if (event.type === 'delete') this.#results.delete(task);
        else results.push({ task, value: event.kv.value, key });
      }
    }
    for (const { task, value, key } of results) this.#result(task, key, value, gone, revision);
    for (const key of touched) this.#checkLock(key, revision);
    for (const key of lockKeys) this.#checkHolder(key, revision);
  }

  #put(key: string, node: string, record: QueueEntry, before: Entry | undefined, revision: Revision): void {
    const { claim } = record;
    const same = claim !== undefined && before?.record.claim?.nonce === claim.nonce;
    const fence = claim === undefined ? undefined : same ? before.fence : revision;
    if (claim !== undefined && !same) this.#claims.add(`${lastPart(key)} ${revision}`);
    if (claim === undefined && record.lockSlot !== undefined) this.violate(`${key} has a lock slot without a claim`);
    this.#entries.set(key, { node, record, fence, modRevision: revision });
  }

  #result(task: TaskId, key: string, value: Buffer, gone: ReadonlyMap<string, Entry>, revision: Revision): void {
    const { outcome, node, fence, reason } = codecs.result.decode(key, value);
    this.#ended.add(task);
    this.#results.set(task, { outcome, node, fence });
    // What ended without running has no fence; a failure to start or a lost claim has one too.
    if (fence === undefined || outcome === 'poison') return;
    const entry = node === undefined ? undefined : gone.get(this.keys.queue(node, task));
    if (entry === undefined) this.violate(`revision ${revision}: ${task} ${outcome}, but ${node} had no entry of it`);
    else if (entry.fence !== fence && !(outcome === 'cancelled' && entry.modRevision === fence)) {
      // A claim of an earlier life that was cancelled ends under the mark's revision: it never ran under it.
      this.violate(
        `revision ${revision}: ${task} ${outcome} (${reason}) under fence ${fence}, but its claim was ${entry.fence}`,
      );
    }
  }

  #checkLock(key: string, revision: Revision): void {
    const entry = this.#entries.get(key);
    if (entry?.record.lock === undefined || entry.record.claim === undefined) return;
    const { prj, lock, lockSlot } = entry.record;
    const held = lockSlot === undefined ? undefined : this.#locks.get(this.keys.lock(prj, lock.hash, lockSlot));
    if (held?.task !== lastPart(key)) this.violate(`revision ${revision}: ${key} is claimed without its slot`);
  }

  #checkHolder(lockKey: string, revision: Revision): void {
    const lock = this.#locks.get(lockKey);
    if (lock === undefined) return;
    for (const [key, { record }] of this.#entries) {
      if (lastPart(key) === lock.task && record.claim?.nonce === lock.nonce) return;
    }
    this.violate(`revision ${revision}: ${lockKey} is held by ${lock.task}, which has no such claim`);
  }
}

/** A delivery may hold several whole revisions. */
function byRevision(events: readonly WatchEvent[]): Map<Revision, WatchEvent[]> {
  const revisions = new Map<Revision, WatchEvent[]>();
  for (const event of events) {
    const revision = event.type === 'put' ? event.kv.modRevision : event.modRevision;
    const some = revisions.get(revision) ?? [];
    revisions.set(revision, some);
    some.push(event);
  }
  return revisions;
}
