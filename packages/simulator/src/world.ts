/** What acts on a run from outside the nodes: the simulation's faults, its people and its ambushes share this view of it. */
import type { ClusterConfig } from '@boi/cluster';
import type { ProjectId } from '@boi/core';
import type { VirtualClock } from '@boi/core/testing';
import type { MemoryServer } from '@boi/store';
import type { Cloud } from './cloud.ts';
import type { Host } from './host.ts';
import type { Tally } from './kinds.ts';
import type { Referee } from './referee.ts';

export interface World {
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly server: MemoryServer;
  readonly referee: Referee;
  readonly tally: Tally;
  readonly hosts: readonly Host[];
  /** Hosts of the cloud that were removed. */
  readonly retired: readonly Host[];
  readonly config: Partial<ClusterConfig>;
  /** In runs in which nodes are made. */
  readonly cloud: Cloud | undefined;
  /** Known once the first node has started. */
  readonly project: ProjectId | undefined;
  /** An operation whose answer may never come; an error must be one that a person can act on. */
  call(answer: Promise<unknown>): void;
}
