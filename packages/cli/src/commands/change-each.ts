/**
 * A change of several things named on the command line, one after the other. What worked is on standard output (ids, or the
 * answers with `-o json`), what was refused on standard error; the first refusal decides the exit code, and the others are
 * still tried.
 */
import { reportFailure } from '../fail.ts';
import { renderData } from '../output/present.ts';
import type { Session } from '../session.ts';

export async function changeEach(
  session: Session,
  subjects: readonly string[],
  change: (subject: string) => Promise<{ readonly answer: object; readonly id: string; readonly says: string }>,
): Promise<number> {
  const answers: object[] = [];
  const { format } = session;
  const data = format === 'json' || format === 'yaml';
  let exit = 0;
  for (const subject of subjects) {
    try {
      const { answer, id, says } = await change(subject);
      answers.push(answer);
      if (!data) await session.print(`${id}\n`);
      session.note(`${id} ${says}`);
    } catch (error) {
      const code = reportFailure(error, session.io);
      exit ||= code;
    }
  }
  if (data) await session.print(await renderData(format, answers));
  return exit;
}
