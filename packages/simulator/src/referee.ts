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
 * - no copy of a task starts on a node where an older one still lives
 * - what a result says is what the task that ran under its fence did
 * - never released after a forced cancel; and the rules of spec-rules.ts and task-rules.ts
 */
import { createHash } from 'node:crypto';
import { codecs, Keys, lastPart, type QueueEntry, type ResultRecord, type SpecHeader } from '@boi/cluster';
import { byRevision, Conservation, type Witness } from '@boi/cluster/testing';
import { type Assignment, type SpecId, specOf, type TaskId, taskId } from '@boi/core';
import type { VirtualClock } from '@boi/core/testing';
import { type MemoryServer, type Revision, toRevision, type WatchEvent } from '@boi/store';
import { isMove, type Tally } from './kinds.ts';
import { SpecRules } from './spec-rules.ts';
import { TaskRules } from './task-rules.ts';
import { describeEvent, Names } from './tell.ts';

interface Entry {
  readonly node: string;
  readonly record: QueueEntry;
  /** Revision at which its present claim was made. */
  readonly fence: Revision | undefined;
  /** That marked the claim to be cancelled: its own, or by force as well. */
  readonly marks: readonly Revision[];
}

/** Clocks of earlier lives are told in the simulation's time by dividing: not exactly. */
const ROUNDING_MS = 0.01;

/** What the referee asks about hosts, by their nodes' ids. */
export interface KnownHosts {
  /** Whether its process runs and holds its session to be live. */
  believesLive(node: string): boolean;
  /** Whether the result of this claim is on its disk. */
  hasKept(node: string, task: string, nonce: string): boolean;
  /** Whether it is being stopped, and gives its session up itself. */
  isStopping(node: string): boolean;
}

export interface RefereeOptions {
  readonly server: MemoryServer;
  readonly clock: VirtualClock;
  readonly known: KnownHosts;
  readonly tally: Tally;
  readonly deliveriesMax: number;
  /** Is told each event as a line. */
  readonly timeline?: (line: string) => void;
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
  /** That stand. */
  readonly #results = new Map<TaskId, ResultRecord>();
  /** Claims that were made, `task fence`. */
  readonly #claims = new Set<string>();
  /** Headers, by spec. */
  readonly #specs = new Map<string, SpecHeader>();
  /** Revision at which each live node's record was put. */
  readonly #nodes = new Map<string, Revision>();
  /** Every result there ever was. */
  readonly #everyResult: { readonly task: TaskId; readonly record: ResultRecord }[] = [];
  /** Their claims were taken away by force: an older copy may run on beside the new one. */
  readonly #killed = new Set<TaskId>();
  /** Their archives are looked at when the whole revision is known. */
  readonly #newlyArchived: SpecId[] = [];
  readonly #specRules: SpecRules;
  readonly #taskRules: TaskRules;
  readonly #tally: Tally;
  /** For whoever reads: nodes and specs by number. */
  readonly names = new Names();
  /** Up to where the simulation itself has compacted. */
  compacted: Revision = toRevision(0);
  readonly #known: KnownHosts;
  readonly #timeline: ((line: string) => void) | undefined;
  readonly #hash = createHash('sha256');
  readonly #cancel: (() => void) | undefined;
  revisions = 0;

  constructor({ server, clock, known, tally, deliveriesMax, timeline }: RefereeOptions) {
    this.#known = known;
    this.#timeline = timeline;
    this.#clock = clock;
    this.#tally = tally;
    const violate = (what: string) => this.violate(`revision ${server.revision}: ${what}`);
    this.#specRules = new SpecRules(violate);
    this.#taskRules = new TaskRules(deliveriesMax, violate);
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

  /** Adds to what identifies the run; `told` is the same for people. */
  trace(line: string, told?: () => string): void {
    this.#hash.update(`${this.#clock.mono()} ${line}\n`);
    const at = Math.round(this.#clock.mono()).toString().padStart(7);
    this.#timeline?.(`${at} ms  ${this.names.replace(told?.() ?? line)}`);
  }

  /** Somebody asks to cancel this spec or task. */
  asked(id: string): void {
    this.#specRules.asked(id);
  }

  /** Somebody takes this task's claim away by force. */
  killed(task: TaskId): void {
    this.#killed.add(task);
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
    const started = new Map<string, Witness>();
    const copies = new Map<TaskId, Witness[]>();
    for (const witness of witnesses) {
      const { task, fence } = witness.assignment;
      const key = `${task} ${fence}`;
      if (started.has(key)) this.violate(`${task} was started twice under fence ${fence}`);
      started.set(key, witness);
      copies.set(task, [...(copies.get(task) ?? []), witness]);
    }
    for (const [task, some] of copies) this.#judgeCopies(task, some);
    for (const { task, record } of this.#everyResult) {
      const { outcome, fence, reason } = record;
      if (outcome !== 'succeeded' && outcome !== 'timed-out' && outcome !== 'failed') continue;
      if (outcome === 'failed' && reason === 'start-failed') continue;
      const witness = started.get(`${task} ${fence}`);
      if (witness === undefined) this.violate(`${task} ${outcome} under fence ${fence}, which never ran`);
      else if (witness.outcome !== outcome)
        this.violate(`${task} ${outcome} under fence ${fence}, but what ran there ${witness.outcome ?? 'was lost'}`);
    }
  }

  #judgeCopies(task: TaskId, copies: Witness[]): void {
    copies.sort((a, b) => a.startedMono - b.startedMono);
    for (const [i, after] of copies.entries()) {
      for (const before of copies.slice(0, i)) {
        const ends = [before, after].map(({ endedMono = Number.POSITIVE_INFINITY }) => endedMono);
        // Of two that began at the same instant either may come first, by rounding.
        if (Math.min(...ends) - after.startedMono <= ROUNDING_MS) continue;
        const exclusive = after.assignment.definition.exclusive === true && !this.#killed.has(task);
        if (!exclusive && before.assignment.node !== after.assignment.node) continue;
        this.violate(
          `${exclusive ? 'exclusive ' : ''}${task} ran twice at once: on ${before.assignment.node} from ${before.startedMono} to ${before.endedMono}, on ${after.assignment.node} from ${after.startedMono}`,
        );
      }
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

  /** Nonce of the claim on a task in this node's queue. */
  nonceOf(node: string, task: TaskId): string | undefined {
    return this.#entries.get(this.keys.queue(node as Parameters<Keys['queue']>[0], task))?.record.claim?.nonce;
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
    return this.#everyResult.length;
  }

  /** Tasks of the spec that have ended, archived or not. */
  ended(spec: SpecId): number {
    return this.#specRules.ended(spec);
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
    const results: { task: TaskId; record: ResultRecord }[] = [];
    const moved = new Set<TaskId>();
    for (const event of events) {
      const key = event.type === 'put' ? event.kv.key : event.key;
      const value = event.type === 'put' ? event.kv.value : undefined;
      const [kind, owner = ''] = this.keys.parts(key) ?? [];
      if (kind !== 'load') {
        this.trace(`${revision} ${key} ${value?.toString('latin1') ?? '-'}`, () =>
          describeEvent(this.keys, revision, key, value),
        );
      }
      if (kind === 'queue') {
        const before = this.#entries.get(key);
        if (before !== undefined) gone.set(key, before);
        touched.add(key);
        if (value === undefined) {
          this.#entries.delete(key);
          moved.add(lastPart(key) as TaskId);
        } else {
          const record = codecs.entry.decode(key, value);
          if (before === undefined) queued.push({ task: lastPart(key) as TaskId, key, owner, record });
          else this.#taskRules.entry(lastPart(key) as TaskId, record, false);
          this.#put(key, owner, record, before, revision);
        }
      } else if (kind === 'blocked') {
        if (value === undefined) unblocked.add(lastPart(key) as TaskId);
      } else if (kind === 'nodes') {
        this.#node(lastPart(key), value === undefined ? undefined : revision);
      } else if (kind === 'specs') {
        this.#spec(lastPart(key) as SpecId, value === undefined ? undefined : codecs.spec.decode(key, value));
      } else if (kind === 'specbody') {
        if (value !== undefined) this.#specRules.body(owner as SpecId, key, value);
      } else if (kind === 'archive') {
        const [, , spec = '', n] = this.keys.parts(key) ?? [];
        if (value !== undefined) this.#specRules.archive(spec as SpecId, Number(n), key, value);
      } else if (kind === 'locks') {
        lockKeys.add(key);
        if (value === undefined) this.#locks.delete(key);
        else this.#locks.set(key, codecs.lock.decode(key, value));
      } else if (kind === 'results') {
        const task = lastPart(key) as TaskId;
        if (value === undefined) this.#results.delete(task);
        else results.push({ task, record: codecs.result.decode(key, value) });
      }
    }
    this.#takeBack(events);
    for (const { task, record } of results) {
      this.#specRules.result(task, record);
      this.#results.set(task, record);
      this.#everyResult.push({ task, record });
      this.#ended.add(task);
    }
    for (const each of queued) this.#queued(each, unblocked, moved, revision);
    for (const { task, record } of results) this.#result(task, record, gone, revision);
    for (const key of touched) this.#checkLock(key, revision);
    for (const key of lockKeys) this.#checkHolder(key, revision);
    this.#checkArchived();
  }

  /** Results that are gone: taken back by a retry, unless their spec was archived at this revision. */
  #takeBack(events: readonly WatchEvent[]): void {
    for (const event of events) {
      if (event.type !== 'delete' || this.keys.parts(event.key)?.[0] !== 'results') continue;
      const task = lastPart(event.key) as TaskId;
      if (this.#specs.get(specOf(task))?.archived === undefined) this.#specRules.takenBack(task);
    }
  }

  #spec(spec: SpecId, header: SpecHeader | undefined): void {
    const before = this.#specs.get(spec);
    if (header === undefined) {
      this.#specs.delete(spec);
      return;
    }
    this.#specs.set(spec, header);
    // In the order in which they come, told or not.
    this.names.replace(spec);
    this.#specRules.header(spec, header);
    if (header.archived !== undefined && before?.archived === undefined) this.#newlyArchived.push(spec);
    if (before === undefined) return;
    if (before.coordinator !== header.coordinator) this.#tally.add('coordinator replaced');
    const taken = before.dispatcher !== undefined && header.dispatcher === undefined;
    if (taken && header.state === 'dispatching') this.#tally.add('dispatch resumed');
  }

  #checkArchived(): void {
    for (const spec of this.#newlyArchived.splice(0)) {
      this.#tally.add('archived');
      this.#specRules.archived(spec, this.#specs.get(spec) as SpecHeader);
    }
  }

  #node(node: string, put: Revision | undefined): void {
    if (put === undefined) {
      this.#nodes.delete(node);
      if (!this.#known.isStopping(node)) this.#tally.add('lease expired');
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
    movedTasks: ReadonlySet<TaskId>,
    revision: Revision,
  ): void {
    const spec = this.#specs.get(specOf(task));
    this.#taskRules.entry(task, record, !movedTasks.has(task));
    if (owner !== 'unassigned' && !this.#nodes.has(owner)) {
      this.violate(`revision ${revision}: ${key} was put into the queue of a node that is gone`);
    }
    const move = movedTasks.has(task) ? record.moves?.at(-1) : undefined;
    if (move !== undefined && isMove(move.why)) this.#tally.add(move.why);
    if (move?.why === 'adopted' && move.from !== undefined && this.#nodes.has(move.from)) {
      this.violate(`revision ${revision}: ${task} was adopted from ${move.from}, which is live`);
    }
    const { concurrency } = spec ?? {};
    if (concurrency !== undefined) {
      const queued = [...this.#entries.keys()].filter((each) => specOf(lastPart(each) as TaskId) === specOf(task));
      if (queued.length > concurrency)
        this.violate(
          `revision ${revision}: ${queued.length} tasks of ${specOf(task)} are out, its limit is ${concurrency}`,
        );
    }
    if (!unblocked.has(task)) return;
    this.#specRules.released(task);
    if (spec?.cancel?.level === 2)
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
      if (last !== undefined) this.#tally.add('claimed anew');
      if (last !== undefined && last.epoch === claim.epoch)
        this.violate(`revision ${revision}: ${node} claims ${task} anew, which it holds in this very session`);
      if (last !== undefined && this.#known.hasKept(node, task, last.nonce))
        this.violate(`revision ${revision}: ${node} claims ${task} anew, whose result is on its disk`);
    }
    if (claim === undefined && record.lockSlot !== undefined) this.violate(`${key} has a lock slot without a claim`);
    const marks = same ? [...before.marks, revision] : [];
    this.#entries.set(key, { node, record, fence, marks });
  }

  #result(task: TaskId, record: ResultRecord, gone: ReadonlyMap<string, Entry>, revision: Revision): void {
    const { outcome, node, fence, reason } = record;
    this.#taskRules.result(task, record);
    const entry = [...gone].find(([key]) => lastPart(key) === task)?.[1];
    if (outcome === 'poison' || outcome === 'skipped' || outcome === 'cancelled') this.#tally.add(outcome);
    if (outcome === 'skipped') this.#specRules.skipped(task);
    if (outcome === 'cancelled')
      this.#specRules.cancelled(task, this.#specs.get(specOf(task)), entry?.record.cancel !== undefined);
    // What ended without running has no fence; a failure to start or a lost claim has one too.
    if (fence === undefined || outcome === 'poison') return;
    if (entry === undefined || entry.node !== node)
      this.violate(`revision ${revision}: ${task} ${outcome}, but ${node} had no entry of it`);
    else if (entry.fence !== fence && !(outcome === 'cancelled' && entry.marks.some((mark) => mark === fence))) {
      // A claim of an earlier life that was cancelled ends under a mark's revision: it never ran under it.
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
