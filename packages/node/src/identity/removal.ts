/**
 * Takes a node out of the cluster for good: its work, its settings, its membership. A dead one leaves its work first, so that
 * a live one is refused before anything is done; then its membership ends, and what was left to it, since no other node could
 * take it and it might have come back with a result, is taken from it. By force it is the other way round: membership and session end in one
 * transaction, whatever the node does, and then its work is taken over.
 */
import type { IdentityApi } from '@boi/cluster';
import { BoiError, type NodeId, parseId, type RouteAnswer } from '@boi/core';
import type { Caller } from '../access/caller.ts';
import { auditActor } from './views.ts';

export interface Removal {
  /** Id or name. */
  readonly node: string;
  /** It may live: it is not trusted any more. */
  readonly force: boolean;
  /** Takes it out of work. Throws `wrong-state` while it lives, `not-found` when it left nothing. */
  readonly remove: (options: { readonly expelled: boolean }) => Promise<RouteAnswer<'node.remove'>>;
  readonly caller: Caller;
}

export interface RemovalDeps {
  readonly identity: IdentityApi;
  /** Id of a node, by id or name; throws `not-found` for one that is neither live nor left anything. */
  readonly node: (idOrName: string) => Promise<NodeId>;
}

/** Throws `wrong-state` for an admin node before anything is done. Can be repeated after a lost answer. */
export async function removeNode(deps: RemovalDeps, removal: Removal): Promise<RouteAnswer<'node.remove'>> {
  const { identity } = deps;
  const { node, force, remove, caller } = removal;
  const id = parseId('node', node) ?? (force ? await deps.node(node) : undefined);
  if (id !== undefined && identity.directory.isAdmin(id)) {
    throw new BoiError('wrong-state', `${id} is an admin node; revoke that first: boi-node cluster admin revoke`);
  }
  if (!force || id === undefined) {
    const removed = await orForgotten(identity, id, () => remove({ expelled: false }));
    await identity.removeMember(removed.id as NodeId, auditActor(caller));
    const rest = await orNothing(removed.id, remove({ expelled: true }));
    return { ...removed, moved: removed.moved + rest.moved };
  }
  const member = identity.directory.member(id) !== undefined;
  if (member) await identity.expelMember(id, auditActor(caller));
  const taken = remove({ expelled: true });
  return member ? orNothing(id, taken) : taken;
}

/** Of one that left nothing to take over. */
async function orNothing(
  id: string,
  removed: Promise<RouteAnswer<'node.remove'>>,
): Promise<RouteAnswer<'node.remove'>> {
  try {
    return await removed;
  } catch (error) {
    if (error instanceof BoiError && error.code === 'not-found') return { id, moved: 0 };
    throw error;
  }
}

/** A member that left nothing is not known where work is. */
async function orForgotten(
  identity: IdentityApi,
  id: NodeId | undefined,
  remove: () => Promise<RouteAnswer<'node.remove'>>,
): Promise<RouteAnswer<'node.remove'>> {
  try {
    return await remove();
  } catch (error) {
    const forgotten = error instanceof BoiError && error.code === 'not-found';
    if (!forgotten || id === undefined || identity.directory.member(id) === undefined) throw error;
    return { id, moved: 0 };
  }
}
