/**
 * From `workspace` and `pool` as they are written to what a task's definition says, and what they ask of a node: a plugin, as a capability.
 * The branch's name is checked with its fields filled in as they could be, so that a faulty one is told before anything runs.
 */
import {
  type KeepWorkspace,
  type PoolRequest,
  PUSH_FIELDS,
  pluginCapability,
  type WorkspaceRequest,
} from '../definition.ts';
import type { Condition } from './requirements.ts';
import { type InstanceValues, isTemplate, render, type Text } from './template.ts';

export interface WorkspaceFile {
  readonly source?: Text;
  readonly ref?: Text;
  readonly plugin?: string;
  readonly push?: Text;
  readonly keep?: 'never' | KeepWorkspace;
  readonly options?: Readonly<Record<string, Text>>;
}

/** A plugin's name, or more. */
export type PoolFile = string | { readonly plugin?: string; readonly options?: Readonly<Record<string, Text>> };

type Problem = (path: readonly string[], message: string) => void;

/** Conditions on the node that follow from these fields, by capability. */
export function pluginConditions(fields: {
  readonly workspace?: Text | WorkspaceFile;
  readonly pool?: PoolFile;
}): Readonly<Record<string, Condition>> | undefined {
  const { workspace, pool } = fields;
  if (workspace === undefined && pool === undefined) return undefined;
  const plugin = workspace === undefined || isText(workspace) ? undefined : workspace.plugin;
  return {
    ...(workspace === undefined ? {} : { [pluginCapability('workspace', plugin)]: { exists: true } }),
    ...(pool === undefined
      ? {}
      : { [pluginCapability('pool', typeof pool === 'string' ? pool : pool.plugin)]: { exists: true } }),
  };
}

export function buildWorkspace(file: Text | WorkspaceFile, values: InstanceValues, problem: Problem): WorkspaceRequest {
  if (isText(file)) return { source: render(file, values) };
  const { source = '', ref, plugin, push, keep, options } = file;
  const branch = push === undefined ? undefined : render(push, values);
  const fault = branch === undefined ? undefined : branchFault(branch);
  if (fault !== undefined) problem(['workspace', 'push'], fault);
  return {
    source: render(source, values),
    ...(ref === undefined ? {} : { ref: render(ref, values) }),
    ...(plugin === undefined ? {} : { plugin }),
    ...(branch === undefined ? {} : { push: branch }),
    ...(keep === undefined || keep === 'never' ? {} : { keep }),
    ...(options === undefined ? {} : { options: rendered(options, values) }),
  };
}

export function buildPool(file: PoolFile, values: InstanceValues): PoolRequest {
  if (typeof file === 'string') return { plugin: file };
  const { plugin, options } = file;
  return {
    ...(plugin === undefined ? {} : { plugin }),
    ...(options === undefined ? {} : { options: rendered(options, values) }),
  };
}

/** A branch's name after its fields were filled in: what git takes, of the characters that need no quoting anywhere. */
export const BRANCH_PATTERN = /^[A-Za-z0-9](?!.*(?:\/\/|\.\.|\/\.|\.lock(?:\/|$)))[A-Za-z0-9._/-]*(?<![./])$/;

/** The branch with its fields filled in; what a ref has beyond letters, digits, `.`, `_` and `-` becomes `-`. */
export function fillBranch(push: string, values: Readonly<Record<(typeof PUSH_FIELDS)[number], string>>): string {
  return push.replace(/\{([^{}]*)\}/g, (whole, name: string) =>
    isPushField(name) ? values[name].replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+|[.-]+$/g, '') : whole,
  );
}

function branchFault(push: string): string | undefined {
  for (const [whole, name] of push.matchAll(/\{([^{}]*)\}/g))
    if (!isPushField(name as string))
      return `${whole} is not known; use ${PUSH_FIELDS.map((field) => `{${field}}`).join(', ')}`;
  const sample = fillBranch(push, { ref: 'x', spec: 'x', task: 'x', attempt: '1', fence: '1' });
  if (BRANCH_PATTERN.test(sample)) return undefined;
  return `must be the name of a branch, of letters, digits, ., _, / and -, not ${JSON.stringify(push)}`;
}

function isPushField(name: string): name is (typeof PUSH_FIELDS)[number] {
  return (PUSH_FIELDS as readonly string[]).includes(name);
}

function isText(value: Text | WorkspaceFile): value is Text {
  return typeof value === 'string' || isTemplate(value);
}

function rendered(options: Readonly<Record<string, Text>>, values: InstanceValues): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, render(value, values)]));
}
