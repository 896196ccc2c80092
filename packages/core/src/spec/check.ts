/**
 * Walks a parsed file along the schema, collects everything that is wrong, and answers what is right of it as plain
 * values: durations in milliseconds, texts as strings, wrong parts left out (under `x-places` an item becomes undefined, so that
 * the others keep their places). So what follows can look for further mistakes in a file that already has some.
 */
import { formatDuration, parseDuration } from '../duration.ts';
import type { Findings, ListNode, MapNode, Path, ScalarNode, SourceNode } from './source-tree.ts';
import type { Hint } from './suggest.ts';
import { expression } from './template.ts';

/** The part of JSON Schema that the spec's schema uses. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly 'x-kind'?: 'text' | 'duration';
  readonly 'x-expected'?: string;
  readonly 'x-names'?: string;
  readonly 'x-template'?: boolean;
  readonly 'x-shared'?: boolean;
  readonly 'x-places'?: boolean;
  readonly 'x-min-ms'?: number;
  readonly 'x-max-ms'?: number;
}

export interface CheckContext {
  readonly findings: Findings;
  readonly hint: Hint;
  /** Whether strings may hold `${{matrix.…}}` and `${{index}}`: in tasks, not in what many tasks share. */
  readonly templates: boolean;
}

/** What is right of `node` under `schema`; undefined if nothing. */
export function check(schema: Schema, node: SourceNode, path: Path, context: CheckContext): unknown {
  const wrong = (message: string): undefined => {
    context.findings.add(path, node.start, message);
    return undefined;
  };
  if (node.kind === 'scalar' && node.broken === true) return undefined;
  if (node.kind === 'scalar' && node.value === null)
    return wrong(`is empty: give ${expected(schema)}, or leave the field out`);
  if (schema['x-kind'] === 'duration') return duration(schema, node, wrong);
  if (schema['x-kind'] === 'text') return text(schema, node, path, context);
  if (schema.anyOf !== undefined) {
    const fitting = schema.anyOf.find((alternative) => fits(alternative, node));
    return fitting === undefined ? wrong(mismatch(schema, node)) : check(fitting, node, path, context);
  }
  if (!fits(schema, node)) return wrong(mismatch(schema, node));
  if (node.kind === 'map') return map(schema, node, path, context);
  if (node.kind === 'list') return list(schema, node, path, context);
  return schema.type === 'string' ? string(schema, node, path, context) : primitive(schema, node, wrong);
}

/** Words for what a schema takes: "a list", "a whole number from 1 to 9". */
export function expected(schema: Schema): string {
  if (schema['x-expected'] !== undefined) return schema['x-expected'];
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`;
  const { minimum, maximum } = schema;
  const range =
    minimum !== undefined && maximum !== undefined
      ? ` from ${minimum} to ${maximum}`
      : minimum !== undefined
        ? ` of at least ${minimum}`
        : '';
  switch (schema.type) {
    case 'integer':
      return `a whole number${range}`;
    case 'number':
      return `a number${range}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return 'a list';
    case 'object':
      return 'a map';
    default:
      return 'a string';
  }
}

function fits(schema: Schema, node: SourceNode): boolean {
  if (schema['x-kind'] === 'text' || schema['x-kind'] === 'duration') return node.kind === 'scalar';
  if (schema.anyOf !== undefined) return schema.anyOf.some((alternative) => fits(alternative, node));
  if (node.kind === 'map') return schema.type === 'object';
  if (node.kind === 'list') return schema.type === 'array';
  if (schema.type === 'string') return typeof node.value === 'string';
  const value = scalarValue(node);
  if (schema.type === 'boolean') return typeof value === 'boolean';
  return (
    typeof value === 'number' && (schema.type === 'number' || (schema.type === 'integer' && Number.isInteger(value)))
  );
}

/** A string that a variable brought may stand for a number or a boolean, since `--set` knows only strings. */
function scalarValue(node: ScalarNode): unknown {
  if (node.fromVar !== true || typeof node.value !== 'string') return node.value;
  if (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(node.value)) return Number(node.value);
  return node.value === 'true' ? true : node.value === 'false' ? false : node.value;
}

function mismatch(schema: Schema, node: SourceNode): string {
  return `must be ${expected(schema)}, not ${found(node)}`;
}

function found(node: SourceNode): string {
  if (node.kind !== 'scalar') return `a ${node.kind}`;
  const shown = typeof node.value === 'number' ? (node.raw ?? String(node.value)) : JSON.stringify(node.value);
  return shown.length > 60 ? `${shown.slice(0, 57)}…` : shown;
}

function map(schema: Schema, node: MapNode, path: Path, context: CheckContext): Record<string, unknown> {
  const { findings } = context;
  const within = schema['x-shared'] === true ? { ...context, templates: false } : context;
  const result: Record<string, unknown> = Object.create(null);
  // A record's values come as the single pattern of its keys.
  const rest = schema.additionalProperties ?? Object.values(schema.patternProperties ?? {})[0];
  const known = Object.keys(schema.properties ?? {});
  for (const { key, keyStart, value } of node.entries.values()) {
    const inner = [...path, key];
    const property =
      schema.properties !== undefined && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    const used = property ?? (typeof rest === 'object' ? rest : undefined);
    if (used === undefined) {
      findings.add(
        inner,
        keyStart,
        `unknown field "${clip(key)}"${context.hint(key, known) || `; known here: ${known.join(', ')}`}`,
      );
      continue;
    }
    if (property === undefined && !nameFits(schema.propertyNames, key))
      findings.add(inner, keyStart, `"${clip(key)}" is not a name that can be used here: ${schema['x-names']}`);
    const checked = check(used, value, inner, within);
    if (checked !== undefined) result[key] = checked;
  }
  for (const key of schema.required ?? [])
    if (!node.entries.has(key))
      findings.add([...path, key], node.start, `is missing: give ${expected(schema.properties?.[key] ?? {})}`);
  const { minProperties = 0, maxProperties = Number.POSITIVE_INFINITY } = schema;
  if (node.entries.size < minProperties) findings.add(path, node.start, 'must not be empty');
  if (node.entries.size > maxProperties)
    findings.add(path, node.start, `must have at most ${maxProperties} entries, not ${node.entries.size}`);
  return result;
}

function nameFits(schema: Schema | undefined, key: string): boolean {
  if (schema === undefined) return true;
  return (
    key.length <= (schema.maxLength ?? 128) &&
    (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(key))
  );
}

function list(schema: Schema, node: ListNode, path: Path, context: CheckContext): unknown[] {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  const { findings } = context;
  if (node.items.length < minItems)
    findings.add(path, node.start, minItems === 1 ? 'must not be empty' : `must have at least ${minItems} items`);
  if (node.items.length > maxItems)
    findings.add(path, node.start, `must have at most ${maxItems} items, not ${node.items.length}`);
  const items = node.items.slice(0, maxItems).map((item, i) => check(schema.items ?? {}, item, [...path, i], context));
  if (schema.uniqueItems === true) {
    const seen = new Set<unknown>();
    items.forEach((item, i) => {
      if (item !== undefined && seen.has(item))
        findings.add([...path, i], node.items[i]?.start ?? node.start, `${JSON.stringify(item)} is given twice`);
      seen.add(item);
    });
  }
  return schema['x-places'] === true ? items : items.filter((item) => item !== undefined);
}

function string(schema: Schema, node: ScalarNode, path: Path, context: CheckContext): unknown {
  const value = String(node.value);
  const wrong = (message: string): undefined => {
    context.findings.add(path, node.start, message);
    return undefined;
  };
  if (node.template !== undefined && !(context.templates && schema['x-template'] === true)) return wrong(NO_INSTANCE);
  if (value.includes('\0')) return wrong('must not contain a NUL character');
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
  if (value.length > maxLength) return wrong(`must have at most ${maxLength} characters, not ${value.length}`);
  if (value.length < minLength) return wrong('must not be empty');
  if (node.template !== undefined) return node.template;
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return wrong(`${mismatch(schema, node)}${context.hint(value, schema.enum)}`);
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value))
    return wrong(
      schema['x-expected'] === undefined
        ? `${JSON.stringify(clip(value))} has characters that cannot be used here`
        : mismatch(schema, node),
    );
  return value;
}

const NO_INSTANCE = `only ${expression('vars.…')} can be used here: there is no instance to take matrix or index from`;

function primitive(schema: Schema, node: ScalarNode, wrong: (message: string) => undefined): unknown {
  const value = scalarValue(node);
  if (typeof value !== 'number') return value;
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  return value < minimum || value > maximum ? wrong(mismatch(schema, node)) : value;
}

function duration(schema: Schema, node: SourceNode, wrong: (message: string) => undefined): number | undefined {
  const ms = node.kind === 'scalar' ? parseDuration(node.value) : undefined;
  if (ms === undefined) return wrong(mismatch(schema, node));
  const { 'x-min-ms': min = 0, 'x-max-ms': max = Number.MAX_SAFE_INTEGER } = schema;
  if (ms < min || ms > max)
    return wrong(`must be from ${formatDuration(min)} to ${formatDuration(max)}, not ${found(node)}`);
  return ms;
}

/** A string, or a number or boolean whose text is beyond doubt: `1.10` would silently become `1.1`. */
function text(schema: Schema, node: SourceNode, path: Path, context: CheckContext): unknown {
  const options = schema.anyOf?.[0] ?? {};
  if (node.kind !== 'scalar') {
    context.findings.add(path, node.start, mismatch(schema, node));
    return undefined;
  }
  if (typeof node.value === 'number' && (node.raw ?? '') !== String(node.value)) {
    context.findings.add(path, node.start, `put ${node.raw} in quotes: as a number it would become ${node.value}`);
    return undefined;
  }
  return string(options, { ...node, value: String(node.value) }, path, context);
}

function clip(value: string): string {
  return value.length > 60 ? `${value.slice(0, 57)}…` : value;
}
