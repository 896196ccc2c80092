/** `plugin install`, `plugin remove`: on the data directory of this host. */
import { resolve } from 'node:path';
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import { presentOne } from '../output/present.ts';
import type { Session } from '../session.ts';
import { readDaemonConfig } from './daemon-config.ts';

const NEXT_START = 'it takes effect when the daemon is started again';

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
  const installed = await node.installPlugin({
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
  });
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
