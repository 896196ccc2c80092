/**
 * This node's own queue as its claim loop needs it: the mirror of `queue/{self}/`, and an index of what could be claimed that
 * is kept up with every change, so that a plan costs the same with a hundred entries and with a hundred thousand.
 *
 * Every entry is in at most one place:
 *   waiting   unclaimed and not due yet: two heaps, by wall clock and by the monotonic clock since first seen
 *   a lane    unclaimed and due, or claimed in this node's name with a nonce that does not run here (*lost*)
 *   neither   claimed by what runs here, marked cancelled, or just being claimed (`take`)
 * Whatever the mirror hears about a key puts its entry in the right place again, so nothing here has to be undone by hand.
 */
import type { NodeId, ProjectId, TaskId } from '@boi/core';
import type { Revision } from '@boi/store';
import { type Change, Mirror } from '../base/mirror.ts';
import { SortedList } from '../base/sorted-list.ts';
import type { ClusterContext } from '../context.ts';
import { lastPart } from '../keys.ts';
import { codecs, type QueueEntry, type Stored } from '../records.ts';
import { type Candidate, compareCandidates, type Lane, type LaneFacts } from './claim-plan.ts';

interface OpenLane extends LaneFacts {
  readonly key: string;
  readonly candidates: SortedList<Candidate>;
}

interface Waiting {
  readonly task: TaskId;
  readonly modRevision: Revision;
  readonly dueWallMs: number;
  readonly dueMonoMs: number;
}

const compareTasks = (a: Waiting, b: Waiting) =>
  a.task < b.task
    ? -1
    : a.task > b.task
      ? 1
      : a.modRevision < b.modRevision
        ? -1
        : a.modRevision > b.modRevision
          ? 1
          : 0;

export class OwnQueue {
  readonly mirror: Mirror<QueueEntry>;
  readonly #ctx: ClusterContext;
  readonly #self: NodeId;
  readonly #runsHere: (task: TaskId, nonce: string) => boolean;
  readonly #lanes = new Map<string, OpenLane>();
  /** Where each indexed candidate is. */
  readonly #places = new Map<TaskId, { lane: OpenLane; candidate: Candidate }>();
  readonly #waiting = new Map<TaskId, Waiting>();
  readonly #byWall = new SortedList<Waiting>((a, b) => a.dueWallMs - b.dueWallMs || compareTasks(a, b));
  readonly #byMono = new SortedList<Waiting>((a, b) => a.dueMonoMs - b.dueMonoMs || compareTasks(a, b));
  /** Slots of concurrency keys that lost claims still hold. */
  readonly #lostSlots = new Map<TaskId, { project: ProjectId; hash: string; slot: number }>();
  /** Unclaimed entries of each project. */
  readonly #projects = new Map<ProjectId, number>();
  #queued = 0;

  /** `runsHere` tells whether a claim with this nonce is this process's own: running, or being made. */
  constructor(ctx: ClusterContext, self: NodeId, runsHere: (task: TaskId, nonce: string) => boolean) {
    this.#ctx = ctx;
    this.#self = self;
    this.#runsHere = runsHere;
    this.mirror = new Mirror({
      ctx,
      range: ctx.keys.queueOf(self),
      codec: codecs.entry,
      what: 'queue',
      relistMs: ctx.config.relistMs,
    });
    this.mirror.onChange((changes) => {
      for (const change of changes) this.#apply(change);
    });
  }

  /** Unclaimed entries, due or not. */
  get queued(): number {
    return this.#queued;
  }

  get projects(): Iterable<ProjectId> {
    return this.#projects.keys();
  }

  /** Lanes with at least one entry. */
  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** Whether an entry waits for a slot of this concurrency key. */
  waitsForLock(project: ProjectId, hash: string): boolean {
    for (const lane of this.#lanes.values()) {
      if (lane.project === project && lane.lock?.hash === hash) return true;
    }
    return false;
  }

  /** Slots of a concurrency key that lost claims hold: they are claimed anew with them. */
  lostSlots(project: ProjectId, hash: string): number[] {
    return [...this.#lostSlots.values()].flatMap((held) =>
      held.project === project && held.hash === hash ? [held.slot] : [],
    );
  }

  /** Moves what has become due into the lanes; answers in how many milliseconds the next one will be, if any waits. */
  advance(): number | undefined {
    const { clock } = this.#ctx;
    const wallMs = clock.now();
    const monoMs = clock.mono();
    const due = [
      ...upTo(this.#byWall, (waiting) => waiting.dueWallMs, wallMs),
      ...upTo(this.#byMono, (waiting) => waiting.dueMonoMs, monoMs),
    ];
    for (const waiting of due) {
      if (this.#waiting.get(waiting.task) !== waiting) continue;
      this.#stopWaiting(waiting);
      const stored = this.#stored(waiting.task);
      if (stored !== undefined) this.#enter(waiting.task, stored, false);
    }
    const [byWall] = this.#byWall;
    const [byMono] = this.#byMono;
    if (byWall === undefined || byMono === undefined) return undefined;
    return Math.min(byWall.dueWallMs - wallMs, byMono.dueMonoMs - monoMs);
  }

  /** Takes an entry out of its lane while it is being claimed. The next change of its key, or `reconsider`, puts it back. */
  take(task: TaskId): void {
    this.#leave(task);
  }

  /** Puts an entry where it belongs, as the mirror shows it: after a claim that did not come about. */
  reconsider(task: TaskId): void {
    this.#leave(task);
    const stored = this.#stored(task);
    if (stored !== undefined) this.#place(task, stored);
  }

  /** The entry as last heard of. */
  entry(task: TaskId): Stored<QueueEntry> | undefined {
    return this.#stored(task);
  }

  /** Looks at every entry again: after what runs here has changed as a whole. */
  reconsiderAll(): void {
    for (const key of this.mirror.entries.keys()) this.reconsider(lastPart(key) as TaskId);
  }

  /** Whether an entry of this queue is claimed in this node's name with a nonce that does not run here. */
  isLost({ key, record }: Stored<QueueEntry>): boolean {
    return this.#isLost(lastPart(key) as TaskId, record);
  }

  /** All that are. */
  lost(): Candidate[] {
    return [...this.#places.values()].flatMap(({ candidate }) => (this.isLost(candidate.stored) ? [candidate] : []));
  }

  #stored(task: TaskId): Stored<QueueEntry> | undefined {
    return this.mirror.entries.get(this.#ctx.keys.queue(this.#self, task));
  }

  #apply({ key, before, after }: Change<QueueEntry>): void {
    const task = lastPart(key) as TaskId;
    if (before !== undefined) {
      this.#leave(task);
      if (before.record.claim === undefined) this.#count(before.record.prj, -1);
    }
    if (after !== undefined) {
      if (after.record.claim === undefined) this.#count(after.record.prj, 1);
      this.#place(task, after);
    }
  }

  #count(project: ProjectId, by: 1 | -1): void {
    this.#queued += by;
    const count = (this.#projects.get(project) ?? 0) + by;
    if (count === 0) this.#projects.delete(project);
    else this.#projects.set(project, count);
  }

  #place(task: TaskId, stored: Stored<QueueEntry>): void {
    const { record } = stored;
    if (record.claim !== undefined) {
      if (this.#isLost(task, record)) this.#enter(task, stored, true);
      return;
    }
    if (record.cancel !== undefined) return;
    const waiting = this.#waitingOf(task, stored);
    if (waiting === undefined) {
      this.#enter(task, stored, false);
      return;
    }
    this.#waiting.set(task, waiting);
    this.#byWall.add(waiting);
    this.#byMono.add(waiting);
  }

  #isLost(task: TaskId, record: QueueEntry): boolean {
    return record.claim !== undefined && !this.#runsHere(task, record.claim.nonce);
  }

  #waitingOf(task: TaskId, { record, modRevision }: Stored<QueueEntry>): Waiting | undefined {
    if (record.notBefore === undefined) return undefined;
    const { clock } = this.#ctx;
    if (record.notBefore <= clock.now()) return undefined;
    // A node whose wall clock is wrong waits as long as was meant, counted from when it first saw the entry.
    const dueMonoMs = record.delayMs === undefined ? Number.POSITIVE_INFINITY : clock.mono() + record.delayMs;
    return { task, modRevision, dueWallMs: record.notBefore, dueMonoMs };
  }

  #stopWaiting(waiting: Waiting): void {
    this.#waiting.delete(waiting.task);
    this.#byWall.remove(waiting);
    this.#byMono.remove(waiting);
  }

  #enter(task: TaskId, stored: Stored<QueueEntry>, lost: boolean): void {
    const { record } = stored;
    const deliveries = Math.min(record.deliveries, 2) as 0 | 1 | 2;
    // A lost claim still holds the slot of its key.
    let { lock } = record;
    if (lost && lock !== undefined && record.lockSlot !== undefined) {
      this.#lostSlots.set(task, { project: record.prj, hash: lock.hash, slot: record.lockSlot });
      lock = undefined;
    }
    const slots = record.slots ?? 1;
    const key = `${record.prj} ${slots} ${deliveries} ${lock === undefined ? '' : `${lock.hash} ${lock.limit}`}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      const facts = { project: record.prj, slots, deliveries, ...(lock === undefined ? {} : { lock }) };
      lane = { ...facts, key, candidates: new SortedList(compareCandidates) };
      this.#lanes.set(key, lane);
    }
    const candidate = { task, stored, lost };
    lane.candidates.add(candidate);
    this.#places.set(task, { lane, candidate });
  }

  #leave(task: TaskId): void {
    const waiting = this.#waiting.get(task);
    if (waiting !== undefined) this.#stopWaiting(waiting);
    const place = this.#places.get(task);
    if (place === undefined) return;
    this.#places.delete(task);
    this.#lostSlots.delete(task);
    place.lane.candidates.remove(place.candidate);
    if (place.lane.candidates.size === 0) this.#lanes.delete(place.lane.key);
  }
}

/** The first items that are due. */
function upTo(list: SortedList<Waiting>, dueMs: (waiting: Waiting) => number, nowMs: number): Waiting[] {
  const due: Waiting[] = [];
  for (const waiting of list) {
    if (dueMs(waiting) > nowMs) break;
    due.push(waiting);
  }
  return due;
}
