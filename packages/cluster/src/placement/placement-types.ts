/** Where a task may go. Implemented by placement.ts as pure functions of a snapshot; used by dispatch, release, retry, adoption. */
import type { Requirement, TaskId } from '@boi/core';
import type { Compare } from '@boi/store';
import type { Member } from '../membership/membership-types.ts';

/** The part of an entry or definition that decides where it may run. */
export interface PlacementFacts {
  readonly requires?: readonly Requirement[];
  readonly target?: string;
  readonly slots?: number;
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
  place(task: TaskId, facts: PlacementFacts, options?: { readonly exclude?: ReadonlySet<string> }): Placed;
}
