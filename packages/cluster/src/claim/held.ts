/**
 * What this node holds claims on: one {@link Held} per task, from the claim's answer until its result, requeue or loss is
 * definite. Whether a claim "runs here" is asked of this table, by task and nonce.
 *
 *   ahead ──a slot is free──► starting ──definition and inputs read──► running ──report──► ended ──committed──► (gone)
 *
 * Slots are taken from starting to ended. A held task that was taken away is stopped and dropped without a commit; it stays
 * in the table until its last process is gone, so that no newer copy starts beside it.
 */
import {
  type EventPayload,
  type NodeId,
  type ProjectId,
  type RunningTask,
  type SpecId,
  specOf,
  type TaskId,
} from '@boi/core';
import type { Revision } from '@boi/store';
import type { QueueEntry, SpecHeader, Stored } from '../records.ts';

export interface Held {
  readonly task: TaskId;
  readonly spec: SpecId;
  readonly project: ProjectId;
  /** Of the entry in this node's queue. */
  readonly key: string;
  readonly nonce: string;
  /** Revision of the claim: `BOI_FENCE`. */
  readonly fence: Revision;
  /** Mod revision of `incarnation` when it was claimed. */
  readonly incarnation: Revision;
  readonly slots: number;
  /** The entry as of `revision`. */
  entry: QueueEntry;
  /** Newest revision of the entry that carries the nonce: the claim's, or a cancel mark's. Commits compare it. */
  revision: Revision;
  /** Of a one-task spec: its header, which the commit writes too. */
  header?: Stored<SpecHeader>;
  phase: 'ahead' | 'starting' | 'running' | 'ended';
  running?: RunningTask;
  /** Why this node stops it: `superseded` is never committed, `drained` goes back to a queue. */
  stop?: 'superseded' | 'drained';
  /** How often the runner was told to cancel: 2 is without grace. */
  cancels: number;
}

export function newHeld(
  facts: Pick<Held, 'task' | 'key' | 'nonce' | 'fence' | 'incarnation' | 'entry' | 'phase'> & {
    readonly revision?: Revision;
    readonly header?: Stored<SpecHeader>;
  },
): Held {
  // Whole literals: spreading the facts was the costliest line of a claim in a profile.
  const { task, key, nonce, fence, incarnation, entry, phase, revision = fence, header } = facts;
  const spec = specOf(task);
  const { prj: project, slots = 1 } = entry;
  const held = { task, spec, project, key, nonce, fence, incarnation, slots, entry, revision, phase, cancels: 0 };
  return header === undefined ? held : { ...held, header };
}

/** So many refused claims are remembered: each could only be applied by a copy of its request that is still under way. */
const REFUSED_MAX = 1_000;

export class HeldTasks {
  readonly #held = new Map<TaskId, Held>();
  readonly #over: (held: Held) => void;
  /** Nonces of claims under way, whose outcome is not known yet. */
  readonly #claiming = new Set<string>();
  /** Of claims that were refused because of anything but their entry, the latest: by task and nonce, the `incarnation` they compared. */
  readonly #refused = new Map<string, Revision>();

  /** `over`: told of each claim once it is definite that it is none any more. */
  constructor(over: (held: Held) => void = () => {}) {
    this.#over = over;
  }

  get size(): number {
    return this.#held.size;
  }

  get(task: TaskId): Held | undefined {
    return this.#held.get(task);
  }

  all(): Held[] {
    return [...this.#held.values()];
  }

  inPhase(phase: Held['phase']): Held[] {
    return this.all().filter((held) => held.phase === phase);
  }

  add(held: Held): void {
    this.#held.set(held.task, held);
  }

  /** Removes it, unless the task is held under another nonce by now. */
  remove(held: Held): void {
    if (this.#held.get(held.task) === held) this.#held.delete(held.task);
    this.#over(held);
  }

  /** A claim with this nonce is about to be sent. */
  claiming(nonce: string): void {
    this.#claiming.add(nonce);
  }

  /** Its outcome is known, or nobody waits for it any more. */
  claimed(nonce: string): void {
    this.#claiming.delete(nonce);
  }

  /**
   * A claim was refused although its entry has not changed: the slot of its key was taken, or something all claims compare was
   * another. What refused it can come undone, so a copy of the request that arrives later may still be applied.
   */
  refused(task: TaskId, nonce: string, incarnation: Revision): void {
    this.#refused.set(`${task} ${nonce}`, incarnation);
    if (this.#refused.size <= REFUSED_MAX) return;
    const [oldest] = this.#refused.keys();
    if (oldest !== undefined) this.#refused.delete(oldest);
  }

  /**
   * If the claim of this task with this nonce was refused like that, the `incarnation` it compared: found in an entry, it is this
   * process's claim all the same. Answers once.
   */
  takeRefused(task: TaskId, nonce: string): Revision | undefined {
    const incarnation = this.#refused.get(`${task} ${nonce}`);
    this.#refused.delete(`${task} ${nonce}`);
    return incarnation;
  }

  runsHere(task: TaskId, nonce: string): boolean {
    return this.#held.get(task)?.nonce === nonce || this.#claiming.has(nonce);
  }

  /** Slots in use, those of stopped tasks that still have a process included. */
  get busySlots(): number {
    let slots = 0;
    for (const held of this.#held.values()) if (occupies(held)) slots += held.slots;
    return slots;
  }

  /** Tasks that are starting or running. */
  get running(): number {
    let count = 0;
    for (const held of this.#held.values()) if (occupies(held)) count++;
    return count;
  }

  /** Whether claimed work waits here for a slot. */
  get waits(): boolean {
    for (const { phase } of this.#held.values()) if (phase === 'ahead') return true;
    return false;
  }

  /** Whether a task whose claims were lost twice before is held here. */
  get risky(): boolean {
    for (const { entry, phase } of this.#held.values()) if (phase !== 'ended' && entry.deliveries > 2) return true;
    return false;
  }

  /** Slots of a concurrency key that tasks here hold. */
  lockSlots(project: ProjectId, hash: string): Set<number> {
    const slots = new Set<number>();
    for (const { entry, project: own } of this.#held.values()) {
      if (own === project && entry.lock?.hash === hash && entry.lockSlot !== undefined) slots.add(entry.lockSlot);
    }
    return slots;
  }
}

function occupies({ phase }: Held): boolean {
  return phase === 'starting' || phase === 'running';
}

/** What every event about a claim says. */
export type ClaimFacts = EventPayload<'task.claimed'> & { readonly project: ProjectId };

export function claimFacts(
  executor: NodeId,
  { task, spec, project, fence, entry }: Pick<Held, 'task' | 'spec' | 'project' | 'entry'> & { readonly fence: string },
): ClaimFacts {
  const { attempt, deliveries: delivery } = entry;
  return { project, task, spec, executor, attempt, delivery, fence };
}
