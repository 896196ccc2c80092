/** The OpenAPI 3.1 document, generated from the route table. A copy is checked in as docs/openapi.json, so that a change shows in review. */
import { ERROR_CODES, LOG_STREAM_TYPE, Problem, ROUTES, type RouteId, type RouteShape } from '@boi/core';
import { PROBLEM_TYPE } from './problem.ts';

interface Schema {
  readonly [key: string]: unknown;
}

const ROUTE_LIST = Object.entries(ROUTES) as [RouteId, RouteShape][];

export function openApiDocument(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [id, { method, path, summary, params, query, body, answer, status, stream }] of ROUTE_LIST) {
    const at = path.replace(/:([a-z]+)/g, '{$1}');
    const required = ((query as Schema | undefined)?.required ?? []) as string[];
    const parameters = [
      ...Object.entries(params ?? {}).map(([name, schema]) => ({
        name,
        in: 'path',
        required: true,
        ...described(schema),
      })),
      ...Object.entries(((query as Schema | undefined)?.properties ?? {}) as Record<string, Schema>).map(
        ([name, schema]) => ({
          name,
          in: 'query',
          required: required.includes(name),
          ...described(schema),
        }),
      ),
    ];
    paths[at] ??= {};
    (paths[at] as Record<string, unknown>)[method.toLowerCase()] = {
      operationId: id,
      summary,
      tags: [id.split('.')[0]],
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(body === undefined
        ? {}
        : { requestBody: { required: true, content: { 'application/json': { schema: plain(body) } } } }),
      responses: {
        [String(status ?? 200)]: {
          description: 'Done.',
          content:
            stream === 'sse'
              ? { 'text/event-stream': { schema: { type: 'string' } } }
              : stream === 'ndjson'
                ? { [LOG_STREAM_TYPE]: { schema: { type: 'string' } } }
                : stream === 'text'
                  ? { 'text/plain': { schema: { type: 'string' } } }
                  : { 'application/json': { schema: plain(answer ?? {}) } },
        },
        default: { $ref: '#/components/responses/Problem' },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'boi-node',
      version,
      description: 'The HTTP API every node serves. Errors are `application/problem+json`.',
    },
    paths,
    components: {
      responses: {
        Problem: { description: 'What went wrong.', content: { [PROBLEM_TYPE]: { schema: plain(Problem) } } },
      },
    },
    'x-error-codes': ERROR_CODES,
  };
}

function described(schema: object): Record<string, unknown> {
  const { description, ...rest } = plain(schema) as { description?: string };
  return { ...(description === undefined ? {} : { description }), schema: rest };
}

/** Without the library's own markers, as plain JSON. */
function plain(schema: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(schema)) as Record<string, unknown>;
}
