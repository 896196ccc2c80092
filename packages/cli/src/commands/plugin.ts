/** `plugin list`, `plugin show`, `plugin restart`, `plugin logs`: of any node, through the API. */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { PluginView } from '@boi/core';
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import { untilDetached } from '../follow/detach.ts';
import { write } from '../io.ts';
import { paintState } from '../output/paint.ts';
import { presentList, presentOne } from '../output/present.ts';
import { type Column, renderFields } from '../output/table.ts';
import { absolute, relative } from '../output/time.ts';
import { forTerminal } from '../output/width.ts';
import type { Session } from '../session.ts';

/** Between looks at a plugin that is being started. */
const LOOK_MS = 200;

const nodeOf = (args: Args) => args.text('node') ?? 'local';

export async function listPlugins(session: Session, args: Args): Promise<number> {
  if (args.switch('installed')) {
    if (args.text('node') !== undefined)
      throw new BoiError('bad-request', '--installed is about files of this host: leave it away to ask a node');
    return (await import('./plugin-install.ts')).listInstalledPlugins(session, args);
  }
  for (const name of ['data-dir', 'config']) {
    if (args.given().has(name))
      throw new BoiError('bad-request', `--${name} says where --installed looks; a running node is asked by --node`);
  }
  const { items } = await session.client.call('plugin.list', { params: { nod: nodeOf(args) } });
  await presentList(session, items, columns(session.io.now), 'no plugins');
  return 0;
}

function columns(now: () => number): Column<PluginView>[] {
  return [
    { title: 'NAME', cell: (p) => p.name },
    { title: 'KIND', cell: (p) => p.kind },
    { title: 'STATE', cell: (p) => p.state, paint: paintState },
    { title: 'SINCE', cell: (p) => relative(p.since, now()) },
    { title: 'CRASHES', cell: (p) => String(p.crashes), align: 'right' },
    { title: 'PROGRAM', cell: programText },
    { title: 'CAPABILITIES', cell: (p) => (p.capabilities ?? []).join(','), wide: true },
    { title: 'COMMAND', cell: (p) => p.command.join(' '), wide: true, widthMax: 80 },
    { title: 'WHY', cell: (p) => p.error ?? '', wide: true, widthMax: 80 },
  ];
}

function programText({ program, version }: PluginView): string {
  return program === undefined ? '' : `${program} ${version ?? ''}`.trim();
}

export async function showPlugin(session: Session, args: Args): Promise<number> {
  const params = { nod: nodeOf(args), plg: args.one('name') };
  await present(session, await session.client.call('plugin.show', { params }));
  return 0;
}

async function present(session: Session, plugin: PluginView): Promise<void> {
  await presentOne(session, plugin, plugin.id, () => renderFields(fields(session, plugin), session.out));
}

function fields(session: Session, plugin: PluginView): [string, string | undefined][] {
  return [
    ['Plugin', plugin.name],
    ['Node', plugin.node],
    ['Kind', plugin.kind],
    ['State', paintState(session.out, plugin.state)],
    ['Since', absolute(plugin.since, session.io.now())],
    ['Why', plugin.error],
    ['Crashes', `${plugin.crashes} within five minutes`],
    ['Process', plugin.pid === undefined ? undefined : String(plugin.pid)],
    ['Command', plugin.command.join(' ')],
    ['Program', plugin.program === undefined ? undefined : programText(plugin)],
    ['Contract', plugin.minor === undefined ? undefined : `minor ${plugin.minor}`],
    ['Capabilities', plugin.capabilities === undefined ? undefined : plugin.capabilities.join(', ') || 'none'],
    ['Tier', plugin.tier],
    ['Events', plugin.events?.join('\n')],
  ];
}

export async function restartPlugin(session: Session, args: Args): Promise<number> {
  const params = { nod: nodeOf(args), plg: args.one('name') };
  let plugin = await session.client.call('plugin.restart', { params, body: {} });
  // It ends: a plugin that does not become ready in time is in another state then.
  while (plugin.state === 'starting' || plugin.state === 'stopped') {
    await delay(LOOK_MS);
    plugin = await session.client.call('plugin.show', { params });
  }
  await present(session, plugin);
  return plugin.state === 'ready' ? 0 : 1;
}

export async function printPluginLog(session: Session, args: Args): Promise<number> {
  const params = { nod: nodeOf(args), plg: args.one('name') };
  const tailBytes = args.number('tail-bytes');
  const query = {
    ...(tailBytes === undefined ? {} : { tailBytes }),
    ...(args.switch('follow') ? { follow: true } : {}),
  };
  return untilDetached(
    session,
    () => 'detached; the plugin goes on',
    async (signal) => {
      const { body } = await session.client.open('plugin.log', { params, query, signal });
      const isTerminal = session.io.stdout.isTTY === true;
      for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY }))
        await write(session.io.stdout, `${isTerminal ? forTerminal(line) : line}\n`);
      return 0;
    },
  );
}
