/**
 * Names: what people call things. Labels, not identity: optional, not unique, changeable. This is the one validator for
 * server, CLI and page, and the one way names are shown and sorted.
 *
 * A name is refused, never mended: what is stored is byte for byte what was given, so `?name=` can be exact.
 * Logs, events and keys carry ids alone; {@link displayName} is for where a person reads.
 */
import { BoiError, type ErrorCode, type Issue } from './errors.ts';
import { isId } from './ids.ts';

/** Longest name, in code points. */
export const NAME_CODE_POINTS_MAX = 128;

/** Names with a meaning of their own, by the kind of thing they are kept for. Exact and case-sensitive: `Admin` is free. */
export const RESERVED_NAMES = {
  node: ['admin', 'system', 'internal'],
  user: ['admin', 'system', 'internal'],
  group: ['admins', 'operators'],
} as const satisfies Record<string, readonly string[]>;

export interface NameProblem {
  /** `bad-request`: not a string. `invalid-name`: ill-formed. `reserved-identifier`: kept for the system. */
  readonly code: Extract<ErrorCode, 'bad-request' | 'invalid-name' | 'reserved-identifier'>;
  readonly issue: Issue;
}

/** What is wrong with a name, or undefined. `path` is the JSON pointer of the field. */
export function validateName(value: unknown, path = '/name'): Issue | undefined {
  const message = typeof value === 'string' ? fault(value) : 'must be a string; leave the field out for no name';
  return message === undefined ? undefined : { path, message };
}

/** As {@link validateName}, with the names reserved for `kind` and the error code each fault has. */
export function nameProblem(kind: string, value: unknown, path = '/name'): NameProblem | undefined {
  const issue = validateName(value, path);
  if (issue !== undefined) return { code: typeof value === 'string' ? 'invalid-name' : 'bad-request', issue };
  if (!isReservedName(kind, value as string)) return undefined;
  return { code: 'reserved-identifier', issue: { path, message: `"${value}" is reserved; choose another name` } };
}

/** The name, checked; throws the {@link BoiError} of {@link nameProblem}. */
export function requireName(kind: string, value: unknown, path = '/name'): string {
  const problem = nameProblem(kind, value, path);
  if (problem === undefined) return value as string;
  throw new BoiError(problem.code, `${problem.issue.path.slice(1) || 'name'}: ${problem.issue.message}`, {
    issues: [problem.issue],
  });
}

export function isReservedName(kind: string, name: string): boolean {
  const reserved: readonly string[] = Object.hasOwn(RESERVED_NAMES, kind)
    ? RESERVED_NAMES[kind as keyof typeof RESERVED_NAMES]
    : [];
  return reserved.includes(name);
}

/** `<name> (<id>)`, or the id alone for what has no name. Safe to print: see {@link escapeName}. */
export function displayName(name: string | undefined, id: string): string {
  return name === undefined || name === '' ? id : `${escapeName(name)} (${id})`;
}

/**
 * A name as a person may safely see it: invisible and control characters written as `\u{…}` (joiners and emoji tags
 * stay, they are part of words and flags), and wrapped in a bidi isolate if it holds right-to-left text, so that it cannot
 * reorder what stands around it. Markup is the business of whoever renders markup.
 */
export function escapeName(name: string): string {
  const visible = name.replace(INVISIBLE, (c) =>
    KEPT.test(c) ? c : `\\u{${(c.codePointAt(0) as number).toString(16)}}`,
  );
  return RIGHT_TO_LEFT.test(visible) ? `\u2068${visible}\u2069` : visible;
}

/** Order of lists: named first, case-folded, then by id. */
export function compareNamed(
  a: { readonly name?: string | undefined; readonly id: string },
  b: { readonly name?: string | undefined; readonly id: string },
): number {
  const x = a.name ?? '';
  const y = b.name ?? '';
  if ((x === '') !== (y === '')) return x === '' ? 1 : -1;
  return order(caseFold(x), caseFold(y)) || order(a.id, b.id);
}

/** Upper, then lower, so that ß and ss, σ and ς fall together whatever the locale of the host. */
export function caseFold(text: string): string {
  return text.toUpperCase().toLowerCase();
}

function fault(name: string): string | undefined {
  if (name === '') return 'must not be empty; leave the field out for no name';
  const bad = FORBIDDEN.exec(name)?.[0];
  if (bad !== undefined) return `must not contain ${codePoint(bad)}: ${forbiddenCategory(bad)}`;
  if (EDGE_SPACE.test(name)) return 'must not start or end with white space';
  if (name !== name.normalize('NFC')) return 'must be in Unicode normal form C (composed characters)';
  // Code points are at most the UTF-16 length, so the split is made only for names that could be too long.
  if (name.length > NAME_CODE_POINTS_MAX) {
    const length = [...name.slice(0, 4 * NAME_CODE_POINTS_MAX)].length;
    if (length > NAME_CODE_POINTS_MAX) return `must have at most ${NAME_CODE_POINTS_MAX} characters`;
  }
  return isId(name) ? 'must not have the shape of an id' : undefined;
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}`;
}

function forbiddenCategory(character: string): string {
  if (/\p{Cc}/u.test(character)) return 'a control character';
  if (/\p{Cs}/u.test(character)) return 'half of a surrogate pair';
  return /\p{Co}/u.test(character) ? 'a private-use character' : 'not an assigned character';
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Cn}\p{Co}]/u;
const EDGE_SPACE = /^[\p{White_Space}\uFEFF]|[\p{White_Space}\uFEFF]$/u;
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
/** Zero-width (non-)joiner and the tag characters of emoji flags. */
const KEPT = /\u200C|\u200D|[\u{E0020}-\u{E007F}]/u;
/** The blocks of right-to-left scripts; the bidi controls themselves were made visible before. */
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFE\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;
