/** What is derived from the schema for people and editors: a reference in Markdown and a JSON Schema. */
import type { TSchema } from 'typebox';
import type { Schema } from './check.ts';
import { expected } from './check.ts';
import { SPEC_LIMITS } from './limits.ts';
import { SpecFile } from './schema.ts';

const VARIABLE = { type: 'string', pattern: '^\\$\\{\\{\\s*vars\\.[A-Za-z_][A-Za-z0-9_-]*\\s*\\}\\}$' };
const ROOT = SpecFile as TSchema as Schema;

/** JSON Schema (2020-12) of a spec file. A field that is not a string also takes `${{vars.name}}`. */
export function specJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'boi-node spec',
    ...(forEditors(ROOT) as Record<string, unknown>),
  };
}

/** Every field of a spec file as Markdown: what it takes, its default, what it means. */
export function specReference(): string {
  const sections = [
    '# Fields of a spec file\n\nGenerated from the schema. [specs.md](specs.md) explains, [spec-schema.json](spec-schema.json) is for editors.',
    table('Spec', ROOT),
    table('Task', at(ROOT, 'tasks').items ?? {}),
    table('retries', objectOf(at(at(ROOT, 'tasks').items ?? {}, 'retries'))),
    table('workspace', objectOf(at(at(ROOT, 'tasks').items ?? {}, 'workspace'))),
    table('pool', objectOf(at(at(ROOT, 'tasks').items ?? {}, 'pool'))),
    table('key', objectOf(at(at(ROOT, 'tasks').items ?? {}, 'key'))),
    table('matrix', at(at(ROOT, 'tasks').items ?? {}, 'matrix')),
    limits(),
  ];
  return `${sections.join('\n\n')}\n`;
}

function table(title: string, schema: Schema): string {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const required = schema.required?.includes(name) === true;
    const preset = field.default === undefined ? (required ? 'required' : '') : `\`${String(field.default)}\``;
    return `| \`${name}\` | ${cell(expected(field))} | ${preset} | ${cell(field.description ?? '')} |`;
  });
  return [`## ${title}`, '', '| field | takes | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function limits(): string {
  const rows = Object.entries(SPEC_LIMITS).map(([name, value]) => `| \`${name}\` | ${value} |`);
  return ['## Limits', '', '| limit | value |', '|---|---|', ...rows].join('\n');
}

function at(schema: Schema, name: string): Schema {
  return schema.properties?.[name] ?? {};
}

function objectOf(schema: Schema): Schema {
  return schema.anyOf?.find((alternative) => alternative.type === 'object') ?? schema;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function forEditors(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(forEditors);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !key.startsWith('x-'))
      .map(([key, inner]) => [key, forEditors(inner)]),
  );
  const { type } = copy;
  if (type !== 'integer' && type !== 'number' && type !== 'boolean' && copy.enum === undefined) return copy;
  const { description, default: preset, ...rest } = copy;
  return {
    anyOf: [rest, VARIABLE],
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
  };
}
