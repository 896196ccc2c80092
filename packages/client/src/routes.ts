/**
 * Method and path of each route, as the client needs them at run time. They are said in `ROUTES` of @boi/core; importing
 * that table's value would load its schemas and triple the start of every command, so this one carries the literals and the
 * compiler holds it against `ROUTES`: a route that is missing here, extra, or spelled differently does not compile.
 *
 * Also the types of a request, derived from `ROUTES`.
 */
import type { ROUTES, RouteAnswer, RouteBody, RouteId, RouteQuery } from '@boi/core';

type RouteTable = {
  readonly [K in RouteId]: {
    readonly method: (typeof ROUTES)[K]['method'];
    readonly path: (typeof ROUTES)[K]['path'];
  };
};

export const ROUTE_PATHS: RouteTable = {
  'spec.dispatch': { method: 'POST', path: '/v1/projects/:prj/specs' },
  'spec.plan': { method: 'POST', path: '/v1/projects/:prj/specs/plan' },
  'spec.list': { method: 'GET', path: '/v1/projects/:prj/specs' },
  'spec.show': { method: 'GET', path: '/v1/projects/:prj/specs/:spc' },
  'spec.tasks': { method: 'GET', path: '/v1/projects/:prj/specs/:spc/tasks' },
  'spec.events': { method: 'GET', path: '/v1/projects/:prj/specs/:spc/events' },
  'spec.cancel': { method: 'POST', path: '/v1/projects/:prj/specs/:spc/cancel' },
  'spec.retry': { method: 'POST', path: '/v1/projects/:prj/specs/:spc/retry' },
  'task.show': { method: 'GET', path: '/v1/projects/:prj/tasks/:tsk' },
  'task.log': { method: 'GET', path: '/v1/projects/:prj/tasks/:tsk/log' },
  'task.cancel': { method: 'POST', path: '/v1/projects/:prj/tasks/:tsk/cancel' },
  'task.retry': { method: 'POST', path: '/v1/projects/:prj/tasks/:tsk/retry' },
  'task.kill': { method: 'POST', path: '/v1/projects/:prj/tasks/:tsk/kill' },
  'node.list': { method: 'GET', path: '/v1/nodes' },
  'node.show': { method: 'GET', path: '/v1/nodes/:nod' },
  'node.cordon': { method: 'POST', path: '/v1/nodes/:nod/cordon' },
  'node.uncordon': { method: 'POST', path: '/v1/nodes/:nod/uncordon' },
  'node.drain': { method: 'POST', path: '/v1/nodes/:nod/drain' },
  'node.remove': { method: 'DELETE', path: '/v1/nodes/:nod' },
  'cluster.show': { method: 'GET', path: '/v1/cluster' },
  'cluster.pause': { method: 'POST', path: '/v1/cluster/pause' },
  'cluster.resume': { method: 'POST', path: '/v1/cluster/resume' },
  'cluster.fsck': { method: 'GET', path: '/v1/cluster/fsck' },
  'cluster.repair': { method: 'POST', path: '/v1/cluster/fsck' },
  'local.show': { method: 'GET', path: '/v1/local' },
  'local.fallback': { method: 'POST', path: '/v1/local/fallback' },
  whoami: { method: 'GET', path: '/v1/whoami' },
  'group.create': { method: 'POST', path: '/v1/groups' },
  'group.list': { method: 'GET', path: '/v1/groups' },
  'group.show': { method: 'GET', path: '/v1/groups/:grp' },
  'group.add': { method: 'POST', path: '/v1/groups/:grp/add' },
  'group.remove': { method: 'POST', path: '/v1/groups/:grp/remove' },
  'group.delete': { method: 'DELETE', path: '/v1/groups/:grp' },
  join: { method: 'POST', path: '/v1/join' },
  'cert.renew': { method: 'POST', path: '/v1/cert/renew' },
  'ca.show': { method: 'GET', path: '/v1/cluster/ca' },
  'ca.rotate': { method: 'POST', path: '/v1/cluster/ca/rotation' },
  'admin.list': { method: 'GET', path: '/v1/admins' },
  'admin.grant': { method: 'POST', path: '/v1/admins/:nod' },
  'admin.revoke': { method: 'DELETE', path: '/v1/admins/:nod' },
  'token.create': { method: 'POST', path: '/v1/tokens' },
  'token.list': { method: 'GET', path: '/v1/tokens' },
  'token.revoke': { method: 'DELETE', path: '/v1/tokens/:tok' },
  'user.create': { method: 'POST', path: '/v1/users' },
  'user.list': { method: 'GET', path: '/v1/users' },
  'user.revoke': { method: 'DELETE', path: '/v1/users/:usr' },
  'user.reissue': { method: 'POST', path: '/v1/users/:usr/reissue' },
  'user.renew': { method: 'POST', path: '/v1/whoami/certificate' },
  'audit.list': { method: 'GET', path: '/v1/audit' },
  'audit.follow': { method: 'GET', path: '/v1/audit/events' },
  'plugin.list': { method: 'GET', path: '/v1/nodes/:nod/plugins' },
  'plugin.show': { method: 'GET', path: '/v1/nodes/:nod/plugins/:plg' },
  'plugin.restart': { method: 'POST', path: '/v1/nodes/:nod/plugins/:plg/restart' },
  'plugin.log': { method: 'GET', path: '/v1/nodes/:nod/plugins/:plg/log' },
};

/** Routes that answer one JSON document; the others are streams. */
export type CallRoute = { [K in RouteId]: (typeof ROUTES)[K] extends { stream: string } ? never : K }[RouteId];
export type StreamRoute = Exclude<RouteId, CallRoute>;

type Params<R> = R extends { params: infer P } ? { readonly [K in keyof P]: string } : undefined;
export type RouteParams<K extends RouteId> = Params<(typeof ROUTES)[K]>;

interface Waits {
  /** Ends the request, and everything tried for it, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** For the whole answer of one try, milliseconds. Default: the client's. */
  readonly timeoutMs?: number | undefined;
}

/** What a route is called with: `params` and `body` where it has them, `query` if wanted. */
export type RouteRequest<K extends RouteId> = Waits &
  (RouteParams<K> extends undefined ? object : { readonly params: RouteParams<K> }) &
  (RouteQuery<K> extends undefined ? object : { readonly query?: RouteQuery<K> | undefined }) &
  (RouteBody<K> extends undefined ? object : { readonly body: RouteBody<K> });

/** A request with its types forgotten, as the transport sees it. */
export interface AnyRequest extends Waits {
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly query?: object | undefined;
  readonly body?: unknown;
}

export type { RouteAnswer };

/** Path and query of a request; every parameter is percent-encoded, so that none can leave its segment. */
export function requestTarget(route: RouteId, request: AnyRequest): string {
  const path = ROUTE_PATHS[route].path.replace(/:([a-z]+)/g, (_, name: string) => {
    const value = request.params?.[name];
    if (value === undefined || value === '') throw new Error(`route ${route} needs the parameter ${name}`);
    // A dot segment would be folded away by URL parsers on the way.
    return value === '.' || value === '..' ? value.replaceAll('.', '%2E') : encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(key, String(value));
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
