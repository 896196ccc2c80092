/**
 * One HTTP exchange with one address, on Node's own client (an HTTP library more costs each command tens of milliseconds
 * of start). Settles with the head of the answer; the body is read by the caller.
 *
 * What callers decide by is {@link WireError.sent}: a request that certainly never left may be tried elsewhere whatever it
 * does; one that may have arrived may be repeated only if repeating it is harmless.
 */
import { setMaxListeners } from 'node:events';
import type { Agent, IncomingMessage, RequestOptions } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { BoiError } from '@boi/core/errors';
import type { Endpoint } from './endpoint.ts';
import { handshakeRefusal, type TlsOptions } from './tls.ts';

export class WireError extends Error {
  /** False: the server cannot have taken the request. */
  readonly sent: boolean;
  /** One side does not accept the other: what to do about it. Not sent then. */
  readonly refusal: BoiError | undefined;

  constructor(message: string, sent: boolean, cause?: unknown, refusal?: BoiError) {
    super(message, { cause });
    this.name = 'WireError';
    this.sent = sent && refusal === undefined;
    this.refusal = refusal;
  }
}

export interface ExchangeOptions {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Undefined: a connection of its own, for requests that must not meet a connection the server is just closing. */
  readonly agent?: Agent | undefined;
  /** For `https`. */
  readonly tls?: TlsOptions | undefined;
  /** Until connected, milliseconds. */
  readonly connectTimeoutMs: number;
  /** From connected to the head of the answer, milliseconds. */
  readonly answerTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** The answer's head. Rejects with a {@link WireError}, or the signal's reason. */
export function exchange(endpoint: Endpoint, options: ExchangeOptions): Promise<IncomingMessage> {
  const { signal } = options;
  // One signal ends as many streams at once as its owner likes: no sign of a leak.
  if (signal !== undefined) setMaxListeners(0, signal);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    let connected = false;
    const requestOptions: RequestOptions = {
      host: endpoint.host,
      port: endpoint.port,
      method: options.method,
      path: options.target,
      agent: options.agent ?? false,
      ...options.tls,
      headers: {
        ...options.headers,
        ...(options.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(options.body)) }),
      },
    };
    const request = (endpoint.secure ? httpsRequest : httpRequest)(requestOptions);
    let timer = setTimeout(
      () => fail(new WireError(`no connection within ${options.connectTimeoutMs} ms`, false)),
      options.connectTimeoutMs,
    );
    const onAbort = () => fail(signal?.reason as Error);
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: Error) => {
      settle();
      request.destroy();
      reject(error);
    };
    const onConnected = () => {
      connected = true;
      clearTimeout(timer);
      timer = setTimeout(
        () => fail(new WireError(`no answer within ${options.answerTimeoutMs} ms`, true)),
        options.answerTimeoutMs,
      );
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    request.on('socket', (socket) => {
      if (socket.connecting) socket.once(endpoint.secure ? 'secureConnect' : 'connect', onConnected);
      else onConnected();
    });
    request.on('error', (error) => {
      const refusal = endpoint.secure ? handshakeRefusal(endpoint, error) : undefined;
      fail(new WireError(describe(error), connected, error, refusal));
    });
    request.on('response', (response) => {
      settle();
      resolve(response);
    });
    request.end(options.body);
  });
}

/** The body as text; rejects with a {@link WireError} when it is cut, late, or longer than `bytesMax`. */
export function readText(
  response: IncomingMessage,
  options: { readonly timeoutMs: number; readonly bytesMax: number; readonly signal?: AbortSignal | undefined },
): Promise<string> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (error: Error) => {
      settle();
      response.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(new WireError(`the answer was not complete within ${options.timeoutMs} ms`, true)),
      options.timeoutMs,
    );
    const onAbort = () => fail(signal?.reason as Error);
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > options.bytesMax) fail(new WireError(`the answer is longer than ${options.bytesMax} bytes`, true));
      else chunks.push(chunk);
    });
    response.on('error', (error) => fail(new WireError(describe(error), true, error)));
    response.on('close', () => {
      if (!response.complete) fail(new WireError('the connection was cut in the middle of the answer', true));
    });
    response.on('end', () => {
      settle();
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
  });
}

function describe(error: Error & { code?: string; errors?: unknown }): string {
  // A host name with several addresses fails with one error per address; the first says enough.
  const inner = Array.isArray(error.errors) ? (error.errors[0] as Error & { code?: string }) : error;
  switch (inner.code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ECONNRESET':
      return 'the connection was cut';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name is not known';
    case 'ETIMEDOUT':
      return 'the connection timed out';
    default:
      return inner.message;
  }
}
