/** `spec show`: the spec, and of its tasks those that a person asks about: running, failed and waiting ones. */
import type { SpecView, TaskState, TaskView } from '@boi/core';
import { displayName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { paintState } from '../output/paint.ts';
import { presentOne, renderData } from '../output/present.ts';
import { renderFields, renderTable } from '../output/table.ts';
import { absolute, elapsed } from '../output/time.ts';
import { watch } from '../output/watch.ts';
import type { Session } from '../session.ts';
import { taskColumns } from './task-list.ts';

const INTERESTING: readonly TaskState[] = ['running', 'failed', 'timed-out', 'poison', 'waiting'];
/** Of each state. */
const SHOWN_MAX = 10;

export async function showSpec(session: Session, args: Args): Promise<number> {
  const params = { prj: session.project, spc: args.one('spec') };
  const look = (signal?: AbortSignal) => session.client.call('spec.show', { params, signal });
  const people = async (view: SpecView, signal?: AbortSignal) => {
    const tasks = await interestingTasks(session, view, signal);
    const table =
      tasks.length === 0
        ? ''
        : `\n${renderTable(tasks, taskColumns(session.io.now), { wide: session.format === 'wide', paint: session.out })}`;
    return renderFields(specFields(session, view), session.out) + table;
  };
  const { format } = session;
  if (args.switch('watch')) {
    return watch(session, async (signal) => {
      const view = await look(signal);
      if (format === 'name') return `${view.id} ${view.state}\n`;
      return format === 'json' || format === 'yaml' ? renderData(format, view) : people(view, signal);
    });
  }
  const view = await look();
  const text = format === 'table' || format === 'wide' ? await people(view) : '';
  await presentOne(session, view, view.id, () => text);
  return 0;
}

async function interestingTasks(session: Session, view: SpecView, signal?: AbortSignal): Promise<TaskView[]> {
  const pages = await Promise.all(
    INTERESTING.map((state) =>
      session.client.call('spec.tasks', {
        params: { prj: session.project, spc: view.id },
        query: { state, limit: SHOWN_MAX },
        signal,
      }),
    ),
  );
  return pages.flatMap((page) => page.items);
}

function specFields(session: Session, view: SpecView): [string, string | undefined][] {
  const now = session.io.now();
  const { counts } = view;
  const ended = counts.succeeded + counts.failed + counts.cancelled + counts.skipped;
  const concurrency = view.policy.concurrency === undefined ? '' : `, at most ${view.policy.concurrency} at once`;
  return [
    ['Spec', displayName(view.name, view.id)],
    ['Project', displayName(view.project.name, view.project.id)],
    ['State', paintState(session.out, view.state)],
    [
      'Tasks',
      `${view.tasks}: ${counts.succeeded} succeeded, ${counts.failed} failed, ${counts.cancelled} cancelled, ${counts.skipped} skipped, ${view.tasks - ended} not ended`,
    ],
    ['Dispatched', view.dispatched < view.tasks ? `${view.dispatched} so far` : undefined],
    ['Policy', `${view.policy.failure}${concurrency}`],
    ['Created', absolute(view.createdAt, now)],
    ['Ended', view.endedAt === undefined ? undefined : absolute(view.endedAt, now)],
    ['Took', elapsed((view.endedAt ?? now) - view.createdAt)],
    ['Actor', view.actor],
    ['Retry of', view.retryOf],
    ['Coordinator', view.coordinator],
    ['Archived', view.archived ? 'yes' : undefined],
  ];
}
