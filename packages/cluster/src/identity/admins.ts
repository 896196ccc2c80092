/**
 * Admin nodes: those that have the CA's key and may sign. The mark in the store is what every signing transaction compares;
 * a node whose mark is gone still has the key on its disk, so revoking is for order, and a rotation for mistrust.
 *
 * The last one stays: a revocation compares that another admin's mark, its witness, is still there. Of two revocations that
 * race for the last two admins the second finds its witness gone, looks again, and is refused.
 */
import { BoiError, type NodeId } from '@boi/core';
import { exists } from '@boi/store';
import { SCHEMA_VERSION } from '../records.ts';
import { memberOf } from './admit.ts';
import type { Admin } from './api-types.ts';
import { auditOp } from './audit.ts';
import { type Attempt, asFound, change, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type AuditActor, identityCodecs } from './records.ts';
import { adminsOf, signerOf } from './signer.ts';

export async function grantAdmin(deps: IdentityDeps, node: NodeId, actor: AuditActor): Promise<readonly Admin[]> {
  const { keys, clock, minter } = deps;
  const event = minter.mint('event');
  await change(deps, async (): Promise<Attempt<void>> => {
    const [signer, member, found] = await Promise.all([
      signerOf(deps),
      memberOf(deps, node),
      find(deps, keys.admin(node), identityCodecs.admin),
    ]);
    if (found.record !== undefined) return { done: undefined };
    if (member.record === undefined) throw new BoiError('not-found', `${node} is not a member of the cluster`);
    const record = {
      v: SCHEMA_VERSION,
      since: clock.now(),
      ...(actor.id === undefined ? {} : { by: actor.id }),
    } as const;
    return {
      txn: {
        // The member may renew meanwhile; it may not be removed.
        compares: [...signer.compares, asFound(found), exists(keys.member(node))],
        success: [
          { op: 'put', key: keys.admin(node), value: identityCodecs.admin.encode(record) },
          auditOp(deps, event, { actor, what: 'admin.grant', subject: node }),
        ],
      },
      applied: () => undefined,
    };
  });
  return adminsOf(deps);
}

export async function revokeAdmin(deps: IdentityDeps, node: NodeId, actor: AuditActor): Promise<readonly Admin[]> {
  const { keys, minter } = deps;
  const event = minter.mint('event');
  await change(deps, async (): Promise<Attempt<void>> => {
    const found = await find(deps, keys.admin(node), identityCodecs.admin);
    if (found.record === undefined) return { done: undefined };
    const witness = (await adminsOf(deps)).find(({ id }) => id !== node);
    if (witness === undefined) {
      throw new BoiError('wrong-state', `${node} is the last admin node; grant another one first`);
    }
    return {
      txn: {
        compares: [asFound(found), exists(keys.admin(witness.id))],
        success: [
          { op: 'delete', key: keys.admin(node) },
          auditOp(deps, event, { actor, what: 'admin.revoke', subject: node, before: found.modRevision }),
        ],
      },
      applied: () => undefined,
    };
  });
  return adminsOf(deps);
}

/** Ends a membership. Not an admin's: who could sign yesterday must be revoked by name before. */
export function removeMember(deps: IdentityDeps, node: NodeId, actor: AuditActor): Promise<void> {
  const { keys, minter } = deps;
  const event = minter.mint('event');
  return change(deps, async (): Promise<Attempt<void>> => {
    const [found, admin] = await Promise.all([
      memberOf(deps, node),
      find(deps, keys.admin(node), identityCodecs.admin),
    ]);
    if (found.record === undefined) return { done: undefined };
    if (admin.record !== undefined) throw adminNotRemoved(node);
    return {
      txn: {
        compares: [asFound(found), asFound(admin)],
        success: [
          { op: 'delete', key: keys.member(node) },
          { op: 'delete', key: keys.memberKey(found.record.certificate.keyFingerprint) },
          auditOp(deps, event, { actor, what: 'member.remove', subject: node, before: found.modRevision }),
        ],
      },
      applied: () => undefined,
    };
  });
}

export function adminNotRemoved(node: NodeId): BoiError {
  return new BoiError(
    'wrong-state',
    `${node} is an admin node; revoke that first: boi-node cluster admin revoke ${node}`,
  );
}
