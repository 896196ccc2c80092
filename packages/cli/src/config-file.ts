/**
 * The command's own file: contexts and settings. `$BOI_CONFIG_DIR/config.json`, else `$XDG_CONFIG_HOME/boi/config.json`, else
 * `~/.config/boi/config.json`; mode 0600. Credentials of contexts are files of their own beside it (`credential-file.ts`).
 *
 * Writes are atomic (temporary file, flush, rename) and made by {@link updateConfig} under a lock file, so two commands at
 * once leave one whole file with both changes. Unknown keys and ill-formed values are errors that name the key.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { BoiError, type Issue } from '@boi/core/errors';
import { didYouMean } from '@boi/core/spec/suggest';
import { lockConfig } from './config-lock.ts';
import { type Bundle, removeUnnamed, writeBundle, writeWhole } from './credential-file.ts';

export interface Context {
  readonly endpoints: readonly string[];
  /** Project used when none is given. */
  readonly project?: string;
  /** File of its credentials, relative to the configuration's directory; or the identity directory of a node, absolute. */
  readonly credentials?: string;
}

export interface ConfigFile {
  readonly current?: string;
  readonly contexts: Readonly<Record<string, Context>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

type Env = Readonly<Record<string, string | undefined>>;

export function configPath(env: Env): string {
  const { BOI_CONFIG_DIR: own, XDG_CONFIG_HOME: xdg, HOME: home } = env;
  const directory = own || (xdg ? join(xdg, 'boi') : join(home || homedir(), '.config', 'boi'));
  return join(directory, 'config.json');
}

/** The file, or an empty configuration if there is none. Throws `config-invalid`. */
export async function readConfig(env: Env): Promise<ConfigFile> {
  const path = configPath(env);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { contexts: {}, settings: {} };
    throw new BoiError('config-invalid', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BoiError('config-invalid', `${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  return checkConfig(path, value);
}

/** Keeps the credentials of a context; answers what the context names them by. */
export type KeepBundle = (context: string, bundle: Bundle) => Promise<string>;

/** Reads, changes and writes the file under a lock. Credentials that no context names afterwards are removed. */
export async function updateConfig(
  env: Env,
  change: (config: ConfigFile, keep: KeepBundle) => ConfigFile | Promise<ConfigFile>,
): Promise<ConfigFile> {
  const path = configPath(env);
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockConfig(`${path}.lock`);
  try {
    const keep: KeepBundle = (context, bundle) => writeBundle(directory, context, bundle);
    const changed = await change(await readConfig(env), keep);
    await writeWhole(path, `${JSON.stringify(changed, null, 2)}\n`);
    const named = Object.values(changed.contexts).flatMap(({ credentials }) => credentials ?? []);
    await removeUnnamed(directory, new Set(named));
    return changed;
  } finally {
    await unlock();
  }
}

const TOP_KEYS = ['current', 'contexts', 'settings'];
const CONTEXT_KEYS = ['endpoints', 'project', 'credentials'];

function checkConfig(path: string, value: unknown): ConfigFile {
  const issues: Issue[] = [];
  const report = (pointer: string, message: string) => issues.push({ path: pointer, message: `${path}: ${message}` });
  const known = (at: string, found: object, keys: readonly string[]) => {
    for (const key of Object.keys(found)) {
      if (!keys.includes(key))
        report(`${at}/${key}`, `there is no key "${key}" at ${at || '/'}${didYouMean(key, keys)}`);
    }
  };
  const root = isMap(value) ? value : {};
  if (!isMap(value)) report('', 'must be a JSON object');
  known('', root, TOP_KEYS);
  if (root.current !== undefined && typeof root.current !== 'string') report('/current', '"current" must be a name');
  if (root.settings !== undefined && !isMap(root.settings)) report('/settings', '"settings" must be an object');
  if (root.contexts !== undefined && !isMap(root.contexts)) report('/contexts', '"contexts" must be an object');
  for (const [name, context] of Object.entries(isMap(root.contexts) ? root.contexts : {})) {
    const at = `/contexts/${name}`;
    if (!isMap(context)) {
      report(at, `context "${name}" must be an object`);
      continue;
    }
    known(at, context, CONTEXT_KEYS);
    const { endpoints, project, credentials } = context;
    if (!Array.isArray(endpoints) || endpoints.length === 0 || !endpoints.every((e) => typeof e === 'string')) {
      report(`${at}/endpoints`, `context "${name}": "endpoints" must be a list of URLs`);
    }
    if (project !== undefined && typeof project !== 'string') {
      report(`${at}/project`, `context "${name}": "project" must be a name or id`);
    }
    if (credentials !== undefined && typeof credentials !== 'string') {
      report(`${at}/credentials`, `context "${name}": "credentials" must be a path`);
    }
  }
  if (issues.length > 0) throw new BoiError('config-invalid', 'the configuration file has errors', { issues });
  return { contexts: {}, settings: {}, ...root };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
