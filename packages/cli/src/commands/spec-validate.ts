/** `spec validate`: every error of every file, without a cluster. */
import { BoiError, type Issue } from '@boi/core/errors';
import { parseSpec } from '@boi/core/spec/parse-spec';
import type { Args } from '../args.ts';
import { renderData } from '../output/present.ts';
import type { Session } from '../session.ts';
import { issueLines, readSpecSource } from './spec-source.ts';

interface Verdict {
  readonly file: string;
  readonly ok: boolean;
  readonly tasks?: number;
  readonly issues: readonly Issue[];
}

export async function validateSpecs(session: Session, args: Args): Promise<number> {
  const verdicts: Verdict[] = [];
  const people = session.format === 'table' || session.format === 'wide';
  for (const file of args.many('file')) {
    const source = await readSpecSource(session.io, file);
    const parsed = parseSpec(source.text, source.format, { set: args.pairs('set') });
    if (parsed.ok) {
      const tasks = parsed.spec.tasks.length;
      verdicts.push({ file: source.label, ok: true, tasks, issues: [] });
      if (people) await session.print(`${source.label}: ok, ${tasks} ${tasks === 1 ? 'task' : 'tasks'}\n`);
    } else {
      verdicts.push({ file: source.label, ok: false, issues: parsed.issues });
      if (people) for (const line of issueLines(source, parsed)) session.note(line);
    }
  }
  const { format } = session;
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, verdicts));
  else if (format === 'name') {
    await session.print(
      verdicts
        .filter((v) => v.ok)
        .map((v) => `${v.file}\n`)
        .join(''),
    );
  }
  const bad = verdicts.filter((v) => !v.ok);
  if (bad.length > 0) throw new BoiError('invalid-spec', `${bad.length} of ${verdicts.length} files have errors`);
  return 0;
}
