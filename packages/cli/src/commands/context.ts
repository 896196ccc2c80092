/** `context add|use|list|show|remove`: the clusters this user knows, in the config file. */
import { parseEndpoint } from '@boi/client';
import { BoiError } from '@boi/core/errors';
import { validateName } from '@boi/core/names';
import { didYouMean } from '@boi/core/spec/suggest';
import type { Args } from '../args.ts';
import { type ConfigFile, type Context, updateConfig } from '../config-file.ts';
import { presentOne, renderData } from '../output/present.ts';
import { renderFields, renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';

export async function addContext(session: Session, args: Args): Promise<number> {
  const name = args.one('name');
  const issue = validateName(name);
  if (issue !== undefined) throw new BoiError('invalid-name', `the name of a context ${issue.message}`);
  const endpoints = args.many('url').map((url) => parseEndpoint(url).origin);
  const context: Context = { endpoints, ...(session.projectAsked ? { project: session.project } : {}) };
  const keep = args.switch('keep-current');
  const changed = await updateConfig(session.io.env, (config) => ({
    ...config,
    contexts: { ...config.contexts, [name]: context },
    ...(keep ? {} : { current: name }),
  }));
  session.note(
    `context ${name} is ${endpoints.join(', ')}${changed.current === name ? '; it is the current one' : ''}`,
  );
  return 0;
}

export async function useContext(session: Session, args: Args): Promise<number> {
  const name = args.one('name');
  await updateConfig(session.io.env, (config) => {
    requireContext(config, name);
    return { ...config, current: name };
  });
  session.note(`commands now talk to ${name}`);
  return 0;
}

export async function listContexts(session: Session, _args: Args): Promise<number> {
  const { format } = session;
  const rows = Object.entries(session.config.contexts)
    .map(([name, context]) => ({ name, current: name === session.contextName, ...context }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, rows));
  else if (format === 'name') await session.print(rows.map((r) => `${r.name}\n`).join(''));
  else if (rows.length === 0)
    session.note('no contexts; `boi-node dev` makes one, or `boi-node context add NAME http://HOST:PORT`');
  else {
    const columns = [
      { title: 'CURRENT', cell: (r: (typeof rows)[number]) => (r.current ? '*' : ' ') },
      { title: 'NAME', cell: (r: (typeof rows)[number]) => r.name },
      { title: 'ENDPOINTS', cell: (r: (typeof rows)[number]) => r.endpoints.join(', ') },
      { title: 'PROJECT', cell: (r: (typeof rows)[number]) => r.project ?? '' },
    ];
    await session.print(renderTable(rows, columns, { wide: format === 'wide', paint: session.out }));
  }
  return 0;
}

export async function showContext(session: Session, args: Args): Promise<number> {
  const name = args.optional('name') ?? session.contextName;
  if (name === undefined) throw new BoiError('not-found', 'no context is current; see `boi-node context list`');
  const context = requireContext(session.config, name);
  await presentOne(session, { name, current: name === session.contextName, ...context }, name, () =>
    renderFields(
      [
        ['Context', name],
        ['Current', name === session.contextName ? 'yes' : 'no'],
        ['Endpoints', context.endpoints.join('\n')],
        ['Project', context.project],
      ],
      session.out,
    ),
  );
  return 0;
}

export async function removeContexts(session: Session, args: Args): Promise<number> {
  const names = args.many('name');
  await updateConfig(session.io.env, (config) => {
    for (const name of names) requireContext(config, name);
    const contexts = Object.fromEntries(Object.entries(config.contexts).filter(([name]) => !names.includes(name)));
    const { current, ...rest } = config;
    return { ...rest, contexts, ...(current === undefined || names.includes(current) ? {} : { current }) };
  });
  session.note(`forgotten: ${names.join(', ')}`);
  return 0;
}

function requireContext(config: ConfigFile, name: string): Context {
  const context = Object.hasOwn(config.contexts, name) ? config.contexts[name] : undefined;
  if (context !== undefined) return context;
  throw new BoiError('not-found', `there is no context "${name}"${didYouMean(name, Object.keys(config.contexts))}`);
}
