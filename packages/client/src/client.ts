/**
 * The typed client of a cluster's HTTP API over the addresses of several of its nodes. Any node serves any request, so an
 * address that cannot be reached is passed over for the next, and the one that answered last is asked first.
 *
 * What is repeated:
 * - A request that certainly never left (refused, unknown host, no connection) goes to the next address, whatever it does.
 * - One that may have arrived is repeated only if that is harmless: a GET, or a body with an idempotency key. Repeats with
 *   a key go on for `retryForMs`. Anything else fails as `outcome-unknown`.
 * - "I cannot serve it now" (503) is taken from each address once; then the answer stands.
 * - "I do not sign, ask one of these" (421) is followed, once, to the addresses it names.
 *
 * Errors are {@link BoiError}: the daemon's own code, `unreachable` naming every address tried, or, when one of them and
 * this client do not accept each other, what to do about that. No state but the keep-alive connections, which `close` ends.
 */
import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { BoiError } from '@boi/core/errors';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { exchange, readText, WireError } from './exchange.ts';
import { problemToError } from './problem.ts';
import {
  type AnyRequest,
  type CallRoute,
  ROUTE_PATHS,
  type RouteAnswer,
  type RouteRequest,
  requestTarget,
  type StreamRoute,
} from './routes.ts';
import { type Credentials, type TlsOptions, tlsOptions } from './tls.ts';

export interface BoiClientOptions {
  /** URLs of the APIs of nodes of one cluster, at least one, the preferred first. */
  readonly endpoints: readonly string[];
  /** Needed for `https` addresses; a function is called once, at the first request to such an address. */
  readonly credentials?: Credentials | (() => Promise<Credentials>) | undefined;
  /** For one answer of one address, milliseconds. Default 30 000. */
  readonly timeoutMs?: number;
  /** For a connection, milliseconds. Default 3 000. */
  readonly connectTimeoutMs?: number;
  /** How long lost answers of repeatable requests are asked for again, milliseconds. Default 10 000. */
  readonly retryForMs?: number;
  /** Told what a node says beside its answers (`x-boi-notice`), for a person. */
  readonly onNotice?: (text: string) => void;
}

export interface Probe {
  readonly answer: RouteAnswer<'whoami'>;
  /** From sending to the whole answer, milliseconds. */
  readonly tookMs: number;
  /** The server's clock by its `Date` header (whole seconds), and ours halfway, milliseconds since the epoch. */
  readonly serverTime?: number;
  readonly localTime: number;
}

/** No answer is longer: a page of 1000 tasks with all they have is below 16 MiB. */
const ANSWER_BYTES_MAX = 64 * 2 ** 20;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;
/**
 * Of the time for an answer, what each of several nodes gets when a question is first asked round: one that is stopped
 * accepts connections and says nothing. Only when none has answered does each get the whole time.
 */
const FIRST_ROUND = 1 / 6;

export class BoiClient {
  readonly endpoints: readonly Endpoint[];
  readonly #timeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #retryForMs: number;
  readonly #onNotice: ((text: string) => void) | undefined;
  readonly #credentials: Credentials | (() => Promise<Credentials>);
  readonly #http = new HttpAgent({ keepAlive: true, keepAliveMsecs: 15_000 });
  readonly #https = new HttpsAgent({ keepAlive: true, keepAliveMsecs: 15_000 });
  #secured: Promise<Secured> | undefined;
  #preferred = 0;

  constructor(options: BoiClientOptions) {
    this.endpoints = options.endpoints.map(parseEndpoint);
    if (this.endpoints.length === 0) throw new BoiError('config-invalid', 'no address of an API is given');
    this.#credentials = options.credentials ?? {};
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 3_000;
    this.#retryForMs = options.retryForMs ?? 10_000;
    this.#onNotice = options.onNotice;
  }

  /** One request, one JSON answer. */
  call<K extends CallRoute>(route: K, request: RouteRequest<K>): Promise<RouteAnswer<K>> {
    const wide: AnyRequest = request;
    return this.#overEndpoints(route, wide, async (response, endpoint) => {
      const text = await readText(response, {
        timeoutMs: wide.timeoutMs ?? this.#timeoutMs,
        bytesMax: ANSWER_BYTES_MAX,
        signal: wide.signal,
      });
      return parseAnswer(endpoint, text) as RouteAnswer<K>;
    });
  }

  /** The body of a stream, from the first address that serves it. Reading it, and ending it, is the caller's. */
  open<K extends StreamRoute>(
    route: K,
    request: RouteRequest<K>,
  ): Promise<{ readonly body: IncomingMessage; readonly origin: string }> {
    return this.#overEndpoints(route, request as AnyRequest, async (body, endpoint) => {
      // A stream may be silent for hours: let the kernel find out when its other end is gone.
      body.socket.setKeepAlive(true, 10_000);
      return { body, origin: endpoint.origin };
    });
  }

  /** Asks exactly this address who it is, without going on to others. */
  async probe(endpoint: Endpoint, signal?: AbortSignal): Promise<Probe> {
    const started = performance.now();
    const sentAt = Date.now();
    try {
      const response = await this.#send(endpoint, 'whoami', { signal });
      const text = await readText(response, { timeoutMs: this.#timeoutMs, bytesMax: ANSWER_BYTES_MAX, signal });
      const tookMs = performance.now() - started;
      const serverTime = Date.parse(response.headers.date ?? '');
      return {
        answer: parseAnswer(endpoint, text) as RouteAnswer<'whoami'>,
        tookMs,
        localTime: sentAt + tookMs / 2,
        ...(Number.isNaN(serverTime) ? {} : { serverTime }),
      };
    } catch (error) {
      if (error instanceof WireError) throw unreachable([[endpoint, error]]);
      throw error;
    }
  }

  /** Ends the idle connections. Streams end by their signal. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #overEndpoints<T>(
    route: CallRoute | StreamRoute,
    request: AnyRequest,
    use: (response: IncomingMessage, endpoint: Endpoint) => Promise<T>,
  ): Promise<T> {
    const keyed = hasIdempotencyKey(request.body);
    const repeatable = keyed || ROUTE_PATHS[route].method === 'GET';
    const started = performance.now();
    let endpoints = this.endpoints;
    let followed = false;
    let hurry = repeatable && !keyed && endpoints.length > 1 && request.timeoutMs === undefined;
    const failures = new Map<Endpoint, Error>();
    let maybeApplied: Error | undefined;
    for (let backoffMs = BACKOFF_FIRST_MS; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS)) {
      let refusal: BoiError | undefined;
      let lost = false;
      for (let i = 0; i < endpoints.length; i++) {
        const index = followed ? i : (this.#preferred + i) % endpoints.length;
        const endpoint = endpoints[index] as Endpoint;
        try {
          const tried = hurry ? { ...request, timeoutMs: this.#timeoutMs * FIRST_ROUND } : request;
          const result = await use(await this.#send(endpoint, route, tried), endpoint);
          if (!followed) this.#preferred = index;
          return result;
        } catch (error) {
          const admins = followed ? [] : adminsOf(error);
          if (admins.length > 0) {
            // Nothing was applied, whatever the method; each of them is asked, from the first.
            endpoints = admins;
            followed = true;
            i = -1;
            continue;
          }
          if (error instanceof WireError) {
            failures.set(endpoint, error);
            if (!error.sent) continue;
            if (!repeatable) throw lostAnswer(endpoint, error);
            lost = true;
          } else if (error instanceof BoiError && isPassing(error) && repeatable) {
            refusal = error;
            failures.set(endpoint, error);
            lost ||= error.code === 'outcome-unknown';
          } else throw error;
          if (keyed && lost) maybeApplied = error;
        }
      }
      if (!lost || (!hurry && performance.now() - started + backoffMs > this.#retryForMs)) {
        if (maybeApplied !== undefined) throw keyedButLost(request.body, maybeApplied, endpoints);
        throw refusal ?? unreachable([...failures]);
      }
      hurry = false;
      await delay(backoffMs, undefined, request.signal === undefined ? {} : { signal: request.signal });
    }
  }

  #secure(): Promise<Secured> {
    const credentials = this.#credentials;
    this.#secured ??= (async () => {
      const known = typeof credentials === 'function' ? await credentials() : credentials;
      return { tls: tlsOptions(known), bearer: known.bearer };
    })();
    return this.#secured;
  }

  async #send(endpoint: Endpoint, route: CallRoute | StreamRoute, request: AnyRequest): Promise<IncomingMessage> {
    const { method } = ROUTE_PATHS[route];
    const body = method === 'POST' ? JSON.stringify(request.body ?? {}) : undefined;
    const agent = endpoint.secure ? this.#https : this.#http;
    const secured = endpoint.secure ? await this.#secure() : undefined;
    const bearer = secured?.bearer;
    const response = await exchange(endpoint, {
      method,
      target: requestTarget(route, request),
      headers: {
        accept: 'application/json, application/problem+json, application/x-ndjson, text/event-stream',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body,
      tls: secured?.tls,
      // A kept connection may be closed by the server just as the request is sent; only what may be repeated risks that.
      agent: method === 'GET' ? agent : undefined,
      connectTimeoutMs: this.#connectTimeoutMs,
      answerTimeoutMs: request.timeoutMs ?? this.#timeoutMs,
      signal: request.signal,
    });
    const notice = response.headers['x-boi-notice'];
    if (typeof notice === 'string') this.#onNotice?.(notice);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const text = await readText(response, { timeoutMs: this.#timeoutMs, bytesMax: 2 ** 20, signal: request.signal });
    throw problemToError(
      endpoint.origin,
      status,
      response.headers['content-type'] ?? '',
      text,
      response.headers['retry-after'],
    );
  }
}

interface Secured {
  readonly tls: TlsOptions;
  readonly bearer: string | undefined;
}

/** Answers that say something about that node at that moment, not about the request. */
function isPassing(error: BoiError): boolean {
  return error.code === 'unavailable' || error.code === 'store-unreachable' || error.code === 'outcome-unknown';
}

function hasIdempotencyKey(body: unknown): boolean {
  return typeof body === 'object' && body !== null && typeof Reflect.get(body, 'idempotencyKey') === 'string';
}

function parseAnswer(endpoint: Endpoint, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BoiError('internal', `${endpoint.origin} answered with something that is not JSON`, { cause });
  }
}

/** Whom to ask instead, of a node that holds no CA key. */
function adminsOf(error: unknown): Endpoint[] {
  if (!(error instanceof BoiError) || error.code !== 'not-admin-node') return [];
  const { admins } = error.details;
  if (!Array.isArray(admins)) return [];
  return admins.filter((admin): admin is string => typeof admin === 'string').map(parseEndpoint);
}

function unreachable(failures: readonly (readonly [Endpoint, Error])[]): BoiError {
  for (const [, error] of failures) if (error instanceof WireError && error.refusal !== undefined) return error.refusal;
  const tried = failures.map(([endpoint, error]) => `${endpoint.origin} (${error.message})`).join(', ');
  return new BoiError('unreachable', `no node of the cluster can be reached; tried ${tried}`, {
    cause: failures[0]?.[1],
    details: { tried: failures.map(([endpoint]) => endpoint.origin) },
  });
}

function lostAnswer(endpoint: Endpoint, cause: WireError): BoiError {
  return new BoiError(
    'outcome-unknown',
    `${endpoint.origin}: ${cause.message} after the request was sent; it may have been applied, so look before doing it again`,
    { cause },
  );
}

function keyedButLost(body: unknown, cause: Error, endpoints: readonly Endpoint[]): BoiError {
  const key = String(Reflect.get(body as object, 'idempotencyKey'));
  return new BoiError(
    'outcome-unknown',
    `${cause.message}; asked ${endpoints.map((e) => e.origin).join(', ')}. It may have been accepted: ask again with the idempotency key ${key}, which cannot make a second one`,
    { cause, details: { idempotencyKey: key } },
  );
}
