/**
 * JSON (RFC 8259) with positions, every duplicate key found, and a bound on nesting: `JSON.parse` keeps the last of two
 * equal keys without a word and says little about where a fault is. Stops at the first fault of syntax.
 */
import { SPEC_LIMITS } from './limits.ts';
import type { MapEntry, ParsedSource, Path, SourceNode, SyntaxFault } from './source-tree.ts';

export function parseJson(source: string): ParsedSource {
  const reader = new JsonReader(source);
  try {
    return { root: reader.document(), faults: reader.faults };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { faults: [...reader.faults, { start: error.start, message: error.message }] };
  }
}

class Fault extends Error {
  readonly start: number;
  constructor(start: number, message: string) {
    super(message);
    this.start = start;
  }
}

const WORDS = [
  ['true', true],
  ['false', false],
  ['null', null],
] as const;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class JsonReader {
  readonly faults: SyntaxFault[] = [];
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  document(): SourceNode {
    const root = this.#value([]);
    this.#space();
    if (this.#at < this.#source.length) throw new Fault(this.#at, 'nothing may follow the document');
    return root;
  }

  #value(path: Path): SourceNode {
    this.#space();
    const start = this.#at;
    const first = this.#source.charAt(start);
    if (path.length > SPEC_LIMITS.depthMax) throw new Fault(start, `nested deeper than ${SPEC_LIMITS.depthMax} levels`);
    if (first === '{') return this.#map(path);
    if (first === '[') return this.#list(path);
    if (first === '"') return { kind: 'scalar', value: this.#string(), start };
    for (const [word, value] of WORDS) {
      if (this.#source.startsWith(word, start)) {
        this.#at += word.length;
        return { kind: 'scalar', value, start };
      }
    }
    NUMBER.lastIndex = start;
    const raw = NUMBER.exec(this.#source)?.[0];
    if (raw === undefined)
      throw new Fault(
        start,
        first === '' ? 'the file ends too early' : `expected a JSON value, found ${JSON.stringify(first)}`,
      );
    this.#at += raw.length;
    if (!Number.isFinite(Number(raw))) throw new Fault(start, `${raw} is too large a number`);
    return { kind: 'scalar', value: Number(raw), raw, start };
  }

  #list(path: Path): SourceNode {
    const start = this.#at++;
    const items: SourceNode[] = [];
    if (this.#next(']')) return { kind: 'list', items, start };
    for (;;) {
      items.push(this.#value([...path, items.length]));
      if (this.#next(']')) return { kind: 'list', items, start };
      this.#expect(',', 'expected , or ] after an item');
    }
  }

  #map(path: Path): SourceNode {
    const start = this.#at++;
    const entries = new Map<string, MapEntry>();
    if (this.#next('}')) return { kind: 'map', entries, start };
    for (;;) {
      this.#space();
      const keyStart = this.#at;
      if (this.#source.charAt(keyStart) !== '"') throw new Fault(keyStart, 'expected a key in double quotes');
      const key = this.#string();
      this.#expect(':', 'expected : after a key');
      const value = this.#value([...path, key]);
      if (entries.has(key))
        this.faults.push({ start: keyStart, message: `"${key}" is given twice; keep one`, path: [...path, key] });
      else entries.set(key, { key, keyStart, value });
      if (this.#next('}')) return { kind: 'map', entries, start };
      this.#expect(',', 'expected , or } after a value');
    }
  }

  #string(): string {
    const start = this.#at++;
    let text = '';
    for (;;) {
      const from = this.#at;
      while (isPlain(this.#source.charCodeAt(this.#at))) this.#at++;
      text += this.#source.slice(from, this.#at);
      const c = this.#source.charAt(this.#at);
      if (c === '') throw new Fault(start, 'this string is not closed');
      if (c === '"') {
        this.#at++;
        return text;
      }
      if (c !== '\\') throw new Fault(this.#at, 'control characters must be escaped in a string');
      text += this.#escape();
    }
  }

  #escape(): string {
    const c = this.#source.charAt(this.#at + 1);
    const simple = Object.hasOwn(ESCAPES, c) ? ESCAPES[c] : undefined;
    if (simple !== undefined) {
      this.#at += 2;
      return simple;
    }
    const hex = this.#source.slice(this.#at + 2, this.#at + 6);
    if (c !== 'u' || !/^[0-9a-fA-F]{4}$/.test(hex)) throw new Fault(this.#at, 'this is not an escape of JSON');
    this.#at += 6;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#source)?.[0].length ?? 0;
  }

  #next(character: string): boolean {
    this.#space();
    if (this.#source.charAt(this.#at) !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string, message: string): void {
    if (!this.#next(character)) throw new Fault(this.#at, message);
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

/** Not a quote, a backslash, a control character or (NaN) the end. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code !== 0x22 && code !== 0x5c;
}
