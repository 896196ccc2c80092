/**
 * Who may call which route: one pure decision over the route's role (the table of routes) and the caller. The table in
 * docs/roles.md is this function over all routes; a test asks a running server the same questions.
 */
import { BoiError, type RouteRole, USER_ROLES, type UserRole } from '@boi/core';
import type { Caller } from './caller.ts';

/** What a user of `role` may: `member` and everything up to its own role. */
function userMay(role: UserRole, asked: RouteRole): boolean {
  if (asked === 'public' || asked === 'member') return true;
  if (asked === 'node') return false;
  return USER_ROLES.indexOf(role) >= USER_ROLES.indexOf(asked);
}

/** Whether `caller` may call a route that asks for `asked`; of a user limited to a project, whether the role allows it. */
export function permits(asked: RouteRole, caller: Caller): boolean {
  switch (caller.kind) {
    case 'anyone':
      return true;
    case 'user':
      return userMay(caller.role, asked);
    case 'node':
      // A plain node does what nodes do among each other, and nothing for people.
      return asked === 'node' || asked === 'member' || asked === 'public' || caller.admin;
  }
}

/** Whether a user limited to one project may call a route that is about none. */
export function permitsLimited(asked: RouteRole): boolean {
  return asked === 'public' || asked === 'member' || asked === 'viewer';
}

export function forbidden(asked: RouteRole, caller: Caller): BoiError {
  const who = caller.kind === 'user' ? `a ${caller.role}` : caller.kind === 'node' ? 'a node' : 'nobody';
  const needed = asked === 'node' ? "a node's certificate" : `the role ${asked}`;
  return new BoiError('forbidden', `This needs ${needed}; the credential is of ${who}.`, {
    details: { needed: asked, role: caller.kind === 'user' ? caller.role : caller.kind },
  });
}
