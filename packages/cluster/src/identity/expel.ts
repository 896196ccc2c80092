/**
 * Expels a live node that is no longer trusted. One transaction ends its membership and its session: member, key and node
 * record go together, comparing each as it was read, so that there is no moment at which a node that is not a member may
 * claim. Registering compares the member's record there (membership/register.ts), so the node does not come back by itself;
 * what it runs is then taken over like that of a dead node, except that none of its claims is left for a late commit.
 *
 * What this cannot end is the node's own access to the store: who can write there is as good as a member (docs/security.md).
 */
import { BoiError, type NodeId } from '@boi/core';
import { ABSENT, type LeaseId, unchanged } from '@boi/store';
import { adminNotRemoved } from './admins.ts';
import { memberOf } from './admit.ts';
import { auditOp } from './audit.ts';
import { type Attempt, asFound, change, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type AuditActor, identityCodecs } from './records.ts';

/**
 * Idempotent: what is gone already is not missed. Throws `wrong-state` for an admin node, and for the node that is asked,
 * which could not go on with what comes after.
 */
export async function expelMember(deps: IdentityDeps, node: NodeId, actor: AuditActor): Promise<void> {
  const { store, keys, minter, self } = deps;
  if (node === self)
    throw new BoiError('wrong-state', `${node} cannot expel itself: ask another node, by --endpoints`, {
      details: { node },
    });
  const event = minter.mint('event');
  const lease = await change(deps, async (): Promise<Attempt<LeaseId | undefined>> => {
    const [member, admin, { kv: live }] = await Promise.all([
      memberOf(deps, node),
      find(deps, keys.admin(node), identityCodecs.admin),
      store.get(keys.node(node)),
    ]);
    if (admin.record !== undefined) throw adminNotRemoved(node);
    if (member.record === undefined && live === undefined) return { done: undefined };
    const memberKey = member.record?.certificate.keyFingerprint;
    return {
      txn: {
        compares: [asFound(member), asFound(admin), unchanged(keys.node(node), live?.modRevision ?? ABSENT)],
        success: [
          { op: 'delete', key: keys.member(node) },
          ...(memberKey === undefined ? [] : [{ op: 'delete', key: keys.memberKey(memberKey) } as const]),
          { op: 'delete', key: keys.node(node) },
          { op: 'delete', key: keys.load(node) },
          auditOp(deps, event, { actor, what: 'member.expel', subject: node, before: member.modRevision }),
        ],
      },
      applied: () => live?.lease,
    };
  });
  // What else hangs on its session. Not applied: it ends by itself, since the node does not renew what it cannot use.
  if (lease !== undefined) await store.revokeLease(lease).catch(() => undefined);
}
