/**
 * Requests from this node to another, over mutual TLS. Beside trust and host name, which Node checks, the certificate must be
 * that of the very node that is meant: a node may be reached at an address that was another's, and one node's certificate
 * must not pass for another's.
 */
import http from 'node:http';
import https, { type RequestOptions } from 'node:https';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { BoiError, type Clock, ERROR_CODES, type ErrorCode, type NodeId, type Problem } from '@boi/core';
import { identityOfPeer } from '@boi/identity';
import type { Keychain } from './keychain.ts';

const TIMEOUT_MS = 5_000;
const ANSWER_BYTES_MAX = 256 * 1024;

export interface Peer {
  readonly id: NodeId;
  /** URL of its API. */
  readonly address: string;
}

/** What a request to `peer` needs of TLS. */
export function peerTls(keychain: Keychain, clock: Clock, peer: NodeId): RequestOptions {
  return {
    ...keychain.tls(),
    rejectUnauthorized: true,
    // No session of an earlier trust, and no connection that was checked for another node.
    agent: false,
    checkServerIdentity: (host: string, certificate: PeerCertificate) => {
      const otherHost = checkServerIdentity(host, certificate);
      if (otherHost !== undefined) return otherHost;
      const { cluster, trusted } = keychain;
      const found = identityOfPeer(certificate.raw, { cluster, trusted, now: clock.now() });
      if (found.ok && found.peer.role === 'node' && found.peer.id === peer) return undefined;
      const who = found.ok ? `${found.peer.role} ${found.peer.id}` : found.reason;
      return new Error(`the certificate is not that of ${peer} (${who})`);
    },
  };
}

export class PeerCalls {
  readonly #keychain: Keychain;
  readonly #clock: Clock;

  constructor(keychain: Keychain, clock: Clock) {
    this.#keychain = keychain;
    this.#clock = clock;
  }

  /** As {@link postToPeer}, over mutual TLS. */
  post<A>(peer: Peer, path: string, body: unknown): Promise<A> {
    return postToPeer(peer, path, body, { tls: peerTls(this.#keychain, this.#clock, peer.id) });
  }
}

export interface PostOptions {
  /** Undefined: nodes without identities speak plain HTTP. */
  readonly tls: RequestOptions | undefined;
  /** For the whole answer. Default 5 s. */
  readonly timeoutMs?: number;
}

/** Throws the problem that was answered, or `unreachable` when it is not known whether the request arrived. */
export function postToPeer<A>(
  peer: Peer,
  path: string,
  body: unknown,
  { tls, timeoutMs = TIMEOUT_MS }: PostOptions,
): Promise<A> {
  const text = JSON.stringify(body);
  return new Promise<A>((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        cause instanceof BoiError
          ? cause
          : new BoiError('unreachable', `${peer.id} at ${peer.address}: ${cause.message}`, { cause }),
      );
    // A node with identities asks no other in plain HTTP: what says so would not be that node.
    const request = (tls === undefined ? http : https).request(new URL(path, peer.address), {
      ...tls,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      timeout: timeoutMs,
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', fail);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', fail);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) request.destroy(new Error(`an answer of over ${ANSWER_BYTES_MAX} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        try {
          const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
          if ((response.statusCode ?? 500) < 300) resolve(answer as A);
          else fail(refusal(answer as Problem));
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    request.end(text);
  });
}

function refusal({ code, detail, details }: Problem): BoiError {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'internal';
  return new BoiError(known, detail, details === undefined ? {} : { details });
}
