/**
 * How an operator configures a plugin of a node: one file `plugins/<name>.json` in its data directory, written by
 * `boi-node plugin install` or by hand, read once when the daemon starts. The name of the file is the name of the plugin.
 * Mode 0600: `env` may hold what the plugin needs to speak to others.
 *
 * A wrong file is refused as a whole, with every field that is wrong and what would be right there; values never stand in
 * the message.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BoiError, type Issue } from '@boi/core';
import { didYouMean } from '@boi/core/spec/suggest';
import { checkPluginConfig, type PluginConfig } from '@boi/plugin-host';
import { readJsonFile, writeFileAtomic } from '@boi/system';
import Type from 'typebox';

/** What stands in the file: all but the name. */
export type PluginSettings = Omit<PluginConfig, 'name'>;

const isText = (value: unknown) => typeof value === 'string';
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
const isMap = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText);

/** Each field: whether a value has the right type, and what it must be. What it may say is checkPluginConfig's. */
const FIELDS: Readonly<Record<keyof PluginSettings, readonly [(value: unknown) => boolean, string]>> = {
  kind: [isText, 'the kind of plugin, for instance "hooks"'],
  command: [isText, 'the path of a program, or its name in PATH'],
  args: [isTexts, 'a list of texts, for instance ["--file", "/var/log/boi/events.jsonl"]'],
  env: [isMap, 'an object of names and texts, for instance {"HTTP_PROXY": "http://proxy:3128"}'],
  workdir: [isText, 'the path of a directory'],
  tier: [isText, '"best_effort" or "audit"'],
  events: [isTexts, 'a list of kinds of events, for instance ["task.completed", "task.failed"]'],
  readyTimeoutMs: [(value) => typeof value === 'number', 'a number of milliseconds, for instance 10000'],
};
const REQUIRED = ['kind', 'command'] as const;
const ENDING = '.json';

export const pluginsDirectory = (dataDir: string) => join(dataDir, 'plugins');
export const pluginFile = (dataDir: string, name: string) => join(pluginsDirectory(dataDir), `${name}${ENDING}`);

/** Every configured plugin, by name. Throws `config-invalid` with everything that is wrong in all files. */
export async function readPluginFiles(dataDir: string): Promise<PluginConfig[]> {
  const files = await listPluginFiles(dataDir);
  const wrong = files.flatMap(({ problem }) => problem ?? []);
  if (wrong.length > 0) {
    const issues = wrong.flatMap((error) => error.issues);
    throw new BoiError('config-invalid', wrong.map((error) => error.message).join('\n'), { issues });
  }
  return files.flatMap(({ config }) => config ?? []);
}

export interface PluginFile {
  readonly name: string;
  readonly path: string;
  /** What is wrong with it; else `config` is there. */
  readonly problem?: BoiError;
  readonly config?: PluginConfig;
}

/** Every file of a plugin, by name, also those that are wrong. Throws `config-invalid` if the directory cannot be read. */
export async function listPluginFiles(dataDir: string): Promise<PluginFile[]> {
  const directory = pluginsDirectory(dataDir);
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new BoiError('config-invalid', `${directory} cannot be read: ${error.message}`, { cause: error });
  });
  const found: PluginFile[] = [];
  for (const file of names.filter((name) => name.endsWith(ENDING)).sort()) {
    const name = file.slice(0, -ENDING.length);
    const path = pluginFile(dataDir, name);
    try {
      found.push({ name, path, config: await readPluginFile(dataDir, name) });
    } catch (error) {
      if (!(error instanceof BoiError)) throw error;
      found.push({ name, path, problem: error });
    }
  }
  return found;
}

async function readPluginFile(dataDir: string, name: string): Promise<PluginConfig> {
  const path = pluginFile(dataDir, name);
  const value = await readJsonFile(path, Type.Unknown());
  try {
    return checkPlugin(name, value);
  } catch (error) {
    if (!(error instanceof BoiError)) throw error;
    const list = error.issues.map(({ path: field, message }) => `${field} ${message}`).join('; ');
    throw new BoiError('config-invalid', `${path}: ${list}`, { issues: error.issues });
  }
}

/** The configuration that a file of that name stands for. Throws `config-invalid` with every field that is wrong. */
export function checkPlugin(name: string, value: unknown): PluginConfig {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(name, [{ path: '/', message: `must be an object with ${REQUIRED.join(' and ')}` }]);
  const issues: Issue[] = [];
  for (const [field, content] of Object.entries(value)) {
    const known = Object.hasOwn(FIELDS, field) ? FIELDS[field as keyof PluginSettings] : undefined;
    if (known === undefined)
      issues.push({ path: `/${field}`, message: `is no field of a plugin${didYouMean(field, Object.keys(FIELDS))}` });
    else if (!known[0](content)) issues.push({ path: `/${field}`, message: `must be ${known[1]}` });
  }
  for (const field of REQUIRED)
    if (!Object.hasOwn(value, field)) issues.push({ path: `/${field}`, message: `is missing: ${FIELDS[field][1]}` });
  if (issues.length > 0) throw invalid(name, issues);
  const config = { ...(value as PluginSettings), name };
  checkPluginConfig(config);
  return config;
}

/** Old or new, never half; whoever else may log in here cannot read it. */
export async function writePluginFile(dataDir: string, { name, ...settings }: PluginConfig): Promise<string> {
  await mkdir(pluginsDirectory(dataDir), { recursive: true, mode: 0o700 });
  const path = pluginFile(dataDir, name);
  await writeFileAtomic(path, `${JSON.stringify(settings, undefined, 2)}\n`, { mode: 0o600 });
  return path;
}

function invalid(name: string, issues: readonly Issue[]): BoiError {
  const list = issues.map(({ path, message }) => `${path} ${message}`).join('; ');
  return new BoiError('config-invalid', `plugin ${JSON.stringify(name)}: ${list}`, { issues });
}
