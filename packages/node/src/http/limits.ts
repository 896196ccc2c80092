/**
 * What one request or client may take, and how each is refused: 413 or 429 with the limit named in `details.limit`. Limits
 * of specs (size, tasks) are in `@boi/core`; requests a second in access/rate-limit.ts.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { BoiError } from '@boi/core';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** A spec file of 1 MiB, escaped as a JSON string, with room for its variables. */
export const BODY_BYTES_MAX = 1536 * 1024;
/** Of whoever shows no credential: a join is a token and a certificate request. So many at once must not fill a node's memory. */
export const PUBLIC_BODY_BYTES_MAX = 64 * 1024;
export const HEADER_BYTES_MAX = 16 * 1024;
export const REQUEST_TIMEOUT_MS = 30_000;
export const CONNECTIONS_MAX = 4096;
/** Above the limit so many more are still told why; beyond those connections are closed without a word. */
const TOLD_MAX = 256;
/** Time for whoever is refused before it sent a request to take the answer; then the connection goes, whatever the other end does. */
const TAKE_ANSWER_MS = 1_000;

/**
 * Watches a server's connections; `refuse` throws for a request on one that is above the limit. `end` closes them all: the server
 * itself knows only those on which HTTP was spoken, and would wait for the others before it is closed.
 */
export class ConnectionLimit {
  readonly #max: number;
  readonly #above = new WeakSet<Socket>();
  readonly #sockets = new Set<Socket>();
  #open = 0;
  #ended = false;

  constructor(server: Server, max: number) {
    this.#max = max;
    server.maxConnections = max + TOLD_MAX;
    server.on('connection', (socket: Socket) => {
      if (this.#ended) socket.destroy();
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    const onConnection = (socket: Socket) => {
      this.#open += 1;
      if (this.#open > max) this.#above.add(socket);
      socket.once('close', () => {
        this.#open -= 1;
      });
    };
    // Over TLS requests come on another object than the connection that is counted first.
    server.on('secureConnection', onConnection);
    if (!('setSecureContext' in server)) server.on('connection', onConnection);
  }

  end(): void {
    this.#ended = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  refuse(socket: Socket): void {
    if (!this.#above.has(socket)) return;
    throw new BoiError(
      'rate-limited',
      `This node serves at most ${this.#max} connections at once; ask another, or later.`,
      {
        retryAfterS: 2,
        details: { limit: 'connections', max: this.#max },
      },
    );
  }
}

/**
 * Answers what is not even a request: headers that are too long, or no HTTP. Nobody else closes such a connection, and an `end`
 * alone waits for the other side: without a TLS handshake, or with a client that does not close, it would stay open, and
 * count, for good.
 */
export function onClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  const noHandshake = (socket as { readonly secureConnecting?: boolean }).secureConnecting === true;
  if (error.code === 'ECONNRESET' || noHandshake || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new BoiError('too-large', `The headers are longer than ${HEADER_BYTES_MAX} bytes.`, {
          details: { limit: 'header-bytes', max: HEADER_BYTES_MAX },
        })
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new BoiError('bad-request', `The request was not complete within ${REQUEST_TIMEOUT_MS / 1000} s.`)
        : new BoiError('bad-request', 'That is not an HTTP request.');
  const body = JSON.stringify(problemOf(refusal));
  socket.end(
    `HTTP/1.1 ${refusal.status} ${refusal.code}\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  const patience = setTimeout(() => socket.destroy(), TAKE_ANSWER_MS);
  patience.unref();
  socket.once('close', () => clearTimeout(patience));
}
