/** `cluster fsck`: exit 1 if an error was found that stays. */
import type { FsckReport } from '@boi/core';
import { BoiError } from '@boi/core/errors';
import { escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { presentOne } from '../output/present.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';

export async function checkCluster(session: Session, args: Args): Promise<number> {
  const apply = args.switch('yes');
  const repair = args.switch('repair');
  if (apply && !repair) throw new BoiError('bad-request', '--yes goes with --repair');
  const timeoutMs = 300_000;
  const report = repair
    ? await session.client.call('cluster.repair', { body: { apply }, timeoutMs })
    : await session.client.call('cluster.fsck', { timeoutMs });
  await presentOne(session, report, report.revision, () => reportText(session, report));
  if (repair) session.note(repairText(report, apply));
  return report.findings.some((f) => f.severity === 'error' && f.repair !== 'done') ? 1 : 0;
}

function repairText({ findings }: FsckReport, apply: boolean): string {
  const count = (repair: string) => findings.filter((f) => f.repair === repair).length;
  const told = `${count('left')} are only reported`;
  if (!apply) return `${count('possible')} would be mended, ${told}; \`--yes\` mends`;
  return `${count('done')} mended, ${count('changed')} had changed meanwhile, ${told}`;
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
      ...(report.findings.some((f) => f.repair !== undefined)
        ? [{ title: 'REPAIR', cell: (f: FsckReport['findings'][number]) => f.repair ?? '' }]
        : []),
      { title: 'SUBJECT', cell: (f) => escapeName(f.subject) },
      { title: 'MESSAGE', cell: (f) => escapeName(f.message) },
    ],
    { wide: session.format === 'wide', paint: session.out },
  )}`;
}
