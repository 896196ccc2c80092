/** The daemon's configuration from flags, environment and the file of `--config`, read by the daemon's own rules. */
import { readFile } from 'node:fs/promises';
import { BoiError } from '@boi/core/errors';
import { resolveDaemonConfig, SETTING_NAMES } from '@boi/node/config';
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';

export async function readDaemonConfig(session: Session, args: Args) {
  const path = args.text('config') ?? session.io.env.BOI_CONFIG;
  const flags: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const value = args.given().get(name);
    if (value !== undefined) flags[name] = value;
  }
  return resolveDaemonConfig({
    flags,
    env: session.io.env,
    ...(path === undefined || path === '' ? {} : { file: { path, values: await readValues(path) } }),
  });
}

async function readValues(path: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new BoiError('config-invalid', `${path}: ${(cause as Error).message}`, { cause });
  }
  const { parseDocument } = await import('../yaml.ts');
  // JSON is YAML, so one reader does for both.
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) throw new BoiError('config-invalid', `${path}: ${error.message}`);
  const value: unknown = document.toJS({ maxAliasCount: 10 }) ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new BoiError('config-invalid', `${path}: must be a map of settings, such as \`slots: 8\``);
  }
  return value as Readonly<Record<string, unknown>>;
}
