/** `plugin test`: the conformance kit, as a checklist. */
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import { renderData } from '../output/present.ts';
import type { Session } from '../session.ts';

type Kind = Parameters<typeof import('@boi/node')['runConformance']>[0]['plugin']['kind'];

export async function testPlugin(session: Session, args: Args): Promise<number> {
  const kind = args.text('kind');
  const [command, ...rest] = args.rest;
  if (kind === undefined)
    throw new BoiError('bad-request', 'say by --kind what the plugin does, for instance --kind hooks');
  if (command === undefined)
    throw new BoiError('bad-request', 'say after `--` what to run, for instance `-- python3 my_plugin.py`');
  const { runConformance } = await import('@boi/node');
  const source = args.text('source');
  const { format } = session;
  const isList = format === 'table' || format === 'wide';
  const told: Promise<void>[] = [];
  const results = await runConformance({
    plugin: { kind: kind as Kind, command, args: rest, env: args.pairs('set') },
    ...(source === undefined ? {} : { source }),
    onResult: ({ name, ok, problem, tookMs }) => {
      const mark = ok ? session.out.green('ok  ') : session.out.red('FAIL');
      const line = `${mark}  ${name} (${Math.round(tookMs)} ms)\n${ok ? '' : `      ${problem}\n`}`;
      if (isList) told.push(session.print(line));
    },
  });
  await Promise.all(told);
  const failed = results.filter(({ ok }) => !ok);
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, results));
  else if (format === 'name') await session.print(failed.map(({ name }) => `${name}\n`).join(''));
  session.note(`${results.length - failed.length} of ${results.length} checks passed`);
  return failed.length === 0 ? 0 : 1;
}
