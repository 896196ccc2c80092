/** The node's own standing, as claim, commit and the duties see it. Implemented by session.ts. */
import type { NodeId } from '@boi/core';
import type { Compare, Revision } from '@boi/store';

export interface Session {
  readonly node: NodeId;
  /** The epoch while the session is surely alive by both clocks; undefined otherwise. Ask right before every use. */
  epoch(): Revision | undefined;
  /** Compares that make a transaction fail when this session is over: own record still of this epoch. Throws `unavailable` when not live. */
  compares(): readonly Compare[];
  /** Aborted when the session is lost (a new one has a new signal) or the node stops. */
  signal(): AbortSignal;
  onLive(fn: (epoch: Revision) => void): () => void;
  onLost(fn: () => void): () => void;
}
