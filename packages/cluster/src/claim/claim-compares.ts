/**
 * What every claim compares besides its session and its entries, for the whole batch: this node's settings (drain, cordon),
 * `cluster` (pause) and `incarnation`; and, only if one of the tasks has a target, the groups it was looked up in.
 */
import { ABSENT, type Compare, unchanged } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import type { QueueEntry } from '../records.ts';

export function claimCompares(
  { ctx, self }: Pick<NodeDeps, 'ctx' | 'self'>,
  snapshot: MembershipSnapshot,
  entries: readonly Pick<QueueEntry, 'target'>[],
): Compare[] {
  const { keys } = ctx;
  const compares = [
    unchanged(keys.nodeconf(self), snapshot.members.get(self)?.confRevision ?? ABSENT),
    unchanged(keys.cluster(), snapshot.clusterRevision),
    unchanged(keys.incarnation(), snapshot.incarnationRevision),
  ];
  if (entries.some(({ target }) => target !== undefined)) {
    compares.push(unchanged(keys.groupsRev(), snapshot.groups.revision));
  }
  return compares;
}
