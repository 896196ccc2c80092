/**
 * `dev`: a cluster in this process. It becomes the current context `dev` while it runs; what was current before is current
 * again afterwards, unless somebody chose another one meanwhile.
 */

import { displayName } from '@boi/core/names';
import type { DevOptions } from '@boi/node';
import type { Args } from '../args.ts';
import { type ConfigFile, type Context, updateConfig } from '../config-file.ts';
import type { Session } from '../session.ts';
import { untilStopped } from './until-stopped.ts';

const CONTEXT = 'dev';

export async function startDev(session: Session, args: Args): Promise<number> {
  const [node, system] = await Promise.all([import('@boi/node'), import('@boi/system')]);
  system.boundHeapGrowth();
  const slots = args.number('slots');
  const dataDir = args.text('data-dir');
  const level = (args.text('log-level') ?? 'warn') as 'debug' | 'info' | 'warn' | 'error';
  return untilStopped(session, async (fatal) => {
    const options: DevOptions = {
      nodes: args.number('nodes') ?? 3,
      port: args.number('port') ?? 7440,
      store: (args.text('store') ?? 'memory') as DevOptions['store'],
      log: system.createLogger({ name: 'boi-dev', level }),
      onFatal: fatal,
      ...(slots === undefined ? {} : { slots }),
      ...(dataDir === undefined ? {} : { dataDir }),
      ...(args.switch('insecure') ? { insecure: true } : {}),
    };
    const cluster = await node.startDev(options);
    const endpoints = cluster.nodes.map((n) => n.address);
    const credentials = cluster.identityDir === undefined ? {} : { credentials: cluster.identityDir };
    const context: Context = { endpoints, ...credentials };
    const restore = args.switch('no-context') ? undefined : await becomeCurrent(session, context);
    for (const n of cluster.nodes) await session.print(`${n.address}  ${displayName(n.name, n.id)}\n`);
    const how =
      restore !== undefined
        ? 'the current context is dev'
        : cluster.identityDir === undefined
          ? `use --endpoints ${endpoints.join(',')}`
          : `use boi-node context add NAME ${endpoints.join(' ')} --identity ${cluster.identityDir}`;
    await session.print(`ready: ${cluster.nodes.length} nodes, ${how}; Ctrl-C stops it\n`);
    return async () => {
      await restore?.();
      await cluster.stop();
    };
  });
}

async function becomeCurrent(session: Session, context: Context): Promise<() => Promise<void>> {
  const { env } = session.io;
  let before: { readonly current: string | undefined; readonly dev: Context | undefined } | undefined;
  await updateConfig(env, (config) => {
    before = { current: config.current, dev: config.contexts[CONTEXT] };
    return { ...config, current: CONTEXT, contexts: { ...config.contexts, [CONTEXT]: context } };
  });
  return async () => {
    await updateConfig(env, (config) => restored(config, context.endpoints, before?.current, before?.dev));
  };
}

function restored(
  config: ConfigFile,
  endpoints: readonly string[],
  current: string | undefined,
  dev: Context | undefined,
): ConfigFile {
  // Another `dev` took the context over: it is that one's to give back.
  if (config.contexts[CONTEXT]?.endpoints.join() !== endpoints.join()) return config;
  const { [CONTEXT]: _gone, ...others } = config.contexts;
  const contexts = dev === undefined ? others : { ...others, [CONTEXT]: dev };
  if (config.current !== CONTEXT) return { ...config, contexts };
  const { current: _current, ...rest } = config;
  return { ...rest, contexts, ...(current !== undefined && Object.hasOwn(contexts, current) ? { current } : {}) };
}
