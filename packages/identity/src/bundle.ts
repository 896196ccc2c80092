/**
 * The bundle that `user create` hands out and `context add --bundle` takes: one JSON file (0600) with all that a client needs
 * to reach the cluster as that user. It holds a private key or a bearer secret: nothing of it may be logged.
 */
import { BoiError } from '@boi/core';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';

const Pem = Type.String({ minLength: 1, maxLength: 16 * 1024, pattern: '^-----BEGIN [A-Z ]+-----\\n' });
const Base = {
  v: Type.Literal(1),
  /** The cluster's id. */
  cluster: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  /** `https://host:port` of nodes. */
  endpoints: Type.Array(Type.String({ maxLength: 300, pattern: '^https://[^\\s/?#@]+$' }), {
    minItems: 1,
    maxItems: 64,
  }),
  /** Trust bundle: one or two CAs. */
  ca: Pem,
};

export const CredentialBundle = Type.Union([
  Type.Object({ ...Base, certificate: Pem, key: Pem }, { additionalProperties: false }),
  Type.Object(
    { ...Base, secret: Type.String({ pattern: '^boi_usr_[0-9a-z]{26}_[A-Za-z0-9_-]{43}$' }) },
    {
      additionalProperties: false,
    },
  ),
]);
/** With a client certificate and its key, or with a bearer secret. */
export type CredentialBundle = Static<typeof CredentialBundle>;

const BUNDLE_CHARS_MAX = 128 * 1024;
const checker = Compile(CredentialBundle);

/** Reads a bundle's text. Throws `config-invalid` naming `what`, never a value: it may be a secret. */
export function readBundle(text: string, what = 'the bundle'): CredentialBundle {
  if (text.length > BUNDLE_CHARS_MAX) {
    throw new BoiError('config-invalid', `${what} has ${text.length} characters; at most ${BUNDLE_CHARS_MAX} are read`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BoiError('config-invalid', `${what} is not JSON; it may have been cut short when it was copied`);
  }
  if (checker.Check(value)) return value;
  const fields = 'v, cluster, endpoints, ca, and either certificate and key or secret';
  throw new BoiError('config-invalid', `${what} is not a credential bundle of version 1 (${fields})`);
}

export function writeBundle(bundle: CredentialBundle): string {
  return `${JSON.stringify(bundle, null, 2)}\n`;
}
