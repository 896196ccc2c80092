/**
 * Which entries of its own queue a node claims next: a pure function of what it sees. The one documented order: the project
 * that has had least of its share, then priority (higher first), then task id. Entries with the same needs stand in one
 * *lane*, in that order, so that a plan looks at the heads of the lanes and never through the whole queue.
 *
 * - An entry too large for the free slots is passed over by smaller ones at most {@link PASS_MAX} times; then slots are
 *   held free until it fits. One larger than the whole node is left alone: it never could.
 * - An entry with a concurrency key is taken only while a slot of the key may be free; it is never claimed ahead.
 * - Claimed ahead, beyond the free slots, are only entries never delivered before. Entries whose claims were lost twice
 *   already start only while no other such entry runs on this node: one of them may be what killed the others.
 */
import type { ProjectId, TaskId } from '@boi/core';
import type { QueueEntry, Stored } from '../records.ts';

/** Times smaller entries may overtake a larger one. */
export const PASS_MAX = 10;

export interface Candidate {
  readonly task: TaskId;
  readonly stored: Stored<QueueEntry>;
  /** Claimed in this node's name with a nonce that does not run here: claimed anew. */
  readonly lost: boolean;
}

/** What decides whether an entry may be taken, besides its order. */
export interface LaneFacts {
  readonly project: ProjectId;
  readonly slots: number;
  /** Set when a concurrency slot must be taken with the claim. */
  readonly lock?: { readonly hash: string; readonly limit: number };
  /** Claims before this one: none, one, or more. */
  readonly deliveries: 0 | 1 | 2;
}

export interface Lane extends LaneFacts {
  /** By {@link compareCandidates}. */
  readonly candidates: Iterable<Candidate>;
}

export interface PlanInput {
  readonly lanes: Iterable<Lane>;
  readonly freeSlots: number;
  /** Slots of the whole node. */
  readonly capacity: number;
  /** Claims to be started at once, at most. */
  readonly startMax: number;
  /** Claims beyond that, at most. */
  readonly aheadMax: number;
  /** A task whose claims were lost twice runs here, or is claimed. */
  readonly riskyHere: boolean;
  /** May be held by an entry that was passed over already, by task. */
  readonly passedOver: ReadonlyMap<TaskId, number>;
  /** Slots taken by each project so far, divided by its share. A project not in it begins level with the least served. */
  readonly served: ReadonlyMap<ProjectId, number>;
  readonly share: (project: ProjectId) => number;
  /** Free slots of a concurrency key as far as known, lowest first; empty: wait. */
  readonly lockSlots: (project: ProjectId, hash: string, limit: number) => Iterable<number>;
  /** Being ended or committed here: must not start before that is over. */
  readonly busy: (task: TaskId) => boolean;
}

export interface Pick {
  readonly candidate: Candidate;
  readonly lockSlot?: number;
  /** Not to be started before a slot is free. */
  readonly ahead: boolean;
}

export interface Plan {
  readonly picks: readonly Pick[];
  /** The caller's own from here on. */
  readonly passedOver: Map<TaskId, number>;
  readonly served: ReadonlyMap<ProjectId, number>;
  /** The entry that free slots are kept for. */
  readonly heldFor?: TaskId;
}

/** Priority first, then id. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  const byPriority = (b.stored.record.priority ?? 0) - (a.stored.record.priority ?? 0);
  return byPriority !== 0 ? byPriority : a.task < b.task ? -1 : a.task > b.task ? 1 : 0;
}

class Cursor {
  readonly lane: Lane;
  readonly #rest: Iterator<Candidate>;
  readonly #busy: (task: TaskId) => boolean;
  readonly #lockSlots: Iterator<number> | undefined;
  head: Candidate | undefined;
  lockSlot: number | undefined;

  constructor(lane: Lane, input: PlanInput, lockSlots: Iterator<number> | undefined) {
    this.lane = lane;
    this.#rest = lane.candidates[Symbol.iterator]();
    this.#busy = input.busy;
    this.#lockSlots = lockSlots;
    this.next();
  }

  next(): void {
    do {
      const { value, done } = this.#rest.next();
      this.head = done ? undefined : (value as Candidate);
    } while (this.head !== undefined && this.#busy(this.head.task));
  }

  /** Reserves a slot of the lane's key, if it has one; false when none is left. */
  takeLock(): boolean {
    if (this.#lockSlots === undefined) return true;
    const { value, done } = this.#lockSlots.next();
    this.lockSlot = done ? undefined : (value as number);
    return !done;
  }
}

export function planClaims(input: PlanInput): Plan {
  const keys = new Map<string, Iterator<number>>();
  const locksOf = ({ project, lock }: Lane): Iterator<number> | undefined => {
    if (lock === undefined) return undefined;
    const key = `${project}/${lock.hash}`;
    let slots = keys.get(key);
    if (slots === undefined) {
      slots = input.lockSlots(project, lock.hash, lock.limit)[Symbol.iterator]();
      keys.set(key, slots);
    }
    return slots;
  };
  const cursors: Cursor[] = [];
  for (const lane of input.lanes) cursors.push(new Cursor(lane, input, locksOf(lane)));

  const served = levelled(input.served, cursors);
  const passedOver = new Map(input.passedOver);
  const picks: Pick[] = [];
  const take = (cursor: Cursor, candidate: Candidate, ahead: boolean) => {
    const { lockSlot, lane } = cursor;
    picks.push({ candidate, ahead, ...(lockSlot === undefined ? {} : { lockSlot }) });
    passedOver.delete(candidate.task);
    // A task without slots costs its project something too, or it would starve the others.
    const cost = Math.max(lane.slots, 0.1) / input.share(lane.project);
    served.set(lane.project, (served.get(lane.project) ?? 0) + cost);
    cursor.next();
  };

  let free = input.freeSlots;
  let risky = input.riskyHere;
  let heldFor: TaskId | undefined;
  const tooLarge: TaskId[] = [];
  const open = new Order(cursors, served);
  while (picks.length < input.startMax) {
    const cursor = open.first();
    const candidate = cursor?.head;
    if (cursor === undefined || candidate === undefined) break;
    const { lane } = cursor;
    if (lane.slots > input.capacity || (lane.deliveries === 2 && risky)) open.close(cursor);
    else if (lane.slots > free || (heldFor !== undefined && lane.slots > 0)) {
      open.close(cursor);
      if (heldFor !== undefined) continue;
      tooLarge.push(candidate.task);
      if ((passedOver.get(candidate.task) ?? 0) >= PASS_MAX) heldFor = candidate.task;
    } else if (!cursor.takeLock()) open.close(cursor);
    else {
      take(cursor, candidate, false);
      open.moved(cursor);
      free -= lane.slots;
      if (lane.deliveries === 2) risky = true;
      if (lane.slots === 0) continue;
      for (const task of tooLarge) {
        const times = (passedOver.get(task) ?? 0) + 1;
        passedOver.set(task, times);
        if (times >= PASS_MAX) heldFor ??= task;
      }
    }
  }

  if (heldFor === undefined) {
    const ahead = new Order(
      input.aheadMax > 0 ? cursors.filter(({ lane }) => isAheadLane(lane, input.capacity)) : [],
      served,
    );
    for (let count = 0; count < input.aheadMax; count++) {
      const cursor = ahead.first();
      const candidate = cursor?.head;
      if (cursor === undefined || candidate === undefined) break;
      take(cursor, candidate, true);
      ahead.moved(cursor);
    }
  }
  return { picks, passedOver, served, ...(heldFor === undefined ? {} : { heldFor }) };
}

function isAheadLane(lane: Lane, capacity: number): boolean {
  return lane.deliveries === 0 && lane.lock === undefined && lane.slots > 0 && lane.slots <= capacity;
}

/**
 * The open lanes in the order of their heads: a heap for each project, of which there are few, and with a concurrency key for each
 * of its tasks a queue has as many lanes as entries.
 */
class Order {
  readonly #heaps = new Map<ProjectId, Cursor[]>();
  readonly #served: ReadonlyMap<ProjectId, number>;

  constructor(cursors: readonly Cursor[], served: ReadonlyMap<ProjectId, number>) {
    this.#served = served;
    for (const cursor of cursors) {
      if (cursor.head === undefined) continue;
      const { project } = cursor.lane;
      const heap = this.#heaps.get(project);
      if (heap === undefined) this.#heaps.set(project, [cursor]);
      else heap.push(cursor);
    }
    for (const heap of this.#heaps.values()) for (let at = heap.length >> 1; at >= 0; at--) sink(heap, at);
  }

  /** The lane whose head comes first: of the project that has had least. */
  first(): Cursor | undefined {
    let best: ProjectId | undefined;
    for (const project of this.#heaps.keys()) if (best === undefined || this.#before(project, best)) best = project;
    return best === undefined ? undefined : this.#heaps.get(best)?.[0];
  }

  /** Nothing more is taken of the lane that is first. */
  close({ lane: { project } }: Cursor): void {
    const heap = this.#heaps.get(project) ?? [];
    const last = heap.pop();
    if (heap.length === 0) this.#heaps.delete(project);
    else {
      heap[0] = last as Cursor;
      sink(heap, 0);
    }
  }

  /** The head of the lane that is first was taken. */
  moved(cursor: Cursor): void {
    if (cursor.head === undefined) this.close(cursor);
    else sink(this.#heaps.get(cursor.lane.project) ?? [], 0);
  }

  #before(a: ProjectId, b: ProjectId): boolean {
    const difference = (this.#served.get(a) ?? 0) - (this.#served.get(b) ?? 0);
    return difference !== 0 ? difference < 0 : a < b;
  }
}

/** Down to where none below comes before it. Every cursor in a heap has a head. */
function sink(heap: Cursor[], from: number): void {
  const head = (at: number) => heap[at]?.head as Candidate;
  for (let at = from; ; ) {
    const left = 2 * at + 1;
    if (left >= heap.length) return;
    const child = left + 1 < heap.length && compareCandidates(head(left + 1), head(left)) < 0 ? left + 1 : left;
    if (compareCandidates(head(at), head(child)) <= 0) return;
    const moved = heap[at] as Cursor;
    heap[at] = heap[child] as Cursor;
    heap[child] = moved;
    at = child;
  }
}

/** Only projects with entries here count: one that was away neither saved up nor owes anything. */
function levelled(served: ReadonlyMap<ProjectId, number>, cursors: readonly Cursor[]): Map<ProjectId, number> {
  const projects = new Set(cursors.filter(({ head }) => head !== undefined).map(({ lane }) => lane.project));
  const known = [...projects].flatMap((project) => served.get(project) ?? []);
  const least = known.length === 0 ? 0 : Math.min(...known);
  return new Map([...projects].map((project) => [project, (served.get(project) ?? least) - least]));
}
