/**
 * What `JSON.parse` lets pass without a word and a request must not: bytes that are no UTF-8, which would become other
 * characters, and a field that is given twice, of which the last would count.
 */
import { BoiError, type Issue } from '@boi/core';

/** Of a body that is not empty: its text, which is JSON. Throws `bad-request`. */
export function readJsonText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new BoiError('bad-request', 'The body is not UTF-8.');
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw new BoiError('bad-request', `The body is not JSON: ${(error as Error).message}`);
  }
  const issue = givenTwice(text);
  if (issue !== undefined) throw new BoiError('bad-request', `${issue.path}: ${issue.message}`, { issues: [issue] });
  return text;
}

/** An object or a list that is open. */
interface Open {
  /** Names so far; undefined for a list. */
  readonly names?: Set<string>;
  /** Name or index of what is being read. */
  at: string | number;
  /** A text that comes now is a name. */
  nameNext: boolean;
}

const SIGN = /["{}[\],:]/g;
const IN_TEXT = /["\\]/g;

/** The first field that is given twice in a text that is known to be JSON. */
function givenTwice(text: string): Issue | undefined {
  const open: Open[] = [];
  let at = 0;
  for (;;) {
    SIGN.lastIndex = at;
    const sign = SIGN.exec(text);
    if (sign === null) return undefined;
    const start = sign.index;
    at = start + 1;
    const top = open.at(-1);
    switch (sign[0]) {
      case '{':
        open.push({ names: new Set(), at: '', nameNext: true });
        break;
      case '[':
        open.push({ at: 0, nameNext: false });
        break;
      case '"': {
        at = endOfText(text, at);
        if (top?.names === undefined || !top.nameNext) break;
        const name = JSON.parse(text.slice(start, at)) as string;
        top.at = name;
        if (top.names.has(name)) return { path: pointer(open), message: 'is given twice; keep one' };
        top.names.add(name);
        break;
      }
      case ',':
        if (top === undefined) break;
        top.nameNext = top.names !== undefined;
        if (typeof top.at === 'number') top.at += 1;
        break;
      case ':':
        if (top !== undefined) top.nameNext = false;
        break;
      default:
        open.pop();
    }
  }
}

/** Behind the quote that ends the text whose first character is at `at`. */
function endOfText(text: string, at: number): number {
  IN_TEXT.lastIndex = at;
  for (;;) {
    const found = IN_TEXT.exec(text);
    if (found === null) return text.length;
    if (found[0] === '"') return found.index + 1;
    IN_TEXT.lastIndex = found.index + 2;
  }
}

function pointer(open: readonly Open[]): string {
  return `/body${open.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`;
}
