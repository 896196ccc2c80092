/** `spec list`. */
import type { SpecState, SpecView } from '@boi/core';
import { escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { paintState } from '../output/paint.ts';
import { presentList, renderList } from '../output/present.ts';
import type { Column } from '../output/table.ts';
import { elapsed, relative } from '../output/time.ts';
import { watch } from '../output/watch.ts';
import type { Session } from '../session.ts';
import { readPages } from './pages.ts';

export async function listSpecs(session: Session, args: Args): Promise<number> {
  const look = (signal?: AbortSignal) => readSpecs(session, args, signal);
  const columns = specColumns(session.io.now);
  if (args.switch('watch')) {
    return watch(session, async (signal) => renderList(session, (await look(signal)).items, columns));
  }
  const { items, more } = await look();
  await presentList(session, items, columns, 'no specs');
  if (more) session.note(`there are more; --limit shows up to 100000 of them`);
  return 0;
}

function readSpecs(session: Session, args: Args, signal?: AbortSignal) {
  const state = args.text('state') as SpecState | undefined;
  const name = args.text('name');
  return readPages<SpecView>(args.number('limit') ?? 50, (query) =>
    session.client.call('spec.list', {
      params: { prj: session.project },
      query: { ...query, ...(state === undefined ? {} : { state }), ...(name === undefined ? {} : { name }) },
      signal,
    }),
  );
}

export const endedTasks = ({ counts }: SpecView): number =>
  counts.succeeded + counts.failed + counts.cancelled + counts.skipped;

function specColumns(now: () => number): Column<SpecView>[] {
  return [
    { title: 'ID', cell: (s) => s.id },
    { title: 'NAME', cell: (s) => escapeName(s.name ?? ''), widthMax: 32 },
    { title: 'STATE', cell: (s) => s.state, paint: paintState },
    { title: 'TASKS', cell: (s) => `${endedTasks(s)}/${s.tasks}`, align: 'right' },
    {
      title: 'FAILED',
      cell: (s) => String(s.counts.failed),
      align: 'right',
      paint: (p, t) => (t.trim() === '0' ? t : p.red(t)),
    },
    { title: 'CREATED', cell: (s) => relative(s.createdAt, now()) },
    { title: 'TOOK', cell: (s) => elapsed((s.endedAt ?? now()) - s.createdAt) },
    { title: 'PROJECT', cell: (s) => escapeName(s.project.name ?? s.project.id), wide: true },
    { title: 'ACTOR', cell: (s) => escapeName(s.actor ?? ''), wide: true },
    { title: 'COORDINATOR', cell: (s) => s.coordinator ?? '', wide: true },
  ];
}
