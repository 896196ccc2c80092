/** Hashes in keys and digests: SHA-256, shortened where it only has to be a short name for a longer text. */
import { createHash } from 'node:crypto';

/** Characters of {@link keyHash}: 128 bits, so that two texts of one project never meet by accident. */
const KEY_HASH_LENGTH = 32;

/** A concurrency key or idempotency key as a part of a store key: lowercase hexadecimal, fixed length. */
export function keyHash(text: string): string {
  return digestOf(text).slice(0, KEY_HASH_LENGTH);
}

/** SHA-256 of the parts, each preceded by its length, so that no two lists of parts run into the same text. */
export function digestOf(...parts: readonly string[]): string {
  return createHash('sha256')
    .update(parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join(''))
    .digest('hex');
}
