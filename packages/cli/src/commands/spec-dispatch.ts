/** `spec dispatch`: checks the file here, sends it under an idempotency key, prints the id, and waits if asked. */
import { randomBytes } from 'node:crypto';
import type { DispatchBody, DryRunAnswer } from '@boi/core';
import { displayName, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { afterDispatch } from '../follow/after-dispatch.ts';
import { dispatchDetachably } from '../follow/detach.ts';
import { renderData } from '../output/present.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';
import { parseOrFail, readSpecSource } from './spec-source.ts';

export async function dispatchSpec(session: Session, args: Args): Promise<number> {
  const source = await readSpecSource(session.io, args.one('file'));
  const set = args.pairs('set');
  const parsed = parseOrFail(session.io, source, set);
  if (!session.projectAsked && parsed.project !== undefined) session.useProject(parsed.project);
  const body: DispatchBody = {
    source: source.text,
    format: source.format,
    ...(Object.keys(set).length === 0 ? {} : { set }),
  };
  if (args.switch('dry-run')) return showPlan(session, body);
  return sendSpec(session, args, { ...body, idempotencyKey: args.text('idempotency-key') ?? randomKey() });
}

function sendSpec(
  session: Session,
  args: Args,
  body: DispatchBody & { readonly idempotencyKey: string },
): Promise<number> {
  return dispatchDetachably(
    session,
    body.idempotencyKey,
    (signal) => session.client.call('spec.dispatch', { params: { prj: session.project }, body, signal }),
    (answer) => {
      session.useProject(answer.project.id);
      const tasks = `${answer.tasks} ${answer.tasks === 1 ? 'task' : 'tasks'}`;
      if (answer.existing)
        session.note(`dispatched before under this idempotency key: ${displayName(answer.name, answer.id)}`);
      else if (session.io.stderr.isTTY) session.note(`dispatched ${displayName(answer.name, answer.id)}, ${tasks}`);
      return afterDispatch(session, args, answer.id);
    },
  );
}

/** 128 random bits: no two dispatches meet by chance. */
export function randomKey(): string {
  return `cli-${randomBytes(16).toString('hex')}`;
}

async function showPlan(session: Session, body: DispatchBody): Promise<number> {
  const plan = await session.client.call('spec.plan', { params: { prj: session.project }, body });
  const { format } = session;
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, plan));
  else if (format === 'name') await session.print(plan.tasks.map((t) => `${t.ref}\n`).join(''));
  else await session.print(planTable(session, plan));
  if (plan.total > plan.tasks.length) session.note(`${plan.total - plan.tasks.length} more tasks are not shown`);
  return 0;
}

function planTable(session: Session, plan: DryRunAnswer): string {
  return renderTable(
    plan.tasks,
    [
      { title: '#', cell: (t) => String(t.index), align: 'right' },
      { title: 'TASK', cell: (t) => escapeName(t.ref) },
      { title: 'NEEDS', cell: (t) => escapeName(t.needs.join(', ')), widthMax: 40 },
      { title: 'NODE', cell: (t) => (t.node === undefined ? '' : escapeName(t.node.name ?? t.node.id)) },
      { title: 'WHY', cell: (t) => escapeName(t.why) },
    ],
    { wide: session.format === 'wide', paint: session.out },
  );
}
