/**
 * The environment of a task. Of the daemon's own nothing but an allow-list; then, each over the one before: what a workspace
 * brings, outputs of the tasks it needs, the spec's `env`, secrets, and the `BOI_*` facts, which nobody can overwrite.
 *
 * An output `key` of a needed task `ref` is always there as `BOI_INPUT_<REF>_<key>` (the ref in capitals, anything but
 * letters and digits as `_`), and as plain `key` when exactly one need provides it, the task does not set it itself, and it
 * is neither a `BOI_` name nor on the allow-list: a dependency must not change where programs are looked up.
 */
import type { Assignment } from '@boi/core';

/** What programs expect of a login; a name that ends in `*` stands for all that begin so. */
export const ENV_ALLOWED: readonly string[] = [
  'PATH',
  'HOME',
  'LANG',
  'LANGUAGE',
  'LC_*',
  'TZ',
  'TMPDIR',
  'USER',
  'LOGNAME',
  'SHELL',
];

export interface EnvironmentInput {
  readonly assignment: Assignment;
  /** {@link allowedEnvironment} of the daemon. */
  readonly allowedEnv: Readonly<Record<string, string>>;
  readonly allowed: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
  readonly outputPath: string;
  /** Of a workspace that a plugin made; its names beginning with `BOI_` count like the node's own. */
  readonly workspaceEnv?: Readonly<Record<string, string>>;
  /** File that tells how its needs ended. */
  readonly needsPath?: string | undefined;
}

export function taskEnvironment(input: EnvironmentInput): Record<string, string> {
  const { assignment } = input;
  const env: Record<string, string> = { ...input.allowedEnv };
  Object.assign(env, input.workspaceEnv);
  addInputs(env, assignment.inputs, input.allowed);
  Object.assign(env, assignment.definition.env, input.secrets);
  return Object.assign(env, {
    BOI_TASK_ID: assignment.task,
    BOI_SPEC_ID: assignment.spec,
    BOI_PROJECT_ID: assignment.project,
    BOI_NODE_ID: assignment.node,
    BOI_TASK_REF: assignment.definition.ref,
    BOI_ATTEMPT: String(assignment.attempt),
    BOI_FENCE: assignment.fence,
    BOI_OUTPUT: input.outputPath,
    ...(input.needsPath === undefined ? {} : { BOI_NEEDS: input.needsPath }),
  });
}

/** What tasks see of the daemon's environment. Once per daemon: to list `process.env` costs as much as a small task. */
export function allowedEnvironment(
  daemonEnv: Readonly<Record<string, string | undefined>>,
  allowed: readonly string[],
): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(daemonEnv)) {
    if (value !== undefined && isAllowed(name, allowed)) env[name] = value;
  }
  return env;
}

function isAllowed(name: string, allowed: readonly string[]): boolean {
  return allowed.some((rule) => (rule.endsWith('*') ? name.startsWith(rule.slice(0, -1)) : name === rule));
}

function addInputs(env: Record<string, string>, inputs: Assignment['inputs'], allowed: readonly string[]): void {
  const providers = new Map<string, number>();
  for (const outputs of Object.values(inputs)) {
    for (const key of Object.keys(outputs)) providers.set(key, (providers.get(key) ?? 0) + 1);
  }
  for (const [ref, outputs] of Object.entries(inputs)) {
    const prefix = `BOI_INPUT_${ref.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_`;
    for (const [key, value] of Object.entries(outputs)) {
      env[prefix + key] = value;
      if (providers.get(key) === 1 && !key.startsWith('BOI_') && !isAllowed(key, allowed)) env[key] = value;
    }
  }
}
