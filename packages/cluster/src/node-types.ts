/** How a daemon (or the simulator, or the benchmark) puts a node together. Implemented by node.ts. */
import type { Clock, EventPort, NodeId, Random, TaskReport, TaskRunner } from '@boi/core';
import type { Store } from '@boi/store';
import type { ClusterApi } from './api/api-types.ts';
import type { FallbackFile } from './api/local-fallback.ts';
import type { ClusterConfig, Logger, MetricSink } from './context.ts';
import type { Ailment } from './membership/ailments.ts';
import type { MembershipSnapshot } from './membership/membership-types.ts';
import type { SessionMemory } from './membership/session.ts';
import type { RouterPort } from './placement/placement-types.ts';
import type { ProvisionerOptions } from './provision/ports.ts';

export interface NodeIdentity {
  readonly id: NodeId;
  readonly name?: string;
  /** URL other nodes reach its API at. */
  readonly address: string;
  readonly version: string;
  readonly capabilities: Readonly<Record<string, string | number | boolean>>;
  readonly slots: number;
  /** It has a plugin that makes nodes. Default false. */
  readonly provisioner?: boolean;
}

/** A finished task whose commit has no definite answer yet; kept on disk while the store is away. */
export interface BufferedResult {
  readonly task: string;
  readonly project: string;
  readonly fence: string;
  readonly nonce: string;
  readonly attempt: number;
  readonly delivery: number;
  /** Of the store it was claimed in: after a restore it must not be committed. Empty: of none there is. */
  readonly incarnation: string;
  readonly report: TaskReport;
}

/** Durable, bounded, oldest first. Implemented in `@boi/worker`; in memory for tests. */
export interface ResultBuffer {
  /** Resolves when it is on disk. */
  append(result: BufferedResult): Promise<void>;
  all(): Promise<readonly BufferedResult[]>;
  remove(task: string, fence: string): Promise<void>;
}

export interface ClusterNodeOptions {
  readonly store: Store;
  /** Default `/boi/`. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricSink;
  /** Who takes the events of the catalogue. Default: nobody. */
  readonly events?: EventPort;
  readonly config?: Partial<ClusterConfig>;
  readonly identity: NodeIdentity;
  /** Id of the cluster this node has a certificate of: `start` rejects with `wrong-state` for any other, or none. Default: makes one if there is none. */
  readonly cluster?: string;
  readonly runner: TaskRunner;
  readonly buffer: ResultBuffer;
  /** Asked where tasks should go. Default: nobody is. */
  readonly router?: RouterPort;
  /** Asked for nodes when tasks wait that no live node is made for. Goes with `identity.provisioner`. Default: nobody is. */
  readonly provisioner?: ProvisionerOptions;
  /** Where local fallback is kept. Default: nowhere, and it ends with the process. */
  readonly fallbackFile?: FallbackFile;
  /** Where the session is noted for the next process with this identity. Default: nowhere. */
  readonly sessionMemory?: SessionMemory;
}

export type SessionState = 'joining' | 'live' | 'lost' | 'stopped';

export interface NodeStatus {
  readonly session: SessionState;
  /** Since when, monotonic milliseconds. */
  readonly since: number;
  readonly busySlots: number;
  readonly running: number;
  readonly queued: number;
  readonly draining: boolean;
  readonly bufferedResults: number;
}

export interface ClusterNodeHandle {
  readonly api: ClusterApi;
  /** Resolves when registered and the own queue has been read; rejects with `identity-in-use`, `schema-unknown`, `store-unreachable`. */
  start(): Promise<void>;
  /** Stops claiming, hands its queue over, waits up to `drainMs` for running tasks, requeues the rest, leaves. */
  stop(options?: { readonly drainMs?: number }): Promise<void>;
  status(): NodeStatus;
  snapshot(): MembershipSnapshot;
  /** What ails the node besides session and store, all of it; the daemon says so whenever it changes. */
  ail(ailments: readonly Ailment[]): void;
}
