/**
 * Bearer secrets of users, for people and scripts without a client certificate: `boi_<user id>_<43 base64url characters>`.
 * The last part is 256 random bits, so its plain SHA-256 is what is stored: nothing slow is needed against guessing.
 * Comparing takes the same time and the same steps whether the user exists or not.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isId, type Random, type UserId } from '@boi/core';

const SECRET_BYTES = 32;
const SECRET = /^boi_(usr_[0-7][0-9a-hjkmnp-tv-z]{25})_([A-Za-z0-9_-]{43})$/;
/** What a secret of nobody is compared with: a hash that no 256 bits are known to have. */
const NOBODY = '0'.repeat(64);

/** A new secret, to be shown once, and the hash to store. */
export function mintUserSecret(user: UserId, random: Random): { readonly secret: string; readonly hash: string } {
  const bytes = Buffer.from(random.bytes(SECRET_BYTES));
  return { secret: `boi_${user}_${bytes.toString('base64url')}`, hash: sha256(bytes) };
}

/** Whose a presented secret claims to be, and the hash to compare; undefined for what has not its form. */
export function readUserSecret(secret: string): { readonly user: UserId; readonly hash: string } | undefined {
  const match = SECRET.exec(secret);
  if (match === null) return undefined;
  const [, user, part] = match as unknown as [string, string, string];
  const bytes = Buffer.from(part, 'base64url');
  // The last character has two bits too many; only one of its four spellings is the secret.
  if (bytes.toString('base64url') !== part || !isId(user, 'user')) return undefined;
  return { user, hash: sha256(bytes) };
}

/** In constant time. `stored` is undefined for a user that does not exist or has no secret: never equal, at the same cost. */
export function userSecretMatches(stored: string | undefined, presented: string): boolean {
  const equal = timingSafeEqual(sha256Bytes(stored ?? NOBODY), sha256Bytes(presented));
  return equal && stored !== undefined;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Hashed once more so that both sides have one length whatever was stored. */
function sha256Bytes(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
