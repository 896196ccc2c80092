/** What every service of a node is built from, besides its own seams: one value per node, made by node.ts. */
import type { NodeId } from '@boi/core';
import type { ClusterContext } from './context.ts';
import type { Membership } from './membership/membership-types.ts';
import type { Session } from './membership/session-types.ts';
import type { Placer } from './placement/placement-types.ts';
import type { SpecBodies } from './spec/spec-body.ts';

export interface NodeDeps {
  readonly ctx: ClusterContext;
  readonly self: NodeId;
  readonly session: Session;
  readonly membership: Membership;
  /** A placer over the present snapshot and loads at most `loadMaxAgeMs` old. */
  placer(): Promise<Placer>;
  readonly bodies: SpecBodies;
}
