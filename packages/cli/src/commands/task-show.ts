/** `task show`: everything about a task, and above all why it is not running. */
import type { TaskView } from '@boi/core';
import { EXCLUSIONS } from '@boi/core/capabilities';
import { displayName, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { paintState } from '../output/paint.ts';
import { presentOne, renderData } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import { absolute, elapsed, relative } from '../output/time.ts';
import { watch } from '../output/watch.ts';
import { forTerminal } from '../output/width.ts';
import type { Session } from '../session.ts';

export async function showTask(session: Session, args: Args): Promise<number> {
  const params = { prj: session.project, tsk: args.one('task') };
  const look = (signal?: AbortSignal) => session.client.call('task.show', { params, signal });
  const people = (task: TaskView) => renderFields(taskFields(session, task), session.out);
  const { format } = session;
  if (args.switch('watch')) {
    return watch(session, async (signal) => {
      const task = await look(signal);
      if (format === 'name') return `${task.id} ${task.state}\n`;
      return format === 'json' || format === 'yaml' ? renderData(format, task) : people(task);
    });
  }
  const task = await look();
  await presentOne(session, task, task.id, () => people(task));
  return 0;
}

function taskFields(session: Session, task: TaskView): [string, string | undefined][] {
  const now = session.io.now();
  const time = (at: number | undefined) => (at === undefined ? undefined : absolute(at, now));
  const { startedAt, endedAt } = task;
  const exit = [
    task.exitCode === undefined ? '' : `code ${task.exitCode}`,
    task.signal === undefined ? '' : `signal ${task.signal}`,
  ];
  return [
    ['Task', `${escapeName(task.ref)} (${task.id})`],
    ['Spec', `${task.spec}, number ${task.index}`],
    ['State', paintState(session.out, task.state) + (task.cancelling ? ', being cancelled' : '')],
    ['Why', whyText(task)],
    ['Node', task.node === undefined ? undefined : displayName(task.node.name, task.node.id)],
    [
      'Attempt',
      `${task.attempt}${task.deliveries === undefined ? '' : `, claimed ${task.deliveries} ${task.deliveries === 1 ? 'time' : 'times'}`}`,
    ],
    ['Fence', task.fence],
    ['Priority', task.priority === undefined || task.priority === 0 ? undefined : String(task.priority)],
    ['Not before', time(task.notBefore)],
    ['Claimed', time(task.claimedAt)],
    ['Started', time(startedAt)],
    ['Ended', time(endedAt)],
    ['Took', startedAt === undefined ? undefined : elapsed((endedAt ?? now) - startedAt)],
    ['Exit', exit.filter((e) => e !== '').join(', ')],
    ['Reason', task.reason],
    ['Message', task.message === undefined ? undefined : forTerminal(task.message)],
    ['Moves', movesText(task, now)],
    [
      'Outputs',
      Object.entries(task.outputs ?? {})
        .map(([k, v]) => `${escapeName(k)}=${forTerminal(v)}`)
        .join('\n'),
    ],
    ['Command', commandText(task.definition)],
    ['Last output', task.tail === undefined ? undefined : forTerminal(task.tail).replace(/\n+$/, '')],
  ];
}

function whyText({ why }: TaskView): string | undefined {
  if (why === undefined) return undefined;
  const counts = (why.constraints ?? []).map(({ constraint, nodes: n }) => {
    const nodes = `${n} ${n === 1 ? 'node' : 'nodes'}`;
    const state = EXCLUSIONS.some((exclusion) => exclusion === constraint);
    // A requirement beside a count of nodes would read as if they had it.
    return state ? `${nodes}: ${constraint}` : `${escapeName(constraint)}: not met by ${nodes}`;
  });
  return [escapeName(why.summary), ...counts].join('\n');
}

function movesText({ moves }: TaskView, now: number): string | undefined {
  return moves
    ?.map((m) => `${relative(m.at, now)}: ${m.from ?? 'no node'} → ${m.to ?? 'unassigned'} (${escapeName(m.why)})`)
    .join('\n');
}

function commandText(definition: TaskView['definition']): string | undefined {
  const run = definition?.run;
  if (typeof run === 'string') return forTerminal(run);
  return Array.isArray(run) ? forTerminal(run.map((word) => JSON.stringify(word)).join(' ')) : undefined;
}
