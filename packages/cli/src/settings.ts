/**
 * The settings of the command itself, as one table. Each has one name in three spellings: flag `--request-timeout`, variable
 * `BOI_REQUEST_TIMEOUT`, key `request-timeout` under `settings` in the config file. Precedence: flag, variable, file, default.
 * The daemon's own settings (`join`) are in @boi/node and follow the same rule.
 *
 * The output format is called `format`, not `output`, since `BOI_OUTPUT` is where a task writes its outputs.
 */
import { BoiError, type Issue } from '@boi/core/errors';
import { didYouMean } from '@boi/core/spec/suggest';
import type { FlagValue } from './args.ts';
import type { Flag } from './command.ts';
import { readFlag } from './flag-values.ts';

export const SETTINGS = [
  {
    name: 'context',
    kind: 'text',
    value: 'NAME',
    summary: 'Cluster to talk to, by the name given to `context add`. Default: the one chosen by `context use`.',
    completes: 'context',
  },
  {
    name: 'endpoints',
    kind: 'text',
    value: 'URL[,URL]',
    summary: 'Addresses of the API of one cluster, instead of a context. The next is tried when one cannot be reached.',
  },
  {
    name: 'project',
    short: 'p',
    kind: 'text',
    value: 'PROJECT',
    summary: "Project, by name or id. Default: the context's, else the cluster's default project.",
  },
  {
    name: 'format',
    short: 'o',
    kind: 'choice',
    choices: ['table', 'wide', 'json', 'yaml', 'name'],
    default: 'table',
    summary: 'How results are written: for people, for people with more columns, for programs, or ids alone.',
  },
  {
    name: 'color',
    kind: 'choice',
    choices: ['auto', 'always', 'never'],
    default: 'auto',
    summary: 'Colour and animation. auto: on a terminal, unless NO_COLOR is set.',
  },
  {
    name: 'request-timeout',
    kind: 'duration',
    default: '30s',
    min: 100,
    max: 3_600_000,
    summary: 'Longest wait for one answer of one address.',
  },
] as const satisfies readonly Flag[];

export type SettingName = (typeof SETTINGS)[number]['name'];
export const SETTING_NAMES: readonly SettingName[] = SETTINGS.map((s) => s.name);

export type Source = 'flag' | 'environment' | 'file' | 'context' | 'default';

export interface Setting {
  readonly name: SettingName;
  readonly value: FlagValue | undefined;
  readonly source: Source;
  /** The flag, variable or file. */
  readonly from?: string;
}

export const variableOf = (name: string): string => `BOI_${name.toUpperCase().replaceAll('-', '_')}`;

export interface SettingInputs {
  readonly flags: ReadonlyMap<string, FlagValue>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: { readonly path: string; readonly values: Readonly<Record<string, unknown>> };
}

/** Every setting with where its value came from. Throws `config-invalid` with all that is wrong. */
export function resolveSettings(inputs: SettingInputs): ReadonlyMap<SettingName, Setting> {
  const issues: Issue[] = [];
  for (const key of Object.keys(inputs.file.values)) {
    if (!SETTING_NAMES.some((name) => name === key)) {
      issues.push({
        path: `/settings/${key}`,
        message: `${inputs.file.path}: there is no setting "${key}"${didYouMean(key, SETTING_NAMES)}`,
      });
    }
  }
  const settings = new Map<SettingName, Setting>();
  for (const flag of SETTINGS) {
    const { name } = flag;
    const given = inputs.flags.get(name);
    if (given !== undefined) {
      settings.set(name, { name, value: given, source: 'flag', from: `--${name}` });
      continue;
    }
    const variable = inputs.env[variableOf(name)];
    const fromFile = inputs.file.values[name];
    const fallback = 'default' in flag ? flag.default : undefined;
    const [text, source, from] =
      variable !== undefined && variable !== ''
        ? ([variable, 'environment', variableOf(name)] as const)
        : fromFile !== undefined
          ? ([String(fromFile), 'file', inputs.file.path] as const)
          : ([fallback, 'default', undefined] as const);
    if (text === undefined) {
      settings.set(name, { name, value: undefined, source: 'default' });
      continue;
    }
    const reading = readFlag(flag, [text]);
    if (reading.ok) settings.set(name, { name, value: reading.value, source, ...(from === undefined ? {} : { from }) });
    else issues.push({ path: `/settings/${name}`, message: `${from ?? name}: ${name} ${reading.problem}` });
  }
  if (issues.length > 0) {
    throw new BoiError('config-invalid', 'the configuration has errors', { issues });
  }
  return settings;
}
