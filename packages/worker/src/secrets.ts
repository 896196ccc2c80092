/**
 * Where a task's `secrets:` come from: a JSON file on the node (an object of names and values, mode 0600 or stricter), then
 * the daemon's environment as `BOI_SECRET_<name>`. Read when a task needs one, so that a changed file needs no restart.
 * Values never stand in an error.
 */
import { readJsonFile } from '@boi/system';
import { Type } from 'typebox';

const SecretsFile = Type.Record(Type.String(), Type.String());
const ENV_PREFIX = 'BOI_SECRET_';

export interface SecretsOptions {
  /** Path of the file. Absent: environment only. */
  readonly file?: string;
  /** The daemon's environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class Secrets {
  readonly #options: SecretsOptions;

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /** Values by name. Throws an error that names every secret this node does not have, or what is wrong with the file. */
  async resolve(names: readonly string[]): Promise<Readonly<Record<string, string>>> {
    if (names.length === 0) return {};
    const { file, env } = this.#options;
    const stored = file === undefined ? {} : ((await readJsonFile(file, SecretsFile, { modeMax: 0o600 })) ?? {});
    const found: Record<string, string> = {};
    const missing: string[] = [];
    for (const name of names) {
      const value = Object.hasOwn(stored, name) ? stored[name] : env[`${ENV_PREFIX}${name}`];
      if (value === undefined) missing.push(name);
      else found[name] = value;
    }
    if (missing.length > 0) {
      const places = `${file === undefined ? 'no secrets file is set' : `not in ${file}`}, nor as ${ENV_PREFIX}<name>`;
      throw new Error(`this node has no secret ${missing.map((m) => `\`${m}\``).join(', ')} (${places})`);
    }
    return found;
  }
}
