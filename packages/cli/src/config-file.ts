/**
 * The command's own file: contexts and settings. `$BOI_CONFIG_DIR/config.json`, else `$XDG_CONFIG_HOME/boi/config.json`, else
 * `~/.config/boi/config.json`; mode 0600, since contexts will hold credentials.
 *
 * Writes are atomic (temporary file, flush, rename) and made by {@link updateConfig} under a lock file, so two commands at
 * once leave one whole file with both changes. Unknown keys and ill-formed values are errors that name the key.
 */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BoiError, type Issue } from '@boi/core/errors';
import { didYouMean } from '@boi/core/spec/suggest';

export interface Context {
  readonly endpoints: readonly string[];
  /** Project used when none is given. */
  readonly project?: string;
}

export interface ConfigFile {
  readonly current?: string;
  readonly contexts: Readonly<Record<string, Context>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

type Env = Readonly<Record<string, string | undefined>>;

/** A lock older than this was left by a command that was killed. */
const LOCK_STALE_MS = 5_000;

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

/** Reads, changes and writes the file under a lock. */
export async function updateConfig(env: Env, change: (config: ConfigFile) => ConfigFile): Promise<ConfigFile> {
  const path = configPath(env);
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  const unlock = await lock(`${path}.lock`);
  try {
    const changed = change(await readConfig(env));
    const temporary = `${path}.${process.pid}.tmp`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(changed, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return changed;
  } finally {
    await unlock();
  }
}

async function lock(path: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await (await open(path, 'wx', 0o600)).close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new BoiError('config-invalid', `${path} cannot be written: ${(error as Error).message}`, {
          cause: error,
        });
      }
      const made = await stat(path).catch(() => undefined);
      if (made !== undefined && Date.now() - made.mtimeMs > LOCK_STALE_MS) await rm(path, { force: true });
      else await delay(20);
    }
  }
}

const TOP_KEYS = ['current', 'contexts', 'settings'];
const CONTEXT_KEYS = ['endpoints', 'project'];

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
    const { endpoints, project } = context;
    if (!Array.isArray(endpoints) || endpoints.length === 0 || !endpoints.every((e) => typeof e === 'string')) {
      report(`${at}/endpoints`, `context "${name}": "endpoints" must be a list of URLs`);
    }
    if (project !== undefined && typeof project !== 'string') {
      report(`${at}/project`, `context "${name}": "project" must be a name or id`);
    }
  }
  if (issues.length > 0) throw new BoiError('config-invalid', 'the configuration file has errors', { issues });
  return { contexts: {}, settings: {}, ...root };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
