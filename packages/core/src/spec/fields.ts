/**
 * A task's fields after the schema check, the merge of spec, defaults and task, and what one instance makes of them.
 * Fields without expressions are built once and shared by all instances of a task.
 */

import type { Command, Requirement, RetryPolicy, TaskDefinition, When } from '../definition.ts';
import { isId } from '../ids.ts';
import { validateName } from '../names.ts';
import type { MatrixFile } from './instances.ts';
import { type Condition, readRequirements } from './requirements.ts';
import { type InstanceValues, isTemplate, literalHead, render, type Text } from './template.ts';
import { buildPool, buildWorkspace, type PoolFile, pluginConditions, type WorkspaceFile } from './workspace.ts';

type CommandFile = Text | readonly Text[];

/** What may stand in a task and in the defaults. Every part that was wrong is absent. */
export interface FieldsFile {
  readonly run?: CommandFile;
  readonly requires?: Readonly<Record<string, Condition>>;
  readonly target?: Text;
  readonly slots?: number;
  readonly env?: Readonly<Record<string, Text>>;
  readonly secrets?: readonly string[];
  readonly workdir?: Text;
  readonly workspace?: Text | WorkspaceFile;
  readonly pool?: PoolFile;
  readonly timeout?: number;
  readonly grace?: number;
  readonly retries?:
    | number
    | {
        readonly max?: number;
        readonly backoff?: number;
        readonly 'max-backoff'?: number;
        readonly 'on-exit-codes'?: readonly number[];
      };
  readonly verify?: Text | readonly CommandFile[];
  readonly priority?: number;
  readonly when?: When;
  readonly exclusive?: boolean;
  readonly outputs?: readonly string[];
  readonly key?: Text | { readonly name?: Text; readonly limit?: number };
}

export interface TaskFileValue extends FieldsFile {
  readonly ref?: string;
  readonly needs?: Text | readonly (Text | undefined)[];
  readonly matrix?: MatrixFile;
  readonly count?: number;
}

export interface SpecFileValue {
  readonly name?: string;
  readonly description?: string;
  readonly project?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly defaults?: FieldsFile;
  readonly 'failure-policy'?: 'fail-fast' | 'continue';
  readonly concurrency?: number;
  readonly tasks?: readonly (TaskFileValue | undefined)[];
}

/** Tells of a fault in a field, or below it. */
export type FieldProblem = (path: readonly string[], message: string) => void;

const FIELDS = [
  'run',
  'requires',
  'target',
  'slots',
  'env',
  'secrets',
  'workdir',
  'workspace',
  'pool',
  'timeout',
  'grace',
  'retries',
  'verify',
  'priority',
  'when',
  'exclusive',
  'outputs',
  'key',
] as const satisfies readonly (keyof FieldsFile)[];

/** What a spec gives all its tasks: the defaults, and both environments in one. Made once, so that tasks share it. */
export function sharedFields(spec: SpecFileValue): FieldsFile {
  const { defaults = {} } = spec;
  if (spec.env === undefined) return defaults;
  return { ...defaults, env: { ...spec.env, ...defaults.env } };
}

/** The fields that hold in the end: the task's own, else the shared ones; `env` and `requires` merged by key, and what its plugins ask of a node. */
export function mergeFields(shared: FieldsFile, task: FieldsFile): FieldsFile {
  const merged: Record<string, unknown> = {};
  for (const field of FIELDS) {
    const value = task[field] ?? shared[field];
    if (value !== undefined) merged[field] = value;
  }
  if (shared.env !== undefined && task.env !== undefined) merged.env = { ...shared.env, ...task.env };
  // Two ways to say where it runs: the task's own counts.
  if (task.workdir !== undefined && task.workspace === undefined) delete merged.workspace;
  if (task.workspace !== undefined && task.workdir === undefined) delete merged.workdir;
  const plugins = pluginConditions(merged as FieldsFile);
  if ((shared.requires !== undefined && task.requires !== undefined) || plugins !== undefined)
    merged.requires = { ...shared.requires, ...task.requires, ...plugins };
  return merged as FieldsFile;
}

/** The fields that need an instance's values, apart from those that do not. */
export function splitFields(fields: FieldsFile): {
  readonly constant: FieldsFile;
  readonly varying: FieldsFile | undefined;
} {
  const constant: Record<string, unknown> = {};
  const varying: Record<string, unknown> = {};
  for (const field of FIELDS) {
    if (fields[field] !== undefined) (hasTemplate(fields[field]) ? varying : constant)[field] = fields[field];
  }
  return {
    constant: constant as FieldsFile,
    varying: Object.keys(varying).length === 0 ? undefined : (varying as FieldsFile),
  };
}

/** Every expression in a value: which axes it names, and whether it asks for the index. */
export function holesOf(value: unknown, found = { axes: new Set<string>(), index: false, count: 0 }): typeof found {
  if (!hasTemplate(value)) return found;
  if (isTemplate(value)) {
    for (const part of value.parts) {
      if (typeof part === 'string') continue;
      found.count++;
      if ('index' in part) found.index = true;
      else found.axes.add(part.axis);
    }
  } else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) holesOf(inner, found);
  return found;
}

function hasTemplate(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const known = templated.get(value);
  if (known !== undefined) return known;
  const has = isTemplate(value) || Object.values(value).some(hasTemplate);
  templated.set(value, has);
  return has;
}

/** Shared defaults are asked about once for each of 20,000 tasks. What is asked about never changes. */
const templated = new WeakMap<object, boolean>();

/** The definition's part that comes from `fields`, neutral values left out. */
export function buildFields(
  fields: FieldsFile,
  values: InstanceValues,
  problem: FieldProblem,
): Partial<TaskDefinition> {
  const { run, when, slots, secrets, timeout, grace, priority, exclusive, outputs } = fields;
  const requires = buildRequires(fields, values, problem);
  const target = buildTarget(fields, values, problem);
  const env = buildEnv(fields, values);
  const workdir = buildWorkdir(fields, values, problem);
  const workspace = fields.workspace === undefined ? undefined : buildWorkspace(fields.workspace, values, problem);
  const retries = buildRetries(fields, problem);
  const verify = buildVerify(fields, values);
  const key = buildKey(fields, values);
  return {
    ...(run === undefined ? {} : { run: command(run, values) }),
    ...(when === undefined || when === 'success' ? {} : { when }),
    ...(requires === undefined ? {} : { requires }),
    ...(target === undefined ? {} : { target }),
    ...(slots === undefined || slots === 1 ? {} : { slots }),
    ...(env === undefined ? {} : { env }),
    ...(secrets === undefined || secrets.length === 0 ? {} : { secrets }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(fields.pool === undefined ? {} : { pool: buildPool(fields.pool, values) }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(grace === undefined || grace === GRACE_MS ? {} : { graceMs: grace }),
    ...(retries === undefined ? {} : { retries }),
    ...(verify === undefined ? {} : { verify }),
    ...(priority === undefined || priority === 0 ? {} : { priority }),
    ...(exclusive === true ? { exclusive } : {}),
    ...(outputs === undefined || outputs.length === 0 ? {} : { outputs }),
    ...(key === undefined ? {} : { key }),
  };
}

const GRACE_MS = 10_000;
const BACKOFF_MS = 1_000;
const BACKOFF_MAX_MS = 300_000;

function command(file: CommandFile, values: InstanceValues): Command {
  return isTemplate(file) || typeof file === 'string' ? render(file, values) : file.map((part) => render(part, values));
}

function buildRequires(
  { requires }: FieldsFile,
  values: InstanceValues,
  problem: FieldProblem,
): readonly Requirement[] | undefined {
  if (requires === undefined) return undefined;
  const { requirements, problems } = readRequirements(requires, values);
  for (const { key, message } of problems) problem(['requires', key], message);
  return requirements.length === 0 ? undefined : requirements;
}

function buildTarget({ target }: FieldsFile, values: InstanceValues, problem: FieldProblem): string | undefined {
  if (target === undefined) return undefined;
  const text = render(target, values);
  if (isId(text, 'node') || isId(text, 'group')) return text;
  const fault = isId(text)
    ? 'must be a node or a group; this is the id of something else'
    : validateName(text)?.message;
  if (fault !== undefined) problem(['target'], fault);
  return fault === undefined ? text : undefined;
}

function buildEnv({ env }: FieldsFile, values: InstanceValues): Readonly<Record<string, string>> | undefined {
  if (env === undefined) return undefined;
  // As it is, if it can be: tasks of a large spec then share one object.
  if (!hasTemplate(env)) return isEmpty(env) ? undefined : (env as Readonly<Record<string, string>>);
  const entries = Object.entries(env);
  return Object.fromEntries(entries.map(([name, value]): [string, string] => [name, render(value, values)]));
}

function isEmpty(object: object): boolean {
  for (const _ in object) return false;
  return true;
}

function buildWorkdir({ workdir }: FieldsFile, values: InstanceValues, problem: FieldProblem): string | undefined {
  if (workdir === undefined) return undefined;
  const head = literalHead(workdir);
  const path = render(workdir, values);
  if (!path.startsWith('/')) problem(['workdir'], `must be an absolute path, not ${JSON.stringify(head || path)}`);
  return path;
}

function buildRetries({ retries }: FieldsFile, problem: FieldProblem): RetryPolicy | undefined {
  if (retries === undefined) return undefined;
  const policy = typeof retries === 'number' ? { max: retries } : retries;
  const {
    max = 0,
    backoff = BACKOFF_MS,
    'max-backoff': longest = Math.max(backoff, BACKOFF_MAX_MS),
    'on-exit-codes': codes,
  } = policy;
  if (longest < backoff) problem(['retries', 'max-backoff'], 'must not be shorter than backoff');
  if (max === 0) return undefined;
  return { max, backoffMs: backoff, backoffMaxMs: longest, ...(codes === undefined ? {} : { onExitCodes: codes }) };
}

function buildVerify({ verify }: FieldsFile, values: InstanceValues): readonly Command[] | undefined {
  if (verify === undefined) return undefined;
  const list = isTemplate(verify) || typeof verify === 'string' ? [verify] : verify;
  return list.length === 0 ? undefined : list.map((item) => command(item, values));
}

function buildKey({ key }: FieldsFile, values: InstanceValues): TaskDefinition['key'] {
  if (key === undefined) return undefined;
  if (isTemplate(key) || typeof key === 'string') return { name: render(key, values), limit: 1 };
  return { name: render(key.name ?? '', values), limit: key.limit ?? 1 };
}
