/**
 * Join tokens: a JWT signed with the CA's key (ES256), typ `boi-join+jwt`. It opens one route, once, for a few minutes, and
 * carries what a host needs to trust the cluster before it has ever spoken to it: the CA's fingerprint and where to ask.
 * Why a JWT, and why with that key: docs/decisions/030-join-tokens.md.
 *
 * Reading is strict, so that a token has one spelling: canonical base64url, exactly the fields below, the algorithm fixed
 * before the token is looked at. Whether it was spent or revoked is in the cluster's records, not in the token.
 *
 * Tokens are secrets: nothing of one but its id may be logged or stored.
 */
import { BoiError, IdMinter, type TokenId } from '@boi/core';
import { CompactSign, compactVerify, errors } from 'jose';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { CertificateAuthority, IssueContext } from './authority.ts';
import type { Certificate } from './certificate.ts';
import { ALGORITHM, subtle } from './crypto.ts';
import { CLUSTER_ID_PATTERN, FINGERPRINT_PATTERN } from './profile.ts';

const TYP = 'boi-join+jwt';
const ALG = 'ES256';
export const TOKEN_TTL_MS_DEFAULT = 5 * 60_000;
export const TOKEN_TTL_MS_MIN = 10_000;
export const TOKEN_TTL_MS_MAX = 7 * 24 * 3600_000;
/** Longest token that is read; one with sixteen addresses is about 2,500. */
const TOKEN_CHARS_MAX = 4096;
const BOOT_MAX = 16;
/** A token of an administrator's node whose clock is this far ahead is still read: one minute. */
const FUTURE_MS_MAX = 60_000;

const Header = Type.Object({ alg: Type.Literal(ALG), typ: Type.Literal(TYP) }, { additionalProperties: false });
const Claims = Type.Object(
  {
    jti: Type.String({ pattern: '^tok_[0-7][0-9a-hjkmnp-tv-z]{25}$' }),
    iat: Type.Integer({ minimum: 0, maximum: 2 ** 40 }),
    exp: Type.Integer({ minimum: 0, maximum: 2 ** 40 }),
    ca: Type.String({ pattern: FINGERPRINT_PATTERN.source }),
    cluster: Type.String({ pattern: CLUSTER_ID_PATTERN.source }),
    boot: Type.Array(Type.String({ minLength: 1, maxLength: 300, pattern: '^https://[^\\s/?#@]+$' }), {
      minItems: 1,
      maxItems: BOOT_MAX,
    }),
    bind: Type.Optional(
      Type.Object(
        {
          name: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
          key: Type.Optional(Type.String({ pattern: FINGERPRINT_PATTERN.source })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
const header = Compile(Header);
const claims = Compile(Claims);

/** Whom a token is for; absent fields bind nothing. */
export interface TokenBinding {
  /** The name the node must ask for. */
  readonly name?: string;
  /** SHA-256 of the SubjectPublicKeyInfo of the key it must have. */
  readonly key?: string;
}

export interface JoinToken {
  readonly id: TokenId;
  /** Wall clock, milliseconds, whole seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** The CA to trust: SHA-256 of its DER. */
  readonly caFingerprint: string;
  readonly cluster: string;
  /** `https://host:port` of administrators' nodes. */
  readonly boot: readonly string[];
  readonly bind: TokenBinding;
}

export interface MintTokenOptions {
  readonly authority: CertificateAuthority;
  readonly cluster: string;
  readonly boot: readonly string[];
  /** Default five minutes; ten seconds to seven days. */
  readonly ttlMs?: number;
  readonly bind?: TokenBinding;
}

/** Makes a token. Throws `bad-request` for a life, address or binding that no token may have. */
export async function mintJoinToken(
  { clock, random }: IssueContext,
  { authority, cluster, boot, ttlMs = TOKEN_TTL_MS_DEFAULT, bind = {} }: MintTokenOptions,
): Promise<{ readonly token: string; readonly claims: JoinToken }> {
  if (!(ttlMs >= TOKEN_TTL_MS_MIN && ttlMs <= TOKEN_TTL_MS_MAX)) {
    throw new BoiError('bad-request', `a token lives for 10 s to 7 days, not ${ttlMs} ms`);
  }
  const iat = Math.floor(clock.now() / 1000);
  const payload = {
    jti: new IdMinter(clock, random).mint('token'),
    iat,
    exp: iat + Math.ceil(ttlMs / 1000),
    ca: authority.fingerprint,
    cluster,
    boot: [...boot],
    ...(bind.name === undefined && bind.key === undefined ? {} : { bind: { ...bind } }),
  };
  const wrong = claims.Errors(payload)[0];
  if (wrong !== undefined) {
    throw new BoiError('bad-request', `a token cannot have this ${wrong.instancePath.slice(1)}: it ${wrong.message}`);
  }
  const token = await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: ALG, typ: TYP })
    .sign(authority.key);
  if (token.length > TOKEN_CHARS_MAX)
    throw new BoiError('bad-request', 'the token would be too long: give fewer addresses');
  return { token, claims: fromClaims(payload) };
}

/**
 * What a token says, for the host that was given it: it trusts whoever gave it, and learns from it whom else to trust. The
 * signature is NOT verified. Throws `token-invalid`.
 */
export function readJoinToken(token: string): JoinToken {
  if (token.length > TOKEN_CHARS_MAX) throw invalid();
  const parts = token.split('.');
  if (parts.length !== 3) throw invalid();
  const [head, payload, signature] = parts.map(canonicalBytes);
  if (head === undefined || payload === undefined || signature?.length !== 64) throw invalid();
  if (!header.Check(json(head))) throw invalid();
  const found = json(payload);
  if (!claims.Check(found)) throw invalid();
  return fromClaims(found as Static<typeof Claims>);
}

export interface TokenCheck {
  /** Id of this cluster. */
  readonly cluster: string;
  readonly trusted: readonly Certificate[];
  /** Wall clock, milliseconds. */
  readonly now: number;
}

/**
 * What a token says, for the node that admits. Throws `token-invalid` (malformed, tampered with, or dated in the future),
 * `token-wrong-cluster` (another cluster, or a CA that is not trusted any more) or `token-expired`.
 */
export async function verifyJoinToken(token: string, { cluster, trusted, now }: TokenCheck): Promise<JoinToken> {
  const read = readJoinToken(token);
  const ca = trusted.find(({ fingerprint }) => fingerprint === read.caFingerprint);
  if (ca === undefined || read.cluster !== cluster) {
    throw new BoiError(
      'token-wrong-cluster',
      'the token is for another cluster, or for a CA that this one has replaced; ask for a new one',
    );
  }
  const spki = new Uint8Array(ca.parsed.publicKey.export({ type: 'spki', format: 'der' }));
  const key = await subtle.importKey('spki', spki, ALGORITHM, false, ['verify']);
  try {
    await compactVerify(token, key, { algorithms: [ALG] });
  } catch (error) {
    if (error instanceof errors.JOSEError) throw invalid();
    throw error;
  }
  if (read.issuedAt > now + FUTURE_MS_MAX || read.expiresAt - read.issuedAt > TOKEN_TTL_MS_MAX) throw invalid();
  if (now >= read.expiresAt) {
    throw new BoiError('token-expired', 'the token has expired; ask for a new one', { details: { token: read.id } });
  }
  return read;
}

function fromClaims({ jti, iat, exp, ca, cluster, boot, bind }: Static<typeof Claims>): JoinToken {
  return {
    id: jti as TokenId,
    issuedAt: iat * 1000,
    expiresAt: exp * 1000,
    caFingerprint: ca,
    cluster,
    boot,
    bind: (bind ?? {}) as TokenBinding,
  };
}

/** The bytes of base64url in its one canonical spelling: no padding, no stray bits at the end. */
function canonicalBytes(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return part !== '' && bytes.toString('base64url') === part ? bytes : undefined;
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** One message for all: it helps nobody to learn how near a forgery came. */
function invalid(): BoiError {
  return new BoiError(
    'token-invalid',
    'this is not a join token of this cluster; it may have been cut short when it was copied',
  );
}
