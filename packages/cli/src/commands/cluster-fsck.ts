/** `cluster fsck`: exit 1 if an error was found. */
import type { FsckReport } from '@boi/core';
import { escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { presentOne } from '../output/present.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';

export async function checkCluster(session: Session, _args: Args): Promise<number> {
  const report = await session.client.call('cluster.fsck', { timeoutMs: 300_000 });
  await presentOne(session, report, report.revision, () => reportText(session, report));
  return report.clean ? 0 : 1;
}

function reportText(session: Session, report: FsckReport): string {
  const { blocked, queued, results } = report.records;
  const head = `${report.specs} specs and ${report.tasks} tasks at revision ${report.revision}: ${blocked} blocked, ${queued} queued, ${results} results. ${report.clean ? session.out.green('clean') : session.out.red('not clean')}\n`;
  if (report.findings.length === 0) return head;
  return `${head}\n${renderTable(
    report.findings,
    [
      { title: 'SEVERITY', cell: (f) => f.severity, paint: (p, t) => (t.trim() === 'error' ? p.red(t) : p.yellow(t)) },
      { title: 'KIND', cell: (f) => f.kind },
      { title: 'SUBJECT', cell: (f) => escapeName(f.subject) },
      { title: 'MESSAGE', cell: (f) => escapeName(f.message) },
    ],
    { wide: session.format === 'wide', paint: session.out },
  )}`;
}
