/** What the rest of the protocol knows about nodes. Kept current by membership.ts; placement and duties are functions of it. */
import type { NodeId } from '@boi/core';
import type { Revision } from '@boi/store';
import type { Groups } from '../group/groups.ts';
import type { ClusterRecord, LoadRecord, NodeConfRecord, NodeRecord } from '../records.ts';

/** A live node: it has a lease-bound record. */
export interface Member {
  readonly id: NodeId;
  readonly record: NodeRecord;
  /** Create revision of the record: the session epoch. */
  readonly epoch: Revision;
  readonly modRevision: Revision;
  readonly conf?: NodeConfRecord;
  /** Mod revision of `nodeconf/{nod}`, `'0'` when absent. */
  readonly confRevision: Revision;
}

/** Immutable; a new one on every change. */
export interface MembershipSnapshot {
  readonly members: ReadonlyMap<NodeId, Member>;
  /** Settings of nodes that are not live. */
  readonly absentConfs: ReadonlyMap<NodeId, NodeConfRecord>;
  /** Wall clock of when this node saw others go that have not come back; the latest thousand, none from before its start. */
  readonly goneAt: ReadonlyMap<NodeId, number>;
  readonly cluster: ClusterRecord;
  /** Mod revision of the `cluster` key: compared by claims, so that a pause holds from its commit on. */
  readonly clusterRevision: Revision;
  /** Id of this life of the store; a restore begins another. */
  readonly incarnation: string;
  readonly incarnationRevision: Revision;
  /** All groups, for targets; a claim with a target compares their revision. */
  readonly groups: Groups;
  /** Store revision that `members` is current to; their settings, and the rest, may be older or newer. */
  readonly revision: Revision;
}

export interface Membership {
  snapshot(): MembershipSnapshot;
  /** Called after each change, never synchronously inside the caller. Answers an unsubscribe. */
  onChange(fn: (snapshot: MembershipSnapshot) => void): () => void;
  /** Loads of live nodes, read anew when older than `loadMaxAgeMs`. A node without one counts as idle. */
  loads(): Promise<ReadonlyMap<NodeId, LoadRecord>>;
  /** The loads last read, however old, without a read. */
  cachedLoads(): ReadonlyMap<NodeId, LoadRecord>;
}

/** Live, not cordoned, not draining, not cooling, not unhealthy: tasks may be placed on it. */
export function isSchedulable(member: Member, nowMs: number): boolean {
  const conf = member.conf;
  return conf === undefined || (!conf.cordoned && !conf.drain && !conf.unhealthy && (conf.coolingUntil ?? 0) <= nowMs);
}
