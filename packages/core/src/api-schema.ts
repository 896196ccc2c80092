/** The words the route tables are written in. Used by api.ts and its parts only. */
import { type TSchema, Type } from 'typebox';

/**
 * What a route asks of who calls it. viewer, operator and admin are roles of users, each with all the former may; a node
 * that holds the cluster's CA key counts as admin. `member`: any credential. `public`: none. `node`: a node's certificate.
 * A user limited to a project reaches that project's routes, and of the others those for viewers and members.
 */
export type RouteRole = 'public' | 'member' | 'viewer' | 'operator' | 'admin' | 'node';

export interface RouteShape {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  role: RouteRole;
  /** A POST that changes nothing: it leaves no audit record. */
  reads?: true;
  summary: string;
  params?: Record<string, TSchema>;
  query?: TSchema;
  body?: TSchema;
  /** By status; absent for streams. */
  answer?: TSchema;
  status?: number;
  stream?: 'ndjson' | 'sse' | 'text';
}

export const route = <const R extends RouteShape>(r: R): R => r;

export const Text = (description: string, options: object = {}) => Type.String({ description, ...options });
export const Millis = (description: string) =>
  Type.Integer({ description: `${description} Milliseconds since the Unix epoch.`, minimum: 0 });
export const Count = (description: string) => Type.Integer({ description, minimum: 0 });
export const closed = { additionalProperties: false };
export const none = Type.Object({}, closed);

export const Page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Rows a page.' })),
  after: Type.Optional(Text('`next` of the page before.')),
};
export const page = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), next: Type.Optional(Text('Pass as `after` for the next page.')) }, closed);
