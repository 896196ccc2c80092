/**
 * JSON that is kept deflated: bodies of specs and archives. What cannot be unpacked, or would unpack to more than any node
 * writes, is an unreadable record like any other: the one that reads it goes on, and its memory is not what pays.
 */
import { inflateRawSync } from 'node:zlib';
import { BoiError } from '@boi/core';

/** Chunks have 256 Ki characters of JSON, or one record, which is smaller; each may be three bytes of UTF-8. */
export const UNPACKED_BYTES_MAX = 2 * 2 ** 20;

/** The text and what it says. Throws `schema-unknown`. */
export function unpackJson(
  key: string,
  value: Uint8Array,
  what: string,
): { readonly text: string; readonly json: unknown } {
  try {
    const text = inflateRawSync(value, { maxOutputLength: UNPACKED_BYTES_MAX }).toString('utf8');
    return { text, json: JSON.parse(text) };
  } catch (cause) {
    throw new BoiError('schema-unknown', `${key}: the ${what} cannot be unpacked`, { cause, details: { key } });
  }
}
