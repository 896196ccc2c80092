/**
 * How a client knows the cluster and is known by it. Trust is the given CA bundle and nothing else (no system roots, no
 * switch to look away), the host name must be in the node's certificate, and the version is TLS 1.3.
 *
 * A failed handshake becomes a {@link BoiError} that says who refused whom and what to do; nothing was applied then, since
 * neither side hands a byte of the request on before it is satisfied with the other.
 */
import { createHash } from 'node:crypto';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { BoiError } from '@boi/core/errors';
import type { Endpoint } from './endpoint.ts';

/** PEM texts; never paths. */
export interface Credentials {
  /** Trust bundle: one certificate of a CA, two while it is being rotated. Needed for `https`. */
  readonly ca?: string | undefined;
  /** Client certificate with its key. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Secret of a user, sent as `Authorization: Bearer`, over TLS only. */
  readonly bearer?: string | undefined;
}

export interface TlsOptions {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion: 'TLSv1.3';
  readonly rejectUnauthorized: true;
}

/** What Node's TLS takes. Throws `config-invalid` for what cannot work. */
export function tlsOptions(credentials: Credentials): TlsOptions {
  const { ca, certificate, key } = credentials;
  if (ca === undefined) {
    throw new BoiError(
      'config-invalid',
      "an https:// address needs the cluster's CA: take the bundle an admin gave you, `boi-node context add NAME --bundle FILE`, or name the CA with --ca FILE",
    );
  }
  if ((certificate === undefined) !== (key === undefined)) {
    throw new BoiError('config-invalid', 'a client certificate and its key come together; one of them is missing');
  }
  return {
    ca,
    ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
    minVersion: 'TLSv1.3',
    // Said, so that NODE_TLS_REJECT_UNAUTHORIZED does not switch it off.
    rejectUnauthorized: true,
  };
}

type Coded = Error & { readonly code?: string; readonly cert?: { readonly subjectaltname?: string } };

/** What a failed handshake means, or undefined for a failure that is not about trust. */
export function handshakeRefusal(endpoint: Endpoint, error: Coded): BoiError | undefined {
  const { origin, host } = endpoint;
  const refused = (code: 'untrusted-server' | 'unauthenticated', message: string) =>
    new BoiError(code, `${origin}: ${message}`, { cause: error, details: { endpoint: origin } });
  switch (error.code) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
    case 'CERT_UNTRUSTED':
    case 'INVALID_CA':
    case 'INVALID_PURPOSE':
      return refused(
        'untrusted-server',
        "its certificate is not of this context's CA. Either it is another cluster, or the CA was rotated while you were away: ask an admin for a new bundle (`boi-node user reissue`) and take it with `boi-node context add`",
      );
    case 'CERT_HAS_EXPIRED':
      return refused(
        'untrusted-server',
        "its certificate, or the CA's, has expired by this machine's clock; check the clock, and on that host the daemon's log, which renews it",
      );
    case 'CERT_NOT_YET_VALID':
      return refused(
        'untrusted-server',
        "its certificate is not valid yet by this machine's clock; compare the clocks of both (`timedatectl status`)",
      );
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return refused(
        'untrusted-server',
        `its certificate is not for ${host}${namesOf(error)}; use one of its names, or start that node with --advertise https://${host}:${endpoint.port}`,
      );
    default:
      break;
  }
  if (ALERT_OF_CERTIFICATE.test(error.code ?? ''))
    return refused('unauthenticated', `it does not accept your certificate; ${NEW_BUNDLE}`);
  if (/ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(error.code ?? ''))
    return refused('untrusted-server', 'it does not speak TLS 1.3; is that the API of a boi-node?');
  // Some versions of Node tell OpenSSL's code, others EPROTO with OpenSSL's text.
  if (
    error.code === 'ERR_SSL_WRONG_VERSION_NUMBER' ||
    /wrong version number|packet length too long/.test(error.message)
  )
    return refused(
      'untrusted-server',
      'it does not speak TLS; a node started with --insecure is asked by http://, on its own host',
    );
  return undefined;
}

/** What an end that checks client certificates in the handshake itself sends; a boi-node answers 401, which says more. */
const ALERT_OF_CERTIFICATE = /^ERR_SSL_\w+_ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR)$/;
const NEW_BUNDLE =
  'ask an admin for a new one (`boi-node user reissue`) and take it with `boi-node context add NAME --bundle FILE`';

function namesOf(error: Coded): string {
  const names = error.cert?.subjectaltname
    ?.split(', ')
    .filter((name) => /^(DNS|IP Address):/.test(name))
    .map((name) => name.replace(/^[^:]+:/, ''));
  return names === undefined || names.length === 0 ? '' : ` but for ${names.join(', ')}`;
}

export interface PinOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The CA of the cluster behind an address, as PEM, if its fingerprint (SHA-256 of its DER bytes, hex) is the given one: for
 * who has a join token and nothing else. Only a handshake is made and nothing is sent; the address itself is not believed,
 * so every request is made afterwards on a new connection with that CA as the only trust.
 */
export function fetchPinnedCa(endpoint: Endpoint, fingerprint: string, options: PinOptions = {}): Promise<string> {
  const { timeoutMs = 5_000, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const { host, port, origin } = endpoint;
    const socket: TLSSocket = connect({ host, port, minVersion: 'TLSv1.3', rejectUnauthorized: false });
    const settle = (act: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      act();
    };
    const fail = (error: Error) => settle(() => reject(error));
    const timer = setTimeout(
      () => fail(new BoiError('unreachable', `${origin}: no handshake within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const onAbort = () => fail(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', (error: Coded) => {
      fail(
        handshakeRefusal(endpoint, error) ??
          new BoiError('unreachable', `${origin} cannot be reached: ${error.message}`, { cause: error }),
      );
    });
    socket.once('secureConnect', () => {
      const found = chainOf(socket.getPeerCertificate(true)).find((der) => sha256(der) === fingerprint);
      if (found !== undefined) settle(() => resolve(pem(found)));
      else {
        fail(
          new BoiError(
            'untrusted-server',
            `${origin} is not of the cluster of this token: it shows no CA with the fingerprint ${fingerprint}. Check the address; a token of a cluster whose CA was rotated since is of no use, ask for a new one`,
          ),
        );
      }
    });
  });
}

/** DER of each certificate the peer showed, its own first. */
function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw !== undefined; at = at.issuerCertificate) {
    const { raw } = at;
    // A self-signed one is its own issuer.
    if (chain.some((seen) => seen.equals(raw))) break;
    chain.push(raw);
  }
  return chain;
}

const sha256 = (der: Buffer) => createHash('sha256').update(der).digest('hex');

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
