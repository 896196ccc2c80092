/** `logs sweep`: what the daemon's retention would remove from a data directory, or its removal while no daemon runs there. */

import { lstat } from 'node:fs/promises';
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import { renderData } from '../output/present.ts';
import { renderTable } from '../output/table.ts';
import { bytes, relative } from '../output/time.ts';
import type { Session } from '../session.ts';
import { readDaemonConfig } from './daemon-config.ts';

export async function sweepLogs(session: Session, args: Args): Promise<number> {
  const { config } = await readDaemonConfig(session, args);
  const dataDir = config['data-dir'];
  const there = await lstat(dataDir).catch(() => undefined);
  if (there?.isDirectory() !== true)
    throw new BoiError('not-found', `${dataDir}: there is no such data directory; see --data-dir`);
  const { sweepDataDir } = await import('@boi/node');
  const dryRun = args.switch('dry-run');
  const report = await sweepDataDir(config, { dryRun });
  const { format } = session;
  const rows = report.swept.map(({ task, attempt, delivery, bytes: size, endedAt, why }) => ({
    task,
    attempt,
    delivery,
    bytes: size,
    endedAt,
    why,
  }));
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, rows));
  else if (format === 'name') await session.print(rows.map((r) => `${r.task}\n`).join(''));
  else if (rows.length > 0) {
    await session.print(
      renderTable(
        rows,
        [
          { title: 'TASK', cell: (r) => r.task },
          { title: 'ATTEMPT', cell: (r) => `${r.attempt}.${r.delivery}` },
          { title: 'SIZE', cell: (r) => bytes(r.bytes), align: 'right' },
          { title: 'LAST WRITTEN', cell: (r) => relative(r.endedAt, session.io.now()) },
          { title: 'WHY', cell: (r) => r.why },
        ],
        { wide: format === 'wide', paint: session.out },
      ),
    );
  }
  session.note(`${dryRun ? 'would remove' : 'removed'} ${rows.length} logs, ${bytes(report.bytes)}`);
  for (const { path, message } of report.failed) session.note(`${path}: ${message}`);
  return report.failed.length > 0 ? 1 : 0;
}
