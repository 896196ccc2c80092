/**
 * Putting plugins into a data directory and taking them out, while its daemon runs or not: it reads the files when it starts.
 * Nothing is installed that has not been started here once and answered the handshake, so that what is wrong is told to who
 * installs it and not to a log at night.
 */
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoiError, IdMinter } from '@boi/core';
import {
  MemoryCrashLog,
  type PluginConfig,
  PluginError,
  type PluginIntroduction,
  PluginSupervisor,
} from '@boi/plugin-host';
import { syncDirectory, systemClock, systemRandom } from '@boi/system';
import { VERSION } from '../version.ts';
import { checkPlugin, pluginFile, pluginsDirectory, readPluginFiles, writePluginFile } from './plugin-file.ts';

export interface InstallOptions {
  readonly dataDir: string;
  readonly name: string;
  /** As in the file; checked here. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Write over a plugin of that name. */
  readonly replace: boolean;
}

export interface Installed {
  readonly path: string;
  readonly config: PluginConfig;
  readonly introduction: PluginIntroduction;
}

/** Of what it wrote, what is told when it does not answer. */
const LINES_TOLD = 5;

/** Throws `config-invalid` with every field that is wrong, `conflict` if the name is taken, `plugin-failed` if it does not answer; nothing is written then. */
export async function installPlugin({ dataDir, name, settings, replace }: InstallOptions): Promise<Installed> {
  const config = checkPlugin(name, settings);
  const path = pluginFile(dataDir, name);
  if (!replace && (await isThere(path)))
    throw new BoiError('conflict', `${path} is there already; --replace writes over it`, { details: { plugin: name } });
  const introduction = await tryPlugin(config);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  return { path: await writePluginFile(dataDir, config), config, introduction };
}

/** Throws `not-found`. */
export async function removePlugin(dataDir: string, name: string): Promise<string> {
  const path = pluginFile(dataDir, name);
  // Also a file that is wrong can be taken out, but nothing that is no plugin's.
  if (!/^[^/\0]+$/.test(name) || !(await isThere(path))) {
    const known = await readPluginFiles(dataDir).catch(() => []);
    const list = known.length === 0 ? 'it has none' : `it has ${known.map((one) => one.name).join(', ')}`;
    throw new BoiError('not-found', `${dataDir} has no plugin ${JSON.stringify(name)}: ${list}`);
  }
  await rm(path);
  await syncDirectory(pluginsDirectory(dataDir));
  return path;
}

/** Starts it, shakes hands, stops it. */
async function tryPlugin(config: PluginConfig): Promise<PluginIntroduction> {
  const directory = await mkdtemp(join(tmpdir(), 'boi-try-'));
  const lines: string[] = [];
  const supervisor = new PluginSupervisor(config, {
    clock: systemClock,
    random: systemRandom,
    nodeId: new IdMinter(systemClock, systemRandom).mint('node'),
    hostVersion: VERSION,
    runtimeDir: directory,
    crashLog: new MemoryCrashLog(),
    observer: {
      status: () => undefined,
      line: (_plugin, _stream, text) => {
        lines.push(text);
        if (lines.length > LINES_TOLD) lines.shift();
      },
      crashed: () => undefined,
      problem: () => undefined,
    },
  });
  try {
    await supervisor.start();
    while (['stopped', 'starting'].includes(supervisor.status.state)) await supervisor.changed();
    const { introduction, error } = supervisor.status;
    if (introduction !== undefined) return introduction;
    const said = lines.length === 0 ? '' : `; it wrote:\n${lines.join('\n')}`;
    const { message, details } = error ?? new PluginError(config.name, 'unavailable');
    throw new BoiError('plugin-failed', `${message}${said}`, {
      details,
      ...(error === undefined ? {} : { cause: error }),
    });
  } finally {
    await supervisor.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
