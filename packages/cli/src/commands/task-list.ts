/** `task list`. */
import type { TaskState, TaskView } from '@boi/core';
import { escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { paintState } from '../output/paint.ts';
import { presentList, renderList } from '../output/present.ts';
import type { Column } from '../output/table.ts';
import { elapsed } from '../output/time.ts';
import { watch } from '../output/watch.ts';
import type { Session } from '../session.ts';
import { readPages } from './pages.ts';

export async function listTasks(session: Session, args: Args): Promise<number> {
  const state = args.text('state') as TaskState | undefined;
  const params = { prj: session.project, spc: args.one('spec') };
  const look = (signal?: AbortSignal) =>
    readPages<TaskView>(args.number('limit') ?? 100, (query) =>
      session.client.call('spec.tasks', {
        params,
        query: { ...query, ...(state === undefined ? {} : { state }) },
        signal,
      }),
    );
  const columns = taskColumns(session.io.now);
  if (args.switch('watch')) {
    return watch(session, async (signal) => renderList(session, (await look(signal)).items, columns));
  }
  const { items, more } = await look();
  await presentList(session, items, columns, 'no tasks');
  if (more) session.note('there are more; --limit shows more of them');
  return 0;
}

export function taskColumns(now: () => number): Column<TaskView>[] {
  const took = (t: TaskView) => (t.startedAt === undefined ? '' : elapsed((t.endedAt ?? now()) - t.startedAt));
  return [
    { title: 'TASK', cell: (t) => escapeName(t.ref), widthMax: 48 },
    // A task's id is its spec's but for the last four characters.
    { title: 'ID', cell: (t) => `…${t.id.slice(-4)}` },
    { title: 'STATE', cell: (t) => t.state, paint: paintState },
    { title: 'NODE', cell: (t) => (t.node === undefined ? '' : escapeName(t.node.name ?? t.node.id)), widthMax: 32 },
    { title: 'ATTEMPT', cell: (t) => String(t.attempt), align: 'right' },
    { title: 'TOOK', cell: took },
    { title: 'EXIT', cell: (t) => t.signal ?? (t.exitCode === undefined ? '' : String(t.exitCode)), align: 'right' },
    { title: 'WHY', cell: (t) => escapeName(whyOf(t)), widthMax: 48 },
    { title: 'TASK ID', cell: (t) => t.id, wide: true },
    { title: 'FENCE', cell: (t) => t.fence ?? '', wide: true },
  ];
}

function whyOf(t: TaskView): string {
  // A stop may take its grace; without a word of it the cancel would look lost.
  if (t.cancelling === true) return 'being cancelled';
  return t.why?.summary ?? t.message ?? t.reason ?? '';
}
