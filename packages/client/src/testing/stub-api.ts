/**
 * A server of the HTTP API for tests of clients: routes, parameters, bodies and answers are those of `ROUTES`, and each is
 * checked against its schema, so a test cannot pass on a request or an answer that the real daemon would not know. What it
 * answers is said per test with {@link StubApi.on}. Loopback only.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { BoiError, ERROR_CODES, type Problem, ROUTES, type RouteAnswer, type RouteId } from '@boi/core';
import { type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';

export interface StubCall {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** How many requests came to this route before. */
  readonly earlier: number;
}

/** Answers the body; streams write to the response and answer undefined; a thrown `BoiError` becomes its problem document. */
export type StubHandler<K extends RouteId> = (
  call: StubCall,
) => RouteAnswer<K> | undefined | Promise<RouteAnswer<K> | undefined>;

interface Shape {
  readonly method: string;
  readonly path: string;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly answer?: TSchema;
  readonly status?: number;
}

export class StubApi {
  readonly #server: Server;
  #url = '';
  readonly #handlers = new Map<RouteId, StubHandler<RouteId>>();
  /** Every request that came in, oldest first. */
  readonly calls: {
    readonly route: RouteId;
    readonly query: unknown;
    readonly body: unknown;
    readonly params: unknown;
  }[] = [];
  /** Requests and answers that are not as the table says. A test ends by looking that there are none. */
  readonly violations: string[] = [];

  private constructor(tls: ServerOptions | undefined) {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.violations.push(String(error));
        response.destroy();
      });
    };
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  /** Plain, or with the given certificate and rules. */
  static async start(tls?: ServerOptions): Promise<StubApi> {
    const stub = new StubApi(tls);
    await new Promise<void>((resolve, reject) => {
      stub.#server.once('error', reject);
      stub.#server.listen(0, '127.0.0.1', resolve);
    });
    stub.#url = `http${tls === undefined ? '' : 's'}://127.0.0.1:${(stub.#server.address() as AddressInfo).port}`;
    return stub;
  }

  /** Stays what it was after {@link stop}. */
  get url(): string {
    return this.#url;
  }

  on<K extends RouteId>(route: K, handler: StubHandler<K>): this {
    this.#handlers.set(route, handler as StubHandler<RouteId>);
    return this;
  }

  /** Requests to one route. */
  of(route: RouteId) {
    return this.calls.filter((c) => c.route === route);
  }

  /** Cuts every connection and stops listening, as a killed node does. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const found = match(request.method ?? '', url.pathname);
    if (found === undefined) {
      this.violations.push(`there is no route ${request.method} ${url.pathname}`);
      return sendProblem(response, new BoiError('not-found', `nothing at ${url.pathname}`));
    }
    const shape: Shape = ROUTES[found.route];
    const query = Object.fromEntries(url.searchParams);
    const body = await readBody(request);
    const earlier = this.of(found.route).length;
    this.calls.push({ route: found.route, params: found.params, query, body });
    this.#check(found.route, 'query', shape.query ?? Type.Object({}, { additionalProperties: false }), coerced(query));
    if (shape.body !== undefined) this.#check(found.route, 'body', shape.body, body);
    const handler = this.#handlers.get(found.route);
    if (handler === undefined)
      return sendProblem(response, new BoiError('not-found', `${found.route} is not expected`));
    try {
      const answer = await handler({ params: found.params, query, body, request, response, earlier });
      if (answer === undefined) return;
      if (shape.answer !== undefined) this.#check(found.route, 'answer', shape.answer, answer);
      response.writeHead(shape.status ?? 200, { 'content-type': 'application/json; charset=utf-8' });
      response.end(JSON.stringify(answer));
    } catch (error) {
      if (!(error instanceof BoiError)) throw error;
      sendProblem(response, error);
    }
  }

  #check(route: RouteId, what: string, schema: TSchema, value: unknown): void {
    for (const error of Value.Errors(schema, value)) {
      this.violations.push(`${what} of ${route}: ${error.instancePath} ${error.message}`);
    }
  }
}

function match(method: string, path: string) {
  const given = path.split('/');
  for (const [route, shape] of Object.entries(ROUTES) as [RouteId, Shape][]) {
    const wanted = shape.path.split('/');
    if (shape.method !== method || wanted.length !== given.length) continue;
    if (!wanted.every((part, i) => part.startsWith(':') || part === given[i])) continue;
    const params = wanted.flatMap((part, i) =>
      part.startsWith(':') ? [[part.slice(1), decodeURIComponent(given[i] as string)]] : [],
    );
    return { route, params: Object.fromEntries(params) as Record<string, string> };
  }
  return undefined;
}

/** As the daemon reads query values: numbers and booleans out of text. */
function coerced(query: Readonly<Record<string, string>>): Record<string, unknown> {
  const read = (text: string) => (/^(true|false|\d+)$/.test(text) ? JSON.parse(text) : text);
  return Object.fromEntries(
    Object.entries(query).map(([key, text]) => [key, key === 'name' || key === 'after' ? text : read(text)]),
  );
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : JSON.parse(text);
}

function sendProblem(response: ServerResponse, error: BoiError): void {
  const problem: Problem = {
    type: `urn:boi:problem:${error.code}`,
    title: ERROR_CODES[error.code].title,
    status: error.status,
    code: error.code,
    detail: error.message,
    ...(error.issues.length === 0 ? {} : { issues: [...error.issues] }),
    details: { ...error.details },
    requestId: 'req-1',
  };
  response.writeHead(error.status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify(problem));
}
