/** The secrets that this command can know of: they are read only to be taken out of a bug report wherever they stand. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configPath } from '../config-file.ts';
import type { Io } from '../io.ts';

/** What the environment says of the place and the user, not of what is secret; kept readable in logs. */
const PLAIN = /^(PATH|HOME|PWD|OLDPWD|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TERM|TMPDIR|HOSTNAME|EDITOR|SHLVL|_)$/;
/** Settings of the command and of the daemon whose values are addresses, names and limits. */
const PLAIN_BOI =
  /^BOI_(CONFIG_DIR|CONTEXT|ENDPOINTS|PROJECT|FORMAT|COLOR|REQUEST_TIMEOUT|DATA_DIR|NAME|ETCD|PREFIX|LISTEN|ADVERTISE|LABEL|SLOTS|SESSION_TTL|SHUTDOWN_DRAIN|LOG_\w+|SECRETS_FILE)$/;
/** Of a credential file what is secret; its addresses and ids are not. */
const CREDENTIAL = /key|secret|token/i;
const FILE_BYTES_MAX = 2 ** 20;

export async function knownSecrets(env: Io['env']): Promise<string[]> {
  const found: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !PLAIN.test(name) && !PLAIN_BOI.test(name)) found.push(value);
  }
  if (env.BOI_SECRETS_FILE) found.push(...textsOf(await read(env.BOI_SECRETS_FILE)));
  for (const path of await filesIn(join(dirname(configPath(env)), 'credentials'))) {
    found.push(...textsOf(await read(path), CREDENTIAL));
  }
  return found;
}

/** The texts of a JSON file, of these fields only if given; or the file itself. */
function textsOf(text: string, fields?: RegExp): string[] {
  try {
    return leaves(JSON.parse(text), fields);
  } catch {
    return [text];
  }
}

function leaves(value: unknown, fields?: RegExp): string[] {
  if (typeof value === 'string') return fields === undefined ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => leaves(item, fields?.test(key) ? undefined : fields));
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function read(path: string): Promise<string> {
  try {
    return (await stat(path)).size > FILE_BYTES_MAX ? '' : await readFile(path, 'utf8');
  } catch {
    return '';
  }
}
