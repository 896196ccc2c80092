/**
 * PEM, read strictly: blocks of the label that is asked for and nothing else, canonical base64, bounded size. What it answers
 * is bytes; what they mean is checked where they are used. Every parser of this package begins here.
 */
import { BoiError } from '@boi/core';

/** Longest PEM text that is read. A bundle of two CAs is under 2 KiB. */
export const PEM_BYTES_MAX = 16 * 1024;

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([A-Za-z0-9+/=\r\n]*)-----END \1-----(?:\r?\n|$)/y;

export type PemLabel = 'CERTIFICATE' | 'CERTIFICATE REQUEST' | 'PRIVATE KEY';

/**
 * The bytes of each block, all of which must be `label`. `what` names the input in the message of the `bad-request` that is
 * thrown for anything else; the text itself never stands in it, since it may be a key.
 */
export function readPem(text: string, label: PemLabel, what: string): Uint8Array[] {
  if (text.length > PEM_BYTES_MAX) {
    throw new BoiError('bad-request', `${what} has ${text.length} characters; at most ${PEM_BYTES_MAX} are read`);
  }
  const blocks: Uint8Array[] = [];
  BLOCK.lastIndex = 0;
  for (let at = 0; at < text.length; at = BLOCK.lastIndex) {
    BLOCK.lastIndex = at;
    const match = BLOCK.exec(text);
    if (match === null || match[1] !== label) throw notPem(label, what);
    const base64 = (match[2] as string).replace(/[\r\n]/g, '');
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length === 0 || bytes.toString('base64') !== base64) throw notPem(label, what);
    blocks.push(new Uint8Array(bytes));
  }
  if (blocks.length === 0) throw notPem(label, what);
  return blocks;
}

/** As {@link readPem}, for exactly one block. */
export function readOnePem(text: string, label: PemLabel, what: string): Uint8Array {
  const [first, ...rest] = readPem(text, label, what);
  if (first === undefined || rest.length > 0) throw notPem(label, what);
  return first;
}

export function writePem(label: PemLabel, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function notPem(label: PemLabel, what: string): BoiError {
  return new BoiError('bad-request', `${what} must be PEM with BEGIN ${label} and nothing else`);
}
