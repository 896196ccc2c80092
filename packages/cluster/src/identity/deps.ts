/** What the parts of identity are built from: a store and this node's id; no session, since most of it works before joining. */
import type { IdMinter, NodeId } from '@boi/core';
import type { ClusterContext } from '../context.ts';
import type { Events } from '../events/events.ts';

export interface IdentityDeps extends Pick<ClusterContext, 'store' | 'keys' | 'clock' | 'random' | 'log' | 'metrics'> {
  readonly self: NodeId;
  readonly minter: IdMinter;
  /** Default: nobody is told. */
  readonly events?: Events;
}
