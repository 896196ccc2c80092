/**
 * The one place where a request is let in: before its body is read. In this order: who asks (the credential of the connection
 * or of the header), how often, whether the route's role allows it, whether a user limited to a project is within it.
 *
 * Every route is registered with its role; one without (nothing is there) asks for a credential all the same, so that who
 * has none learns nothing but `/healthz`, and may only ask to join.
 */
import { assert, BoiError, type ProjectId, type RouteRole } from '@boi/core';
import type { PeerRefusal } from '@boi/identity';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from './caller.ts';
import { forbidden, permits, permitsLimited } from './permit.ts';
import type { RateLimiter } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly role?: RouteRole;
  }
  interface FastifyRequest {
    /** Who asks; undefined on public routes. */
    caller: Caller | undefined;
  }
}

export interface Access {
  /** Who asks; undefined: no credential was shown. Throws `unauthenticated` for one that is not good. */
  identify(request: FastifyRequest): Caller | undefined | Promise<Caller | undefined>;
  /** The id of a project; throws `not-found`. */
  project(idOrName: string): Promise<ProjectId>;
  readonly limiter: RateLimiter;
}

/** Why a credential is refused, for programs. `unknown` is also the answer to a wrong secret. */
export type RefusedBecause = 'missing' | 'unknown' | 'revoked' | PeerRefusal;

export function unauthenticated(reason: RefusedBecause, message: string): BoiError {
  return new BoiError('unauthenticated', message, { details: { reason } });
}

export function enforceAccess(app: FastifyInstance, access: Access): void {
  app.decorateRequest('caller', undefined);
  app.addHook('onRoute', ({ url, config }) => assert(config?.role !== undefined, `the route ${url} has no role`));
  app.addHook('onRequest', async (request) => {
    const asked = request.routeOptions.config.role ?? 'member';
    const address = `from ${request.socket.remoteAddress ?? 'nowhere'}`;
    if (asked === 'public') {
      access.limiter.take(address);
      return;
    }
    let caller: Caller | undefined;
    try {
      caller = await access.identify(request);
    } catch (error) {
      // Guesses count against the address they come from.
      access.limiter.take(address);
      throw error;
    }
    access.limiter.take(caller === undefined || caller.kind === 'anyone' ? address : caller.id);
    if (caller === undefined) {
      throw unauthenticated(
        'missing',
        "Show who you are: a client certificate of this cluster, or a user's secret as a bearer token.",
      );
    }
    await authorize(access, asked, caller, request);
    request.caller = caller;
  });
}

/**
 * Whether a request that was let in would still be: streams last for hours, and who asks may have been revoked, expelled or
 * given another role meanwhile. What cannot be told now does not end a request.
 */
export async function stillAllowed(access: Access, request: FastifyRequest): Promise<boolean> {
  const asked = request.routeOptions.config.role ?? 'member';
  if (asked === 'public') return true;
  try {
    const caller = await access.identify(request);
    if (caller === undefined) return false;
    await authorize(access, asked, caller, request);
    return true;
  } catch (error) {
    return !(error instanceof BoiError && (error.status === 401 || error.status === 403));
  }
}

async function authorize(access: Access, asked: RouteRole, caller: Caller, request: FastifyRequest): Promise<void> {
  if (!permits(asked, caller)) throw forbidden(asked, caller);
  if (caller.kind === 'user' && caller.project !== undefined) {
    await requireProject(access, asked, caller.project, (request.params as { prj?: string }).prj);
  }
}

/** Of other projects a limited user does not even learn whether they exist. */
async function requireProject(
  access: Access,
  asked: RouteRole,
  limit: ProjectId,
  named: string | undefined,
): Promise<void> {
  const refusal = () =>
    new BoiError('forbidden', `The credential is limited to the project ${limit}.`, { details: { project: limit } });
  if (named === undefined) {
    if (!permitsLimited(asked)) throw refusal();
    return;
  }
  const found = await access.project(named).catch((error: unknown) => {
    if (error instanceof BoiError && error.status === 404) return undefined;
    throw error;
  });
  if (found !== limit) throw refusal();
}
