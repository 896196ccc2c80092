/**
 * The address of one node's API: an origin, nothing more. Plain HTTP carries no identity and no secrecy, so it is for
 * loopback only; the refusal is made here, before anything is sent.
 */
import { BoiError } from '@boi/core/errors';

export interface Endpoint {
  /** `http://127.0.0.1:7440`, without a trailing slash: how people see it. */
  readonly origin: string;
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** Throws `config-invalid` for what is no origin, `insecure-refused` for plain HTTP off loopback. */
export function parseEndpoint(text: string): Endpoint {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new BoiError('config-invalid', `${JSON.stringify(text)} is not the URL of an API; write https://HOST:PORT`);
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new BoiError(
      'config-invalid',
      `${url.origin}: an API is addressed by scheme, host and port alone, without path, query or password`,
    );
  }
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!secure && !isLoopback(host)) {
    throw new BoiError(
      'insecure-refused',
      `${url.origin}: plain HTTP is for loopback only; use https://${url.host} with the bundle an admin gave you`,
    );
  }
  return { origin: url.origin, secure, host, port: url.port === '' ? (secure ? 443 : 80) : Number(url.port) };
}

/** 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
