/**
 * The HTTP server: one handler per entry of the route table, everything validated by its schemas before the handler runs.
 *
 * Without transport security the daemon listens on loopback only, and that must not let a web page drive it: a request
 * whose `Host` is not an address of this node (DNS rebinding), or that carries the `Origin` of another site, is refused.
 */

import type { RequestListener } from 'node:http';
import { assert, BoiError, ERROR_CODES, isId, ROUTES, type RouteId, type RouteRole, type RouteShape } from '@boi/core';
import { Ajv } from 'ajv';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { Type } from 'typebox';
import type { Caller } from '../access/caller.ts';
import { type Access, enforceAccess, stillAllowed } from '../access/enforce.ts';
import { readJsonText } from './json-body.ts';
import {
  BODY_BYTES_MAX,
  CONNECTIONS_MAX,
  ConnectionLimit,
  HEADER_BYTES_MAX,
  onClientError,
  PUBLIC_BODY_BYTES_MAX,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';
import { PROBLEM_TYPE, problemOf, toBoiError } from './problem.ts';
import { createTlsServer, type TlsSource } from './tls-server.ts';

export interface Call {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly reply: FastifyReply;
  readonly request: FastifyRequest;
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal;
  /** Who asks. Public routes have none: reading it there is a bug. */
  readonly caller: Caller;
}

/** Answers the body; a stream handler takes over the reply (`reply.hijack()`) and answers undefined. */
export type Handler = (call: Call) => Promise<unknown>;
export type Handlers = { readonly [K in RouteId]: Handler };

export interface PlainRoute {
  readonly path: string;
  readonly role: RouteRole;
  readonly type: string;
  readonly handler: () => Promise<{ readonly status: number; readonly body: string }>;
}

/** Between nodes: the caller's certificate is a node's. */
export interface InternalRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly querystring?: object;
  readonly body?: object;
  readonly handler: Handler;
}

export interface ServerOptions {
  readonly handlers: Handlers;
  /** Health, metrics, OpenAPI document. */
  readonly plain: readonly PlainRoute[];
  /** Internal routes between nodes, same contract as the table's. */
  readonly internal?: readonly InternalRoute[];
  readonly access: Access;
  /** Serve TLS 1.3 with this; followed when it changes, for new connections, without a restart. */
  readonly tls?: TlsSource;
  /** Absent: nothing is kept of who changed what. */
  readonly audit?: Audit;
  readonly log: Logger;
  /** Host names, besides loopback ones, under which this node may be asked. */
  readonly hosts?: readonly string[];
  /** Default {@link CONNECTIONS_MAX}. */
  readonly connectionsMax?: number;
  /** Said in the header `x-boi-notice` of every answer; printable ASCII. */
  readonly notice?: () => string | undefined;
  readonly onRequest?: (answered: Answered) => void;
}

export interface Answered {
  readonly method: string;
  /** Its pattern, not the path asked for. */
  readonly route: string;
  readonly status: number;
  /** From the request to the end of the answer. */
  readonly seconds: number;
}

/** What a change leaves behind before it is answered. */
export interface Audit {
  /** The newest revision of the store that this node knows. */
  revision(): string | undefined;
  write(line: {
    readonly caller: Caller;
    readonly route: RouteId;
    readonly subject?: string;
    readonly before?: string | undefined;
    readonly after?: string | undefined;
  }): Promise<void>;
}

const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

export function createServer(options: ServerOptions): FastifyInstance {
  // `allErrors`: everything wrong with a request is named at once; bodies are bounded, so this costs a bounded amount.
  const strict = new Ajv({ allErrors: true, useDefaults: true, strict: false });
  // Query and path values arrive as text.
  const coercing = new Ajv({ allErrors: true, useDefaults: true, coerceTypes: true, strict: false });
  const { tls } = options;
  const app = fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    ...(tls === undefined
      ? { http: { maxHeaderSize: HEADER_BYTES_MAX, requireHostHeader: false } }
      : {
          serverFactory: (handler: RequestListener) =>
            createTlsServer(tls, { headerBytesMax: HEADER_BYTES_MAX, requestTimeoutMs: REQUEST_TIMEOUT_MS }, handler),
        }),
    genReqId: requestIds(),
    clientErrorHandler: onClientError,
    frameworkErrors: (error, request, reply) => sendProblem(request, reply, error),
  });
  const connections = new ConnectionLimit(app.server, options.connectionsMax ?? CONNECTIONS_MAX);
  app.addHook('preClose', async () => connections.end());
  // Node's own answers to this, and to a request without Host, are no problem documents.
  app.server.on('checkExpectation', (request, response) => app.routing(request, response));
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? strict : coercing).compile(schema));
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error));

  const safeJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    let text = '';
    try {
      if (body.length > 0) text = readJsonText(body as Buffer);
    } catch (error) {
      done(error as BoiError);
      return;
    }
    safeJson(request, text, (error, value) => {
      const poisoned = error !== null && body.length > 0;
      done(poisoned ? new BoiError('bad-request', 'The body has a `__proto__` or `constructor` field.') : error, value);
    });
  });

  const methodsOf = new Map<string, string[]>();
  for (const route of Object.values(ROUTES))
    methodsOf.set(route.path, [...(methodsOf.get(route.path) ?? []), route.method]);

  const hosts = new Set(options.hosts ?? []);
  app.addHook('onRequest', async (request, reply) => {
    try {
      connections.refuse(request.raw.socket);
    } catch (error) {
      reply.header('connection', 'close');
      throw error;
    }
    const host = hostName(request.headers.host);
    // Over TLS the name was checked by the client, against the certificate.
    if (host === undefined || (options.tls === undefined && !(LOOPBACK_HOSTS.has(host) || hosts.has(host)))) {
      throw new BoiError(
        'bad-request',
        `The Host header \`${request.headers.host ?? ''}\` is not an address of this node.`,
      );
    }
    const origin = request.headers.origin;
    if (origin !== undefined && originHost(origin) !== request.headers.host) {
      throw new BoiError('bad-request', 'Requests from other web sites are not served.');
    }
  });
  app.addHook('onRequest', async (_request, reply) => {
    const notice = options.notice?.();
    if (notice !== undefined) reply.header('x-boi-notice', notice);
  });
  enforceAccess(app, options.access);
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const seconds = reply.elapsedTime / 1000;
    options.onRequest?.({ method: request.method, route, status: reply.statusCode, seconds });
  });

  for (const [id, shape] of Object.entries(ROUTES) as [RouteId, RouteShape][]) {
    const { method, path, role, params, query, body, status } = shape;
    app.route({
      method,
      url: path,
      config: { role },
      ...(role === 'public' ? { bodyLimit: PUBLIC_BODY_BYTES_MAX } : {}),
      schema: {
        ...(params === undefined ? {} : { params: Type.Object(params as never) }),
        querystring: query ?? Type.Object({}, { additionalProperties: false }),
        ...(body === undefined ? {} : { body }),
      },
      handler: handle(options.access, audited(id, shape, options), status ?? 200),
    });
  }
  for (const route of options.internal ?? []) {
    app.route({
      method: route.method,
      url: route.path,
      config: { role: 'node' },
      schema: {
        querystring: route.querystring ?? Type.Object({}, { additionalProperties: false }),
        ...(route.body === undefined ? {} : { body: route.body }),
      },
      handler: handle(options.access, route.handler, 200),
    });
  }
  for (const route of options.plain) {
    app.get(route.path, { config: { role: route.role } }, async (_request, reply) => {
      const { status, body } = await route.handler();
      return reply
        .code(status)
        .type(route.type)
        .serializer((x: unknown) => String(x))
        .send(body);
    });
  }

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] as string;
    const allowed = [...methodsOf].find(([pattern]) => matches(pattern, path))?.[1];
    if (allowed !== undefined && !allowed.includes(request.method)) {
      reply.header('allow', allowed.join(', '));
      return sendProblem(
        request,
        reply,
        new BoiError('not-allowed', `${request.method} is not served here; use ${allowed.join(' or ')}.`),
      );
    }
    return sendProblem(
      request,
      reply,
      new BoiError('not-found', `There is nothing at ${path}. The routes are listed at /openapi.json.`),
    );
  });
  return app;
}

/** These have their line in the transaction of the change itself. */
const AUDITED_THERE = /^(join|cert\.|ca\.|admin\.|token\.|user\.)/;

/** These work while the store is away: their line follows when it answers, and the daemon's log has what could not be kept. */
const AUDITED_LATER = /^local\./;

/** Whatever kept the line from being written speaks of the line: of the change it would say that nothing was done. */
function doneWithoutLine(cause: unknown, subject: unknown): BoiError {
  return new BoiError(
    'outcome-unknown',
    'it was done, but whether that is in the audit trail is not known; look before you repeat it',
    {
      cause,
      retryAfterS: 2,
      ...(isId(subject, 'spec') ? { details: { spec: subject } } : {}),
    },
  );
}

function audited(id: RouteId, { method, reads }: RouteShape, { handlers, audit, log }: ServerOptions): Handler {
  const handler = handlers[id];
  if (audit === undefined || method === 'GET' || reads === true || AUDITED_THERE.test(id)) return handler;
  return async (call) => {
    const before = audit.revision();
    const answer = await handler(call);
    const subject = (answer as { readonly id?: unknown } | undefined)?.id;
    const line = { caller: call.caller, route: id, before, after: audit.revision() };
    const written = audit.write({ ...line, ...(typeof subject === 'string' ? { subject } : {}) });
    if (AUDITED_LATER.test(id)) {
      written.catch((error: unknown) => log.warn({ err: error, ...line }, 'a change has no line in the audit trail'));
    } else {
      await written.catch((error: unknown) => {
        log.warn({ err: error, ...line, subject }, 'whether a change has a line in the audit trail is not known');
        throw doneWithoutLine(error, subject);
      });
    }
    return answer;
  };
}

/** So long after its credential was refused a stream is cut at most. */
const ACCESS_CHECK_MS = 5_000;

function handle(access: Access, handler: Handler, status: number) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const abort = new AbortController();
    const checks = setInterval(async () => {
      if (!(await stillAllowed(access, request))) request.raw.socket.destroy();
    }, ACCESS_CHECK_MS);
    const onClose = () => abort.abort(new BoiError('unavailable', 'the client went away'));
    request.raw.socket.once('close', onClose);
    try {
      const answer = await handler({
        params: (request.params ?? {}) as Record<string, string>,
        query: (request.query ?? {}) as Record<string, unknown>,
        body: request.body,
        reply,
        request,
        signal: abort.signal,
        get caller() {
          assert(request.caller !== undefined, 'a public route has no caller');
          return request.caller;
        },
      });
      if (reply.sent) return reply;
      if (reply.statusCode === 200) reply.code(status);
      return reply.type('application/json; charset=utf-8').send(answer);
    } finally {
      clearInterval(checks);
      request.raw.socket.off('close', onClose);
    }
  };
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const boi = toBoiError(error);
  if (boi.code === 'internal') request.log.error({ err: error, requestId: request.id }, 'request failed');
  if (boi.retryAfterS !== undefined) reply.header('retry-after', String(Math.ceil(boi.retryAfterS)));
  else if (ERROR_CODES[boi.code].status === 503) reply.header('retry-after', '2');
  return reply
    .code(boi.status)
    .type(PROBLEM_TYPE)
    .serializer((x: unknown) => JSON.stringify(x))
    .send(problemOf(boi, request.id));
}

function requestIds(): () => string {
  let n = 0;
  const start = process.hrtime.bigint().toString(36);
  return () => `req-${start}-${(n++).toString(36)}`;
}

function hostName(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^(\[[0-9a-f:]+\]|[^:]+)(?::\d+)?$/i.exec(header)?.[1]?.toLowerCase();
}

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

function matches(pattern: string, path: string): boolean {
  const a = pattern.split('/');
  const b = path.split('/');
  return a.length === b.length && a.every((part, i) => part.startsWith(':') || part === b[i]);
}
