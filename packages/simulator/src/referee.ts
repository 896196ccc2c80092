/**
 * Holds a run against what must be true, revision by revision, from the store's own events and from what the task runners
 * witnessed. Conservation is the cluster package's checker; here is the rest:
 *
 * - a result of a task that ran replaces an entry claimed by that node under that fence: nobody superseded it
 * - a task starts only after every one it needs has ended, and only under the claim that stands in the store or stood there
 * - a concurrency slot is held by a claimed entry that says so, and every such entry holds its slot
 * - copies of an exclusive task never overlap, and each (task, fence) starts once
 * - nothing is put into the queue of a node that is gone, and nothing adopted from one that is there
 * - a node's record is never put over another, and no node believes in its session when its lease has ended
 * - a node claims no task anew that it holds in this session, nor one whose result is on its disk
 * - a task is released when all it needs has ended, by results that stand at that revision, and never after a forced cancel
 */
import { createHash } from 'node:crypto';
import { codecs, Keys, lastPart, type QueueEntry, type SpecHeader } from '@boi/cluster';
import { Conservation, type Witness } from '@boi/cluster/testing';
import { type Assignment, specOf, type TaskId, taskId } from '@boi/core';
import type { VirtualClock } from '@boi/core/testing';
import { type MemoryServer, type Revision, toRevision, type WatchEvent } from '@boi/store';

interface Entry {
  readonly node: string;
  readonly record: QueueEntry;
  /** Revision at which its present claim was made. */
  readonly fence: Revision | undefined;
  readonly modRevision: Revision;
}

/** What the referee asks about hosts, by their nodes' ids. */
export interface KnownHosts {
  /** Whether its process runs and holds its session to be live. */
  believesLive(node: string): boolean;
  /** Whether the result of this claim is on its disk. */
  hasKept(node: string, task: string, nonce: string): boolean;
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
  /** Revision at which each live node's record was put. */
  readonly #nodes = new Map<string, Revision>();
  /** What had ended when a task was last released. */
  readonly #released = new Map<TaskId, ReadonlySet<TaskId>>();
  readonly #known: KnownHosts;
  readonly #timeline: ((line: string) => void) | undefined;
  readonly #hash = createHash('sha256');
  readonly #cancel: (() => void) | undefined;
  revisions = 0;

  constructor(
    server: MemoryServer,
    clock: VirtualClock,
    known: KnownHosts,
    /** Is told each event as a line. */
    timeline?: (line: string) => void,
  ) {
    this.#known = known;
    this.#timeline = timeline;
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
    this.#timeline?.(`${Math.round(this.#clock.mono()).toString().padStart(7)} ms  ${line}`);
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
      if (this.#released.get(task)?.has(taskId(spec, need)) === false)
        this.violate(`${task} was released while task ${need}, which it needs, had no result`);
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
    const unblocked = new Set<TaskId>();
    const queued: { task: TaskId; key: string; owner: string; record: QueueEntry }[] = [];
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
        else {
          const record = codecs.entry.decode(key, event.kv.value);
          if (before === undefined) queued.push({ task: lastPart(key) as TaskId, key, owner, record });
          this.#put(key, owner, record, before, revision);
        }
      } else if (kind === 'blocked') {
        if (event.type === 'delete') unblocked.add(lastPart(key) as TaskId);
      } else if (kind === 'nodes') {
        this.#node(lastPart(key), event.type === 'put' ? revision : undefined);
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
    for (const each of queued) this.#queued(each, unblocked, revision);
    for (const { task, value, key } of results) this.#result(task, key, value, gone, revision);
    for (const key of touched) this.#checkLock(key, revision);
    for (const key of lockKeys) this.#checkHolder(key, revision);
  }

  #node(node: string, put: Revision | undefined): void {
    if (put === undefined) {
      this.#nodes.delete(node);
      if (this.#known.believesLive(node)) this.violate(`the session of ${node} ended, and it does not know`);
      return;
    }
    if (this.#nodes.has(node)) this.violate(`revision ${put}: ${node} was registered over a live record`);
    this.#nodes.set(node, put);
  }

  /** An entry that was not at this place before. */
  #queued(
    { task, key, owner, record }: { task: TaskId; key: string; owner: string; record: QueueEntry },
    unblocked: ReadonlySet<TaskId>,
    revision: Revision,
  ): void {
    if (owner !== 'unassigned' && !this.#nodes.has(owner)) {
      this.violate(`revision ${revision}: ${key} was put into the queue of a node that is gone`);
    }
    const move = record.moves?.at(-1);
    if (move?.why === 'adopted' && move.to === (owner === 'unassigned' ? undefined : owner) && !unblocked.has(task)) {
      if (move.from !== undefined && this.#nodes.has(move.from))
        this.violate(`revision ${revision}: ${task} was adopted from ${move.from}, which is live`);
    }
    if (!unblocked.has(task)) return;
    this.#released.set(task, new Set(this.#results.keys()));
    if (this.#specs.get(specOf(task))?.cancel?.level === 2)
      this.violate(`revision ${revision}: ${task} was released after its spec was cancelled by force`);
  }

  #put(key: string, node: string, record: QueueEntry, before: Entry | undefined, revision: Revision): void {
    const { claim } = record;
    const same = claim !== undefined && before?.record.claim?.nonce === claim.nonce;
    const fence = claim === undefined ? undefined : same ? before.fence : revision;
    if (claim !== undefined && !same) {
      const task = lastPart(key);
      this.#claims.add(`${task} ${revision}`);
      const last = before?.record.claim;
      if (last !== undefined && last.epoch === claim.epoch)
        this.violate(`revision ${revision}: ${node} claims ${task} anew, which it holds in this very session`);
      if (last !== undefined && this.#known.hasKept(node, task, last.nonce))
        this.violate(`revision ${revision}: ${node} claims ${task} anew, whose result is on its disk`);
    }
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
