/**
 * What the identity routes ask for, in wire types; the operations behind are in the files of this folder. Operations that
 * sign throw `not-admin-node` (with the admins' addresses) on a node that does not hold the CA's key.
 */
import type {
  AuditView,
  CaView,
  RouteAnswer,
  RouteBody,
  RouteQuery,
  TokenView,
  UserCredential,
  UserView,
} from '@boi/core';
import type { Caller, NodeCaller } from '../access/caller.ts';
import type { Removal } from './removal.ts';

export interface IdentityDesk {
  join(body: RouteBody<'join'>): Promise<RouteAnswer<'join'>>;
  renew(caller: NodeCaller, body: RouteBody<'cert.renew'>): Promise<RouteAnswer<'cert.renew'>>;
  ca(): Promise<CaView>;
  rotateCa(body: RouteBody<'ca.rotate'>, caller: Caller): Promise<CaView>;
  admins(): Promise<RouteAnswer<'admin.list'>>;
  grantAdmin(node: string, caller: Caller): Promise<RouteAnswer<'admin.grant'>>;
  revokeAdmin(node: string, caller: Caller): Promise<RouteAnswer<'admin.revoke'>>;
  /** removal.ts */
  removeNode(removal: Removal): Promise<RouteAnswer<'node.remove'>>;
  createToken(body: RouteBody<'token.create'>, caller: Caller): Promise<RouteAnswer<'token.create'>>;
  tokens(): Promise<RouteAnswer<'token.list'>>;
  revokeToken(token: string, caller: Caller): Promise<TokenView>;
  createUser(body: RouteBody<'user.create'>, caller: Caller): Promise<UserCredential>;
  users(query: RouteQuery<'user.list'>): Promise<RouteAnswer<'user.list'>>;
  revokeUser(user: string, caller: Caller): Promise<UserView>;
  reissueUser(user: string, body: RouteBody<'user.reissue'>, caller: Caller): Promise<UserCredential>;
  /** For the user who asks. Throws `wrong-state` for who shows no user's certificate. */
  renewUser(caller: Caller, body: RouteBody<'user.renew'>): Promise<RouteAnswer<'user.renew'>>;
  audit(query: RouteQuery<'audit.list'>): Promise<RouteAnswer<'audit.list'>>;
  /** The last `last` records, oldest first, then each new one, until the signal aborts. */
  followAudit(query: RouteQuery<'audit.follow'>, signal: AbortSignal): Promise<AsyncIterable<AuditView>>;
}
