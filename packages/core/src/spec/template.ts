/**
 * Expressions in strings: `${{vars.name}}`, `${{matrix.axis}}`, `${{index}}`; `$${{` stands for a literal `${{`, and the
 * shell's own `${…}` is left alone. Each string is read once: what a variable brings in is text, never an expression.
 */
import type { Scalar } from './source-tree.ts';

/** A place that only an instance of the task can fill. */
export type Hole = { readonly axis: string } | { readonly index: true };

/** A string that may still hold expressions. */
export type Text = string | Template;

export interface Template {
  /** Texts and holes in turn, to be joined. */
  readonly parts: readonly (string | Hole)[];
}

export interface Reading {
  /** A string without holes, or the template. */
  readonly result: string | Template;
  /** The whole string was one variable. */
  readonly wholeVar: boolean;
  readonly problems: readonly string[];
}

export interface InstanceValues {
  readonly axes?: ReadonlyMap<string, string>;
  /** From 1, for `count`. */
  readonly index?: number;
}

export function isTemplate(value: unknown): value is Template {
  return typeof value === 'object' && value !== null && 'parts' in value;
}

/** Reads one string; `suggest` words the hint for a variable that does not exist. */
export function readTemplate(
  text: string,
  vars: ReadonlyMap<string, Scalar>,
  suggest: (name: string) => string,
): Reading {
  const parts: (string | Hole)[] = [];
  const problems: string[] = [];
  let wholeVar = false;
  let last = 0;
  for (const match of text.matchAll(EXPRESSION)) {
    if (problems.length >= PROBLEMS_MAX) break;
    parts.push(text.slice(last, match.index));
    last = match.index + match[0].length;
    if (match[0] === `$${OPEN}`) {
      parts.push(OPEN);
      continue;
    }
    const inner = match[1]?.trim();
    const [, space, name] =
      (inner === undefined ? null : /^(vars|matrix)\.([A-Za-z_][A-Za-z0-9_-]*)$/.exec(inner)) ?? [];
    if (inner === 'index') parts.push({ index: true });
    else if (space === 'matrix' && name !== undefined) parts.push({ axis: name });
    else if (space === 'vars' && name !== undefined) {
      const value = vars.get(name);
      if (value === undefined) problems.push(`there is no variable "${name}"${suggest(name)}`);
      else parts.push(String(value));
      wholeVar = match[0].length === text.length;
    } else if (inner === undefined) problems.push(UNCLOSED);
    else problems.push(`"${inner}" is not an expression: use vars.NAME, matrix.AXIS or index`);
  }
  parts.push(text.slice(last));
  const constant = parts.every((part) => typeof part === 'string');
  return { result: constant ? parts.join('') : { parts: merge(parts) }, wholeVar, problems };
}

/** How an expression is written: `expression('index')` is `${{index}}`. */
export function expression(inner: string): string {
  return `${OPEN}${inner}}}`;
}

/** The string an instance gets. Holes that have no value were reported before and become empty. */
export function render(value: string | Template, values: InstanceValues): string {
  if (typeof value === 'string') return value;
  let text = '';
  for (const part of value.parts) {
    if (typeof part === 'string') text += part;
    else if ('index' in part) text += values.index ?? '';
    else text += values.axes?.get(part.axis) ?? '';
  }
  return text;
}

/** The constant beginning of a string. */
export function literalHead(value: string | Template): string {
  if (typeof value === 'string') return value;
  const [head] = value.parts;
  return typeof head === 'string' ? head : '';
}

function merge(parts: readonly (string | Hole)[]): (string | Hole)[] {
  const merged: (string | Hole)[] = [];
  for (const part of parts) {
    const before = merged.at(-1);
    if (part === '') continue;
    if (typeof part === 'string' && typeof before === 'string') merged[merged.length - 1] = before + part;
    else merged.push(part);
  }
  return merged;
}

const OPEN = '$'.concat('{{');
const UNCLOSED = `\`${OPEN}\` is not closed by \`}}\`; write \`$${OPEN}\` for a literal one`;
/** The inside is bounded: a string of 300,000 openings must not be searched from each to its end. */
const EXPRESSION = /\$\$\{\{|\$\{\{(?:([^{}]{0,200})\}\})?/g;
/** Mistakes told of one string. */
const PROBLEMS_MAX = 10;
