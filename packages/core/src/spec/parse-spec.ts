/**
 * The way of a spec file: bytes → tree with positions (`parse-*.ts`) → variables put in (`template.ts`) → schema
 * (`check.ts`) → tasks (`expand.ts`). Each step goes on with what the one before found to be right, so that one answer
 * tells everything that is wrong. Pure; used by the server on dispatch, by `spec validate` and by the page's editor.
 */
import { createHash } from 'node:crypto';
import type { TSchema } from 'typebox';
import type { SpecDefinition } from '../definition.ts';
import type { Issue } from '../errors.ts';
import { TASK_INDEX_MAX } from '../ids.ts';
import { validateName } from '../names.ts';
import { check, type Schema } from './check.ts';
import { expandTasks } from './expand.ts';
import type { SpecFileValue } from './fields.ts';
import { SPEC_LIMITS } from './limits.ts';
import { parseJson } from './parse-json.ts';
import { parseToml } from './parse-toml.ts';
import { parseYaml } from './parse-yaml.ts';
import { SpecFile } from './schema.ts';
import {
  Findings,
  offsetAt,
  type ParsedSource,
  type Path,
  pointer,
  type Scalar,
  type SourceNode,
} from './source-tree.ts';
import { type Hint, limitedHint } from './suggest.ts';
import { readTemplate } from './template.ts';

export type SpecFormat = 'yaml' | 'json' | 'toml';

export interface ParseSpecOptions {
  /** Values for the file's variables (`--set name=value`). One the file does not declare is an error. */
  readonly set?: Readonly<Record<string, string>>;
  /** Most tasks after expansion; default and ceiling: see {@link SPEC_LIMITS}. */
  readonly tasksMax?: number;
}

export type ParseSpecResult =
  | {
      readonly ok: true;
      readonly spec: SpecDefinition;
      /** SHA-256 of format, source and variables: whether a repeated request is the same request. */
      readonly digest: string;
      /** The project named in the file, by name or id. */
      readonly project?: string;
    }
  | { readonly ok: false; readonly issues: Issue[] };

const SCHEMA = SpecFile as TSchema as Schema;
const PARSERS: Readonly<Record<SpecFormat, (source: string) => ParsedSource>> = {
  yaml: parseYaml,
  json: parseJson,
  toml: parseToml,
};

/** Reads and expands a spec, or tells everything that is wrong with it, in order of place. */
export function parseSpec(source: string, format: SpecFormat, options: ParseSpecOptions = {}): ParseSpecResult {
  const findings = new Findings(source, SPEC_LIMITS.issuesMax);
  const bytes = Buffer.byteLength(source);
  if (bytes > SPEC_LIMITS.sourceBytesMax)
    findings.addWhole([], `the file has ${bytes} bytes; at most ${SPEC_LIMITS.sourceBytesMax} are read`);
  if (bytes > SPEC_LIMITS.sourceParsedBytesMax) return { ok: false, issues: findings.list() };
  const parsed = PARSERS[format](source.startsWith('\uFEFF') ? ` ${source.slice(1)}` : source);
  for (const { path = [], start, message } of parsed.faults) findings.add(path, start, message);
  const { root } = parsed;
  if (root === undefined) return { ok: false, issues: findings.list() };
  const hint = limitedHint();
  const vars = readVars(root, options.set ?? {}, hint, findings);
  const names = [...vars.keys()];
  const filled = fillVars(root, [], vars, (name) => hint(name, names), findings);
  const file = check(SCHEMA, filled, [], { findings, hint, templates: true }) as SpecFileValue | undefined;
  if (file === undefined) return { ok: false, issues: findings.list() };
  const reporter = {
    get any() {
      return findings.any;
    },
    hint,
    report: (path: Path, message: string, key = false) => findings.add(path, offsetAt(root, path, key), message),
  };
  reportSpecFields(file, reporter.report);
  const tasks = expandTasks(file, Math.min(options.tasksMax ?? SPEC_LIMITS.tasksDefaultMax, TASK_INDEX_MAX), reporter);
  if (tasks === undefined || findings.any) return { ok: false, issues: findings.list() };
  const { name, description, project, concurrency } = file;
  const spec: SpecDefinition = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    failurePolicy: file['failure-policy'] ?? 'fail-fast',
    ...(concurrency === undefined ? {} : { concurrency }),
    tasks,
  };
  return {
    ok: true,
    spec,
    digest: digest(source, format, options.set ?? {}),
    ...(project === undefined ? {} : { project }),
  };
}

function reportSpecFields(file: SpecFileValue, report: (path: Path, message: string, key?: boolean) => void): void {
  const issue = file.name === undefined ? undefined : validateName(file.name);
  if (issue !== undefined) report(['name'], issue.message);
  const shared = [['env'], ['defaults', 'env']] as const;
  for (const path of shared) {
    const env = path.length === 1 ? file.env : file.defaults?.env;
    for (const name of Object.keys(env ?? {}))
      if (name.startsWith('BOI_')) report([...path, name], 'names beginning with BOI_ are set by the system', true);
  }
}

/** The file's variables with what `set` puts in their place. Their form is the schema's business. */
function readVars(
  root: SourceNode,
  set: Readonly<Record<string, string>>,
  hint: Hint,
  findings: Findings,
): Map<string, Scalar> {
  const vars = new Map<string, Scalar>();
  const node = root.kind === 'map' ? root.entries.get('vars')?.value : undefined;
  if (node?.kind === 'map')
    for (const { key, value } of node.entries.values()) if (value.kind === 'scalar') vars.set(key, value.value ?? '');
  const names = [...vars.keys()];
  for (const [name, value] of Object.entries(set)) {
    const path = pointer(['vars', name]);
    if (!vars.has(name)) {
      const declared = names.length === 0 ? 'the file declares none' : `declared: ${names.slice(0, 20).join(', ')}`;
      findings.addWhole(
        ['vars', name],
        `--set ${path.slice(6)}: there is no such variable${hint(name, names)} (${declared})`,
      );
    } else if (value.length > SPEC_LIMITS.varLengthMax || value.includes('\0'))
      findings.addWhole(
        ['vars', name],
        `--set ${path.slice(6)}: must have at most ${SPEC_LIMITS.varLengthMax} characters and no NUL`,
      );
    else vars.set(name, value);
  }
  return vars;
}

/** The tree with every variable in its place; strings that still hold expressions carry them as templates. */
function fillVars(
  node: SourceNode,
  path: Path,
  vars: ReadonlyMap<string, Scalar>,
  suggest: (name: string) => string,
  findings: Findings,
): SourceNode {
  if (node.kind === 'list')
    return { ...node, items: node.items.map((item, i) => fillVars(item, [...path, i], vars, suggest, findings)) };
  if (node.kind === 'map') {
    const entries = new Map(node.entries);
    for (const [key, entry] of entries) {
      if (path.length === 0 && key === 'vars') continue;
      entries.set(key, { ...entry, value: fillVars(entry.value, [...path, key], vars, suggest, findings) });
    }
    return { ...node, entries };
  }
  if (typeof node.value !== 'string' || !node.value.includes('{{')) return node;
  const reading = readTemplate(node.value, vars, suggest);
  for (const problem of reading.problems) findings.add(path, node.start, problem);
  if (reading.problems.length > 0) return { ...node, broken: true };
  if (typeof reading.result !== 'string') return { ...node, template: reading.result };
  return { ...node, value: reading.result, ...(reading.wholeVar ? { fromVar: true } : {}) };
}

function digest(source: string, format: SpecFormat, set: Readonly<Record<string, string>>): string {
  const variables = Object.entries(set).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(`${JSON.stringify([format, variables])}\n`)
    .update(source)
    .digest('hex');
}
