/**
 * Which caller may call which route, found by asking a running server: used on a server in memory with callers told by a
 * header, and on a real daemon with real certificates and secrets. Nothing of it knows the rules.
 */
import { ROUTES, type RouteId } from '@boi/core';

export const WHO = ['nobody', 'viewer', 'operator', 'admin', 'node', 'admin node'] as const;
export type Who = (typeof WHO)[number];

export interface RoleRow {
  readonly route: string;
  readonly request: string;
  readonly may: Readonly<Record<Who, boolean>>;
}

/** Routes beside the table's. */
const OTHERS: readonly [string, string, string][] = [
  ['', 'GET', '/internal/tail/:tsk'],
  ['', 'GET', '/healthz'],
  ['', 'GET', '/readyz'],
  ['', 'GET', '/metrics'],
  ['', 'GET', '/openapi.json'],
];

/** `ask` answers the HTTP status. Bodies are ill-formed on purpose: who may call is answered 400 and nothing is changed. */
export async function deriveRoles(
  ask: (who: Who, method: string, path: string, body: string | undefined) => Promise<number>,
): Promise<readonly RoleRow[]> {
  const rows: RoleRow[] = [];
  const table = (Object.keys(ROUTES) as RouteId[]).map((id): [string, string, string] => [
    id,
    ROUTES[id].method,
    ROUTES[id].path,
  ]);
  for (const [route, method, path] of [...table, ...OTHERS]) {
    const may = {} as Record<Who, boolean>;
    for (const who of WHO) {
      // A parameter that is nothing's id or name: a route without a body to be wrong in answers 404 to who may call it.
      const status = await ask(who, method, path.replace(/:[a-z]+/g, '%20'), method === 'GET' ? undefined : '[]');
      may[who] = status !== 401 && status !== 403;
    }
    rows.push({ route, request: `${method} ${path}`, may });
  }
  return rows;
}

export function rolesDocument(rows: readonly RoleRow[]): string {
  return `${[
    '# Routes and roles',
    '',
    'Who may call which route of the HTTP API. Written by `packages/node/src/access/roles.test.ts`, which asks a running server',
    "as each of them. A viewer reads; an operator also runs work and drains nodes; an admin does everything. A node's certificate",
    'opens what nodes ask each other for. An admin node holds the key of the CA, so nothing an admin may do could be kept from it.',
    'Without a good credential the answer is 401 `unauthenticated`, with one that does not suffice 403 `forbidden`.',
    'A user limited to a project gets 403 for every other project, and for routes about no project that a viewer may not call.',
    '',
    `| route | request | ${WHO.join(' | ')} |`,
    `|---|---|${WHO.map(() => '---|').join('')}`,
    ...rows.map(
      ({ route, request, may }) =>
        `| ${route === '' ? '' : `\`${route}\``} | \`${request}\` | ${WHO.map((who) => (may[who] ? 'yes' : '')).join(' | ')} |`,
    ),
  ].join('\n')}\n`;
}
