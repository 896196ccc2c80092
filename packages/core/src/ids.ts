/**
 * Identifiers: opaque, minted here, immutable. A three-letter prefix, `_`, and a ULID in lowercase Crockford base32: ten
 * characters of wall-clock milliseconds, sixteen of chance.
 *
 * A task's id is its spec's plus its index: a spec's ULID ends in `0000`, and task i (from 1) has the same 22 leading
 * characters and i as the last four, so neither direction needs an index in the store. Hence a mint never varies a
 * spec's id in those four characters: what grows within a millisecond is the 60-bit random part above them.
 *
 * Invariant: the ids of one {@link IdMinter}, of all kinds together, grow strictly, also when the wall clock steps back.
 * Knowing an id authorizes nothing. Every input surface parses ids here; nothing else knows their shape.
 */
import type { Clock, Random } from './clock.ts';
import { assert, BoiError } from './errors.ts';

/** What an id can name, and the prefix that says so. */
export const ID_PREFIXES = {
  node: 'nod',
  spec: 'spc',
  task: 'tsk',
  project: 'prj',
  group: 'grp',
  pool: 'pol',
  user: 'usr',
  token: 'tok',
  provision: 'prq',
  schedule: 'sch',
  checkpoint: 'ckp',
  event: 'evt',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

declare const idBrand: unique symbol;
type Id<P extends string> = `${P}_${string}` & { readonly [idBrand]: P };

/** The id type of a kind: `IdOf<'node'>` is {@link NodeId}. */
export type IdOf<K extends IdKind> = Id<(typeof ID_PREFIXES)[K]>;
export type NodeId = IdOf<'node'>;
export type SpecId = IdOf<'spec'>;
export type TaskId = IdOf<'task'>;
export type ProjectId = IdOf<'project'>;
export type GroupId = IdOf<'group'>;
export type PoolId = IdOf<'pool'>;
export type UserId = IdOf<'user'>;
export type TokenId = IdOf<'token'>;
/** A request to a provisioner plugin. */
export type ProvisionId = IdOf<'provision'>;
export type ScheduleId = IdOf<'schedule'>;
export type CheckpointId = IdOf<'checkpoint'>;
export type EventId = IdOf<'event'>;
export type AnyId = IdOf<IdKind>;

/** The kinds the system mints; tasks get theirs from {@link taskId}. */
export type MintedKind = Exclude<IdKind, 'task'>;

/** Every id, and nothing else. `$` without the `m` flag does not match before a trailing newline in JavaScript. */
export const ID_PATTERN = /^(nod|spc|tsk|prj|grp|pol|usr|tok|prq|sch|ckp|evt)_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** Four base32 characters less the zero that marks the spec itself. */
export const TASK_INDEX_MAX = 0xfffff;

const KINDS = new Map<string, IdKind>(
  Object.entries(ID_PREFIXES).map(([kind, prefix]): [string, IdKind] => [prefix, kind as IdKind]),
);

/** Whether `value` is an id, of `kind` if given. */
export function isId(value: unknown): value is AnyId;
export function isId<K extends IdKind>(value: unknown, kind: K): value is IdOf<K>;
export function isId(value: unknown, kind?: IdKind): boolean {
  return (
    typeof value === 'string' && ID_PATTERN.test(value) && (kind === undefined || value.startsWith(ID_PREFIXES[kind]))
  );
}

/** The id in `value`, exactly as written, or undefined if it is not an id of that kind. Nothing is trimmed or folded. */
export function parseId<K extends IdKind>(kind: K, value: unknown): IdOf<K> | undefined {
  return isId(value, kind) ? value : undefined;
}

/** As {@link parseId}, for input that must be an id: throws `bad-request` naming `path` (a JSON pointer). */
export function requireId<K extends IdKind>(kind: K, value: unknown, path = ''): IdOf<K> {
  const id = parseId(kind, value);
  if (id !== undefined) return id;
  const message = `must be a ${kind} id: ${ID_PREFIXES[kind]}_ and 26 characters of lowercase base32`;
  throw new BoiError('bad-request', `not a ${kind} id`, { issues: [{ path, message }] });
}

/** What an id names, or undefined if `value` is none. */
export function idKind(value: unknown): IdKind | undefined {
  return isId(value) ? KINDS.get(value.slice(0, 3)) : undefined;
}

/** The wall-clock millisecond in an id: when it was minted, for people. */
export function mintedAt(id: AnyId): number {
  let ms = 0;
  for (let i = 4; i < 14; i++) ms = ms * 32 + digit(id.charCodeAt(i));
  return ms;
}

/** The id of task `index` (1 to {@link TASK_INDEX_MAX}) of a spec. */
export function taskId(spec: SpecId, index: number): TaskId {
  assert(Number.isInteger(index) && index >= 1 && index <= TASK_INDEX_MAX, `task index ${index} is out of range`);
  return `tsk_${spec.slice(4, 26)}${encode(index, 4)}` as TaskId;
}

/** The spec a task belongs to. */
export function specOf(task: TaskId): SpecId {
  return `spc_${task.slice(4, 26)}0000` as SpecId;
}

/** A task's index in its spec, from 1. 0 for an id that no spec has. */
export function indexOf(task: TaskId): number {
  let index = 0;
  for (let i = 26; i < 30; i++) index = index * 32 + digit(task.charCodeAt(i));
  return index;
}

/** Mints ids. One per process, so that what it mints grows; another process may mint in between. */
export class IdMinter {
  readonly #clock: Clock;
  readonly #random: Random;
  #ms = -1;
  /** The 60 random bits as two halves of 30, so that counting up stays in exact integers. */
  #high = 0;
  #low = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  mint<K extends MintedKind>(kind: K): IdOf<K> {
    this.#advance();
    const rest = kind === 'spec' ? '0000' : encode(this.#bits(20), 4);
    return `${ID_PREFIXES[kind]}_${encode(this.#ms, 10)}${encode(this.#high, 6)}${encode(this.#low, 6)}${rest}` as IdOf<K>;
  }

  #advance(): void {
    const now = Math.floor(this.#clock.now());
    assert(now >= 0 && now < 2 ** 48, `the wall clock (${now}) does not fit an id`);
    if (now > this.#ms) {
      this.#draw(now);
      return;
    }
    // The same millisecond, or the clock stepped back: count up, and borrow the next millisecond on overflow.
    if (this.#low < HALF - 1) this.#low++;
    else if (this.#high < HALF - 1) {
      this.#high++;
      this.#low = 0;
    } else this.#draw(this.#ms + 1);
  }

  #draw(ms: number): void {
    this.#ms = ms;
    this.#high = this.#bits(30);
    this.#low = this.#bits(30);
  }

  #bits(count: number): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#random.bytes(4);
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> (32 - count)) >>> 0;
  }
}

const HALF = 2 ** 30;
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const VALUES = new Map([...DIGITS].map((character, value): [number, number] => [character.charCodeAt(0), value]));

function digit(code: number): number {
  return VALUES.get(code) ?? 0;
}

function encode(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = DIGITS.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
