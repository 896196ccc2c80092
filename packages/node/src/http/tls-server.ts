/**
 * The TLS side of the API: version 1.3 alone, a client certificate asked for and not demanded (a join has none, a secret
 * needs none). Whether the one that is shown is good is decided per request (access/mutual.ts), where the answer can say
 * what is wrong. No session is resumed, so that each connection is seen under the trust of now.
 */
import { constants } from 'node:crypto';
import type { RequestListener, Server } from 'node:http';
import https from 'node:https';
import type { SecureContextOptions } from 'node:tls';

export interface TlsSource {
  tls(): SecureContextOptions;
  /** Called when it has changed. Answers an unsubscribe. */
  onChange(listener: () => void): () => void;
}

const HANDSHAKE_TIMEOUT_MS_DEFAULT = 10_000;

export interface TlsServerOptions {
  readonly headerBytesMax: number;
  readonly requestTimeoutMs: number;
  /** A connection that has not shaken hands by then is an error of its client. Default 10 s. */
  readonly handshakeTimeoutMs?: number;
}

/** Follows `source` for new connections until it is closed; those that are open stay. */
export function createTlsServer(source: TlsSource, options: TlsServerOptions, handler: RequestListener): Server {
  const context = (): SecureContextOptions => ({
    ...source.tls(),
    minVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  const server = https.createServer(
    {
      ...context(),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS_DEFAULT,
      maxHeaderSize: options.headerBytesMax,
      // Told by the API itself.
      requireHostHeader: false,
      requestTimeout: options.requestTimeoutMs,
    },
    handler,
  );
  const unsubscribe = source.onChange(() => server.setSecureContext(context()));
  server.on('close', unsubscribe);
  // It serves the same requests; only the type of what it listens on differs.
  return server as unknown as Server;
}
