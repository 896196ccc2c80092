/** Values of flags and settings from the text people write. One reading for both, so that a flag, a variable and a file agree. */
import { DURATION_EXPECTED, parseDuration } from '@boi/core/duration';
import type { FlagValue } from './args.ts';
import type { Flag } from './command.ts';

export type Reading =
  | { readonly ok: true; readonly value: FlagValue }
  | { readonly ok: false; readonly problem: string };

const good = (value: FlagValue): Reading => ({ ok: true, value });
const bad = (problem: string): Reading => ({ ok: false, problem });

/** `texts` are all that was given for the flag, in order; one for kinds that are not repeated. */
export function readFlag(flag: Flag, texts: readonly string[]): Reading {
  const [text = ''] = texts;
  switch (flag.kind) {
    case 'texts':
      return good([...texts]);
    case 'pairs':
      return readPairs(texts);
    case 'switch':
      if (text === 'true' || text === '1') return good(true);
      return text === 'false' || text === '0' ? good(false) : bad('must be true or false');
    case 'text':
      return text === '' ? bad('must not be empty') : good(text);
    case 'choice':
      return flag.choices?.includes(text)
        ? good(text)
        : bad(`must be one of ${flag.choices?.join(', ')}, not ${JSON.stringify(text)}`);
    case 'integer':
      return bounded(flag, /^-?\d{1,15}$/.test(text) ? Number(text) : undefined, 'a whole number', String);
    case 'duration':
      return bounded(flag, parseDuration(text), DURATION_EXPECTED, sayDuration);
    case 'bytes':
      return bounded(flag, parseBytes(text), 'a size such as 4096, 64KiB or 1GiB', String);
  }
}

/** Milliseconds as `1h`, `30s`, `250ms`: the largest unit that divides it. */
export function sayDuration(ms: number): string {
  for (const [unit, size] of DURATION_UNITS) if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

const DURATION_UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15})(?:([kmgt])i?b?)?$/i.exec(text);
  if (match === null) return undefined;
  const power = ['', 'k', 'm', 'g', 't'].indexOf((match[2] ?? '').toLowerCase());
  const bytes = Number(match[1]) * 1024 ** power;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function bounded(flag: Flag, value: number | undefined, expected: string, say: (value: number) => string): Reading {
  if (value === undefined) return bad(`must be ${expected}`);
  const { min, max } = flag;
  if ((min !== undefined && value < min) || (max !== undefined && value > max)) {
    if (max === undefined) return bad(`must be at least ${say(min ?? 0)}`);
    return bad(`must lie between ${say(min ?? 0)} and ${say(max)}`);
  }
  return good(value);
}

function readPairs(texts: readonly string[]): Reading {
  const pairs = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) return bad(`must be KEY=VALUE, not ${JSON.stringify(text)}`);
    const key = text.slice(0, at);
    if (pairs.has(key)) return bad(`gives ${key} twice`);
    pairs.set(key, text.slice(at + 1));
  }
  return good(Object.fromEntries(pairs));
}
