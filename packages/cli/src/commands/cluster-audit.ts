/** `cluster audit`: the last records, or each as it happens. */
import { type AuditRecord, followAudit } from '@boi/client';
import type { Args } from '../args.ts';
import { presentList, renderData } from '../output/present.ts';
import type { Column } from '../output/table.ts';
import { relative } from '../output/time.ts';
import { escapeUnseen, forTerminal } from '../output/width.ts';
import type { Session } from '../session.ts';
import { readPages } from './pages.ts';

const actorText = ({ actor }: AuditRecord): string => actor.id ?? actor.kind;

export async function showAudit(session: Session, args: Args): Promise<number> {
  if (args.switch('follow')) return follow(session, args);
  const actor = args.text('actor');
  const sinceMs = args.number('since');
  const now = session.io.now();
  const asked = {
    ...(actor === undefined ? {} : { actor }),
    ...(sinceMs === undefined ? {} : { since: Math.max(0, now - sinceMs) }),
  };
  const { items, more } = await readPages<AuditRecord>(args.number('limit') ?? 1_000, (query) =>
    session.client.call('audit.list', { query: { ...query, ...asked } }),
  );
  const columns: Column<AuditRecord>[] = [
    { title: 'WHEN', cell: (r) => relative(r.at, now) },
    { title: 'ACTOR', cell: actorText },
    { title: 'WHAT', cell: (r) => r.what },
    { title: 'SUBJECT', cell: (r) => r.subject ?? '' },
    { title: 'REVISIONS', cell: (r) => (r.after === undefined ? '' : `${r.before ?? ''} to ${r.after}`), wide: true },
    { title: 'NODE', cell: (r) => r.node ?? '', wide: true },
    { title: 'ID', cell: (r) => r.id, wide: true },
  ];
  await presentList(session, items, columns, 'nothing was changed in that time');
  if (more) session.note('there are newer ones; --limit shows up to 100000');
  return 0;
}

async function follow(session: Session, args: Args): Promise<number> {
  const stop = new AbortController();
  const release = session.io.onInterrupt(() => stop.abort());
  const actor = args.text('actor');
  const last = args.number('last');
  const { format } = session;
  try {
    const records = followAudit(session.client, {
      signal: stop.signal,
      ...(actor === undefined ? {} : { actor }),
      ...(last === undefined ? {} : { last }),
    });
    for await (const record of records) {
      if (record.type === 'link') {
        session.note(record.state === 'lost' ? `connection lost (${record.text}); trying again` : 'connected again');
      } else if (format === 'json') await session.print(`${escapeUnseen(JSON.stringify(record.record))}\n`);
      else if (format === 'yaml') await session.print(`---\n${await renderData('yaml', record.record)}`);
      else if (format === 'name') await session.print(`${record.record.id}\n`);
      else await session.print(`${forTerminal(lineOf(record.record))}\n`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    release();
  }
  return 0;
}

function lineOf(record: AuditRecord): string {
  const at = new Date(record.at).toISOString().replace(/\.\d+Z$/, 'Z');
  return [at, actorText(record), record.what, record.subject ?? ''].join('  ').trimEnd();
}
