/**
 * The daemon's settings (`daemon-settings.ts`), read. Precedence: flag, environment, file, default; `resolveDaemonConfig` says
 * for each where its value came from. Anything unknown or malformed is an issue that names the setting, all of them at once,
 * and nothing starts.
 */
import { BoiError, type Issue } from '@boi/core/errors';
import { didYouMean } from '@boi/core/spec/suggest';
import { DAEMON_SETTINGS, SETTING_NAMES, type Setting, type SettingName } from './daemon-settings.ts';

export { DAEMON_SETTINGS, SETTING_NAMES, type Setting, type SettingName };

type ValueOf<S extends Setting> = S['type'] extends 'integer' | 'duration' | 'bytes'
  ? number
  : S['type'] extends 'boolean'
    ? boolean
    : S['type'] extends 'list'
      ? readonly string[]
      : S['type'] extends 'map'
        ? Readonly<Record<string, string>>
        : S['type'] extends 'listen'
          ? ListenAddress
          : string;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export type DaemonConfig = {
  readonly [K in SettingName]: (typeof DAEMON_SETTINGS)[K] extends { default: string }
    ? ValueOf<(typeof DAEMON_SETTINGS)[K]>
    : ValueOf<(typeof DAEMON_SETTINGS)[K]> | undefined;
};

export type Source = 'flag' | 'environment' | 'file' | 'default';
export interface Provenance {
  readonly name: SettingName;
  readonly value: unknown;
  readonly source: Source;
  /** The flag, variable or file it came from. */
  readonly from?: string;
}

/** Values as people write them: text, or what a parsed file holds. */
export interface ConfigInput {
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly file?: { readonly path: string; readonly values: Readonly<Record<string, unknown>> };
}

export const envName = (name: SettingName) => `BOI_${name.toUpperCase().replaceAll('-', '_')}`;

/** Throws `config-invalid` with every issue. */
export function resolveDaemonConfig(input: ConfigInput): { config: DaemonConfig; provenance: readonly Provenance[] } {
  const issues: Issue[] = [];
  for (const key of Object.keys(input.file?.values ?? {})) {
    if (!Object.hasOwn(DAEMON_SETTINGS, key)) {
      issues.push({
        path: `/${key}`,
        message: `${input.file?.path}: there is no setting \`${key}\`${didYouMean(key, SETTING_NAMES)}`,
      });
    }
  }
  const provenance: Provenance[] = [];
  const config: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const candidates: [Source, unknown, string | undefined][] = [
      ['flag', input.flags?.[name], `--${name}`],
      ['environment', input.env?.[envName(name)], envName(name)],
      ['file', input.file?.values[name], input.file?.path],
      ['default', (DAEMON_SETTINGS[name] as Setting).default, undefined],
    ];
    const found = candidates.find(([, value]) => value !== undefined && value !== '');
    if (found === undefined) continue;
    const [source, raw, from] = found;
    const parsed = parseSetting(name, raw);
    if ('problem' in parsed) {
      issues.push({
        path: `/${name}`,
        message: `${source === 'file' ? `${from}: \`${name}\`` : from}: ${parsed.problem}; for instance ${DAEMON_SETTINGS[name].example}`,
      });
      continue;
    }
    config[name] = parsed.value;
    provenance.push({ name, value: parsed.value, source, ...(from === undefined ? {} : { from }) });
  }
  if (issues.length > 0) {
    throw new BoiError('config-invalid', "the daemon's configuration has errors", { issues });
  }
  return { config: config as unknown as DaemonConfig, provenance };
}

type Parsed = { value: unknown } | { problem: string };

function parseSetting(name: SettingName, raw: unknown): Parsed {
  const s: Setting = DAEMON_SETTINGS[name];
  // Not for texts: a name with blanks round it must be refused, not mended.
  const text = typeof raw === 'string' && s.type !== 'string' ? raw.trim() : raw;
  switch (s.type) {
    case 'string':
      return typeof text === 'string' ? { value: text } : { problem: 'must be text' };
    case 'choice':
      return s.choices?.includes(String(text))
        ? { value: text }
        : { problem: `must be one of ${s.choices?.join(', ')}, not ${JSON.stringify(raw)}` };
    case 'boolean':
      if (text === true || text === 'true' || text === '1') return { value: true };
      if (text === false || text === 'false' || text === '0') return { value: false };
      return { problem: `must be true or false, not ${JSON.stringify(raw)}` };
    case 'integer':
      return bounded(
        s,
        typeof text === 'number' ? text : /^\d+$/.test(String(text)) ? Number(text) : Number.NaN,
        'a whole number',
      );
    case 'duration':
      return bounded(
        s,
        typeof text === 'number' ? text * 1000 : durationMs(String(text)),
        'a duration such as 30s, 5m, 1h30m or 250ms',
      );
    case 'bytes':
      return bounded(
        s,
        typeof text === 'number' ? text : sizeBytes(String(text)),
        'a size such as 512KiB, 100MiB or 1GiB',
      );
    case 'list': {
      // A flag comes as a list of what each of its uses said, and each may hold several.
      const items = (Array.isArray(text) ? text : [text])
        .flatMap((x) => String(x).split(','))
        .map((x) => x.trim())
        .filter((x) => x !== '');
      return items.length > 0 ? { value: items } : { problem: 'must have at least one item' };
    }
    case 'map':
      return parseMap(text);
    case 'listen':
      return parseListen(String(text));
  }
}

function bounded(s: Setting, value: number, form: string): Parsed {
  if (!Number.isSafeInteger(value)) return { problem: `must be ${form}` };
  if (value < (s.min ?? 0) || value > (s.max ?? Number.MAX_SAFE_INTEGER)) {
    const unit = s.type === 'duration' ? ' ms' : s.type === 'bytes' ? ' bytes' : '';
    return { problem: `must lie between ${s.min} and ${s.max}${unit}` };
  }
  return { value };
}

const DURATION_UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** NaN when malformed. */
function durationMs(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return Number.NaN;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (DURATION_UNITS_MS[unit as string] as number);
  }
  return Math.round(total);
}

const SIZE_UNITS: Record<string, number> = {
  '': 1,
  b: 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
};

function sizeBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text);
  const unit = SIZE_UNITS[(match?.[2] ?? '').toLowerCase()];
  return match === null || unit === undefined ? Number.NaN : Math.round(Number(match[1]) * unit);
}

const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;

function parseMap(raw: unknown): Parsed {
  const value: Record<string, string> = Object.create(null);
  const pairs: [string, string][] = [];
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) {
    for (const [k, v] of Object.entries(raw)) {
      if (typeof v === 'object') return { problem: `\`${k}\` must be a text, a number, true or false` };
      pairs.push([k, String(v)]);
    }
  } else {
    const items: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
    if (items.some((item) => typeof item === 'object')) return { problem: 'must be key=value' };
    for (const item of items.flatMap((x) => String(x).split(','))) {
      if (item.trim() === '') continue;
      const eq = item.indexOf('=');
      if (eq < 1) return { problem: `\`${item}\` is not key=value` };
      pairs.push([item.slice(0, eq).trim(), item.slice(eq + 1).trim()]);
    }
  }
  for (const [k, v] of pairs) {
    if (!LABEL_KEY.test(k)) return { problem: `\`${k}\` cannot be a label: letters, digits, . _ / -, at most 63` };
    if (v.length > 256) return { problem: `the value of \`${k}\` is longer than 256 characters` };
    value[k] = v;
  }
  return { value: { ...value } };
}

function parseListen(text: string): Parsed {
  const match = /^(?:(\[[0-9a-f:]+\]|[^:[\]]+):)?(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) return { problem: 'must be ADDRESS:PORT' };
  return { value: { host: (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port } satisfies ListenAddress };
}
