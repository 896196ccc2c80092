/** Where a task may go. Implemented by placement.ts as pure functions of a snapshot; used by dispatch, release, retry, adoption. */
import type { NodeId, ProjectId, Requirement, TaskId } from '@boi/core';
import type { Compare } from '@boi/store';
import type { Member } from '../membership/membership-types.ts';

/** The part of an entry or definition that decides where it may run. */
export interface PlacementFacts {
  readonly requires?: readonly Requirement[];
  readonly target?: string;
  readonly slots?: number;
}

/** A task about which a router is asked. */
export interface RoutedTask {
  readonly task: TaskId;
  readonly prj: ProjectId;
  readonly facts: PlacementFacts;
  /** Default 0. */
  readonly priority?: number;
  /** Default 1. */
  readonly attempt?: number;
  /** Where earlier attempts failed. */
  readonly failedOn?: readonly NodeId[];
}

/** By task, then by node: the factor for the node's weight, 0 to leave it out. Who is not in it keeps 1. */
export type Hints = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** A node that at least one of the tasks may go to. */
export interface RouteCandidate {
  readonly id: NodeId;
  readonly slots: number;
  readonly busy: number;
  readonly queued: number;
  readonly capabilities: Readonly<Record<string, string | number | boolean>>;
}

export interface RouteAsk {
  /** At most 256. `eligible`: the candidates it may go to, at least two. */
  readonly tasks: readonly (RoutedTask & { readonly eligible: readonly NodeId[] })[];
  readonly candidates: readonly RouteCandidate[];
}

/** Gives advice where tasks should go. Whatever it answers, and whenever: placement goes on. */
export interface RouterPort {
  /** Whether there is anybody to ask now. */
  readonly ready: boolean;
  hint(ask: RouteAsk, signal: AbortSignal): Promise<Hints>;
}

export interface WhyUnplaced {
  readonly summary: string;
  readonly constraints: { readonly constraint: string; readonly nodes: number }[];
}

export type Placed =
  | {
      readonly member: Member;
      /** That node's record unchanged: nothing lands in a dead queue. */
      readonly compares: readonly Compare[];
      readonly why: string;
    }
  | { readonly member: undefined; readonly why: WhyUnplaced };

/** Places many tasks against one snapshot, counting what it has placed so that the bound of load holds within a batch. */
export interface Placer {
  /**
   * Asks the router, if there is one, about tasks that are about to be placed; what it says holds for them from then on. Waits
   * no longer than the limit of adviser.ts, and rejects only when `tasks` does. Without a router that is not called.
   */
  consult(tasks: () => Iterable<RoutedTask> | Promise<Iterable<RoutedTask>>): Promise<void>;
  place(task: TaskId, facts: PlacementFacts, options?: { readonly exclude?: ReadonlySet<string> }): Placed;
}
