/**
 * A parsed file as a tree that remembers where everything stood: the common form of YAML, JSON and TOML. Checks walk it,
 * so that each finding has a line and a column. Values are those of JSON; a number keeps its spelling, since `1.10` as a
 * text is not `1.1`.
 */
import type { Issue } from '../errors.ts';
import type { Template } from './template.ts';

export type Scalar = string | number | boolean | null;

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly value: Scalar;
  /** Offset in the source, in UTF-16 units. */
  readonly start: number;
  /** A number as it was written. */
  readonly raw?: string;
  /** The string came out of a `${{vars.…}}` alone, so it may stand for a number or a boolean. */
  readonly fromVar?: boolean;
  /** An expression in it was wrong, which has been told: nothing more is said about it. */
  readonly broken?: boolean;
  /** The string holds expressions that only an instance of the task can answer. */
  readonly template?: Template;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly SourceNode[];
  readonly start: number;
}

export interface MapEntry {
  readonly key: string;
  readonly keyStart: number;
  readonly value: SourceNode;
}

export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, MapEntry>;
  readonly start: number;
}

export type SourceNode = ScalarNode | ListNode | MapNode;
export type Path = readonly (string | number)[];

/** A fault found while reading the syntax, at an offset. */
export interface SyntaxFault {
  readonly start: number;
  readonly message: string;
  readonly path?: Path;
}

export interface ParsedSource {
  /** Absent if nothing could be made of the file. */
  readonly root?: SourceNode;
  readonly faults: readonly SyntaxFault[];
}

/** JSON pointer (RFC 6901). */
export function pointer(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** The offset of what stands at `path`, or of the nearest thing around it. `key`: of its key instead of its value. */
export function offsetAt(root: SourceNode | undefined, path: Path, key = false): number {
  let node = root;
  let start = root?.start ?? 0;
  for (const step of path) {
    if (node?.kind === 'map') {
      const entry = node.entries.get(String(step));
      if (entry === undefined) return start;
      start = key ? entry.keyStart : entry.value.start;
      node = entry.value;
    } else if (node?.kind === 'list') {
      const item = node.items[Number(step)];
      if (item === undefined) return start;
      start = item.start;
      node = item;
    } else return start;
  }
  return start;
}

/** The plain JSON value of a tree. */
export function toPlain(node: SourceNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return Object.fromEntries([...node.entries.values()].map(({ key, value }) => [key, toPlain(value)]));
}

/** Collects findings, in order of their place in the file, each once, at most so many. */
export class Findings {
  readonly #source: string;
  readonly #max: number;
  readonly #found = new Map<string, { readonly start: number; readonly issue: Issue }>();
  #lines: number[] | undefined;
  #dropped = 0;

  constructor(source: string, max: number) {
    this.#source = source;
    this.#max = max;
  }

  get any(): boolean {
    return this.#found.size > 0;
  }

  add(path: Path, start: number, message: string): void {
    if (this.#found.size >= this.#max) {
      this.#dropped++;
      return;
    }
    const issue: Issue = { path: pointer(path), message, ...this.#position(start) };
    const key = `${issue.path}\n${message}\n${path.length === 0 ? start : ''}`;
    if (this.#found.has(key)) return;
    this.#found.set(key, { start, issue });
  }

  /** A finding about the file as a whole. */
  addWhole(path: Path, message: string): void {
    if (this.#found.size >= this.#max) {
      this.#dropped++;
      return;
    }
    this.#found.set(`${pointer(path)}\n${message}\n`, { start: -1, issue: { path: pointer(path), message } });
  }

  list(): Issue[] {
    const sorted = [...this.#found.values()].sort((a, b) => a.start - b.start).map(({ issue }) => issue);
    if (this.#dropped > 0) sorted.push({ path: '', message: `${this.#dropped} more problems are not shown` });
    return sorted;
  }

  #position(start: number): { line: number; column: number } {
    this.#lines ??= lineStarts(this.#source);
    let low = 0;
    let high = this.#lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lines[middle] as number) <= start) low = middle;
      else high = middle - 1;
    }
    // Code points, as editors count; an over-long line is not walked.
    const before = this.#source.slice(this.#lines[low], start);
    return { line: low + 1, column: (before.length > 1_000 ? before.length : [...before].length) + 1 };
  }
}

function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
