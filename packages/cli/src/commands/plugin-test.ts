/** `plugin test`: the conformance kit, as a checklist. */
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import { renderData } from '../output/present.ts';
import { forTerminal } from '../output/width.ts';
import type { Session } from '../session.ts';

type Kind = Parameters<typeof import('@boi/node')['runConformance']>[0]['plugin']['kind'];

export async function testPlugin(session: Session, args: Args): Promise<number> {
  const kind = args.text('kind');
  const [command, ...rest] = args.rest;
  if (kind === undefined)
    throw new BoiError('bad-request', 'say by --kind what the plugin does, for instance --kind hooks');
  if (command === undefined)
    throw new BoiError('bad-request', 'say after `--` what to run, for instance `-- python3 my_plugin.py`');
  const source = args.text('source');
  if (kind === 'workspace' && source === undefined)
    throw new BoiError(
      'bad-request',
      'say by --source what the plugin can prepare, for workspace-git the address of a repository',
    );
  if (kind !== 'workspace' && source !== undefined)
    throw new BoiError('bad-request', `--source is for workspace plugins, not for ${kind}`);
  const { runConformance } = await import('@boi/node');
  const { format } = session;
  const isList = format === 'table' || format === 'wide';
  const told: Promise<void>[] = [];
  const results = await runConformance({
    plugin: { kind: kind as Kind, command, args: rest, env: args.pairs('set') },
    ...(source === undefined ? {} : { source }),
    onResult: ({ name, ok, problem, wrote = [], tookMs }) => {
      const mark = ok ? session.out.green('ok  ') : session.out.red('FAIL');
      const more = ok ? [] : [problem ?? '', ...wrote.map((line) => `  ${line}`)];
      const text = more.map((line) => `      ${line}\n`).join('');
      if (isList) told.push(session.print(`${mark}  ${name} (${Math.round(tookMs)} ms)\n${forTerminal(text)}`));
    },
  });
  await Promise.all(told);
  const failed = results.filter(({ ok }) => !ok);
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, results));
  else if (format === 'name') await session.print(failed.map(({ name }) => `${name}\n`).join(''));
  session.note(`${results.length - failed.length} of ${results.length} checks passed`);
  return failed.length === 0 ? 0 : 1;
}
