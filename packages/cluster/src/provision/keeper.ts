/**
 * Which node sees to a need or to a node that was made: among those that have a provisioner, and on a secure cluster the admin
 * capability, the highest-random-weight winner. While a request is in flight, and for as long as its node lives, that stays the
 * node that asked, since a plugin may know only what its own host made; another one follows it when it is gone.
 */
import { type NodeId, winner } from '@boi/core';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import type { JoinTokens } from './ports.ts';

export function keeperOf(
  key: string,
  by: NodeId | undefined,
  snapshot: MembershipSnapshot,
  tokens: Pick<JoinTokens, 'mayMint'> | undefined,
): NodeId | undefined {
  const able = [...snapshot.members.values()].filter(
    ({ id, record }) => record.provisioner === true && (tokens === undefined || tokens.mayMint(id)),
  );
  const open = able.filter(({ conf }) => conf?.drain === undefined).map(({ id }) => id);
  if (by !== undefined && open.includes(by)) return by;
  const next = winner(
    `provision/${key}`,
    open.map((id) => ({ id, weight: 1 })),
  );
  return next ?? able.find(({ id }) => id === by)?.id;
}
