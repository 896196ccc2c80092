/** `plugin install`, `plugin remove`, `plugin list --installed`: on the data directory of this host, with a daemon or without. */
import { resolve } from 'node:path';
import { BoiError } from '@boi/core/errors';
import type { PluginFile } from '@boi/node';
import type { Args } from '../args.ts';
import { asFailure, reportFailure } from '../fail.ts';
import { presentList, presentOne } from '../output/present.ts';
import type { Column } from '../output/table.ts';
import type { Session } from '../session.ts';
import { readDaemonConfig } from './daemon-config.ts';

const NEXT_START = 'it takes effect when the daemon is started again';

/** Without the values of its environment, which may be secret. */
interface Installed {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  readonly kind?: string;
  readonly tier?: string;
  readonly command?: readonly string[];
  readonly workdir?: string;
  readonly variables?: readonly string[];
  readonly events?: readonly string[];
  /** What is wrong with the file: the daemon does not start with it. */
  readonly error?: string;
}

const COLUMNS: readonly Column<Installed>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'KIND', cell: ({ kind = '' }) => kind },
  { title: 'TIER', cell: ({ tier = '' }) => tier },
  { title: 'COMMAND', cell: ({ command = [] }) => command.join(' '), widthMax: 80 },
  { title: 'FILE', cell: ({ file }) => file, wide: true },
  { title: 'VARIABLES', cell: ({ variables = [] }) => variables.join(','), wide: true },
  { title: 'WRONG', cell: ({ error = '' }) => error, widthMax: 120 },
];

export async function installPlugin(session: Session, args: Args): Promise<number> {
  const kind = args.text('kind');
  const [program, ...rest] = args.rest;
  if (kind === undefined)
    throw new BoiError('bad-request', 'say by --kind what the plugin does, for instance --kind hooks');
  if (program === undefined)
    throw new BoiError('bad-request', 'say after `--` what to run, for instance `-- python3 my_plugin.py`');
  const { config } = await readDaemonConfig(session, args);
  const events = args.texts('events').flatMap((text) => text.split(',').map((one) => one.trim()));
  const tier = args.text('tier');
  const readyTimeoutMs = args.number('ready-timeout');
  const workdir = args.text('workdir');
  const env = args.pairs('set');
  const node = await import('@boi/node');
  const options = {
    dataDir: config['data-dir'],
    name: args.one('name'),
    replace: args.switch('replace'),
    settings: {
      kind,
      command: program.includes('/') ? resolve(program) : program,
      ...(rest.length === 0 ? {} : { args: rest }),
      ...(Object.keys(env).length === 0 ? {} : { env }),
      // The daemon may run in another directory: what is tried here is what it runs.
      workdir: resolve(workdir ?? '.'),
      ...(tier === undefined ? {} : { tier }),
      ...(events.length === 0 ? {} : { events }),
      ...(readyTimeoutMs === undefined ? {} : { readyTimeoutMs }),
    },
  };
  let installed: Awaited<ReturnType<typeof node.installPlugin>>;
  try {
    installed = await node.installPlugin(options);
  } catch (error) {
    if (asFailure(error)?.code !== 'plugin-failed') throw error;
    // Exit 3, as of a node's plugin, would say that a cluster could not be reached: none was asked.
    reportFailure(error, session.io);
    return 1;
  }
  const { name, version, minor, capabilities } = installed.introduction;
  const answer = { name: args.one('name'), file: installed.path, program: name, version, minor, capabilities };
  await presentOne(session, answer, answer.name, () => `${answer.name}\n`);
  session.note(`${name} ${version} answered and is in ${installed.path}; ${NEXT_START}`);
  return 0;
}

export async function removePlugin(session: Session, args: Args): Promise<number> {
  const { config } = await readDaemonConfig(session, args);
  const { removePlugin: remove } = await import('@boi/node');
  const name = args.one('name');
  const file = await remove(config['data-dir'], name);
  await presentOne(session, { name, file }, name, () => `${name}\n`);
  session.note(`removed ${file}; ${NEXT_START}`);
  return 0;
}

export async function listInstalledPlugins(session: Session, args: Args): Promise<number> {
  const { config } = await readDaemonConfig(session, args);
  const { listPluginFiles } = await import('@boi/node');
  const files = (await listPluginFiles(config['data-dir'])).map(shown);
  await presentList(session, files, COLUMNS, `no plugins in ${config['data-dir']}`);
  const wrong = files.filter(({ error }) => error !== undefined).length;
  if (wrong > 0)
    session.note(`${wrong} of ${files.length} files are wrong: a daemon on ${config['data-dir']} does not start`);
  return wrong > 0 ? 1 : 0;
}

function shown({ name, path: file, config, problem }: PluginFile): Installed {
  const known = { id: name, name, file };
  if (config === undefined) return { ...known, ...(problem === undefined ? {} : { error: problem.message }) };
  const { kind, command, args = [], env = {}, workdir, tier = 'best_effort', events } = config;
  return {
    ...known,
    kind,
    command: [command, ...args],
    ...(kind === 'hooks' ? { tier } : {}),
    ...(workdir === undefined ? {} : { workdir }),
    ...(Object.keys(env).length === 0 ? {} : { variables: Object.keys(env).sort() }),
    ...(events === undefined ? {} : { events }),
  };
}
