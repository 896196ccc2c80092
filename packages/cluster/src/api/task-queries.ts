/**
 * What is asked about tasks, answered from the store; every answer is of one revision. A task is looked for where its record
 * nearly always is first: results, blocked records, the queues of live nodes; then everywhere.
 */
import {
  BoiError,
  indexOf,
  isId,
  type ProjectId,
  type RouteQuery,
  type SpecId,
  specOf,
  type TaskId,
  type TaskView,
  taskId,
} from '@boi/core';
import type { Revision } from '@boi/store';
import { wholeRange } from '../base/pages.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { locateTask, type TaskPlace } from '../placement/locate.ts';
import { atOneRevision, entriesOf, likelyOwners, type QueueOwner, queueOwners } from '../placement/queue-scan.ts';
import { codecs, type SpecHeader } from '../records.ts';
import { noTask } from '../spec/cancel.ts';
import { isFinalSpec } from '../spec/spec-ref.ts';
import { archivedResults } from '../upkeep/archive-format.ts';
import type { LogPlaces, Page } from './api-types.ts';
import { findSpec, PAGE_DEFAULT } from './spec-queries.ts';
import { entryState, logPlacesOf, type SeenTask, taskView } from './views.ts';
import { whyNotRunning } from './why.ts';

/** Indexes looked at together when tasks are listed. */
const WINDOW = 500;
/** Windows without a hit after which a filtered listing answers what it has, with where to go on. */
const WINDOWS_MAX = 40;

export async function listTasks(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  query: RouteQuery<'spec.tasks'>,
): Promise<Page<TaskView>> {
  const after = Number(query.after ?? 0);
  if (query.after !== undefined && !/^\d{1,7}$/.test(query.after)) {
    throw new BoiError('bad-request', 'not the next page of tasks', {
      issues: [{ path: '/query/after', message: 'must be the `next` of a page before' }],
    });
  }
  const limit = query.limit ?? PAGE_DEFAULT;
  return atOneRevision(async () => {
    const { header, revision } = await findSpec(deps, prj, spc);
    const items: TaskView[] = [];
    let next = after + 1;
    for (let windows = 0; next <= header.record.tasks && windows < WINDOWS_MAX; windows++) {
      const size = query.state === undefined ? Math.min(WINDOW, limit - items.length) : WINDOW;
      const to = Math.min(header.record.tasks, next + size - 1);
      const seen = await seeTasks(deps, prj, spc, header.record, next, to, revision);
      for (; next <= to; next++) {
        const view = await viewOf(deps, spc, header.record, next, seen.get(next) ?? { kind: 'none' });
        if (query.state !== undefined && view.state !== query.state) continue;
        items.push(view);
        if (items.length === limit) return next === header.record.tasks ? { items } : { items, next: String(next) };
      }
    }
    return next > header.record.tasks ? { items } : { items, next: String(next - 1) };
  });
}

/** Tasks `from`…`to` wherever they are, at one revision. */
async function seeTasks(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  header: SpecHeader,
  from: number,
  to: number,
  revision: Revision,
): Promise<Map<number, SeenTask>> {
  const { ctx, membership } = deps;
  const { store, keys } = ctx;
  const seen = new Map<number, SeenTask>();
  if (header.archived !== undefined) {
    for (const [index, record] of await archivedResults(ctx, prj, spc, header, from, to)) {
      seen.set(index, { kind: 'result', record });
    }
    return seen;
  }
  const expected = Math.min(to, header.cursor) - from + 1;
  const between = async (keyOf: (tsk: TaskId) => string) => {
    const range = { start: keyOf(taskId(spc, from)), end: `${keyOf(taskId(spc, to))} ` };
    return (await wholeRange(store, range, { revision })).kvs;
  };
  const [results, blocked] = await Promise.all([
    between((tsk) => keys.result(spc, tsk)),
    isFinalSpec(header) ? [] : between((tsk) => keys.blocked(spc, tsk)),
  ]);
  for (const kv of results) {
    const record = codecs.result.decode(kv.key, kv.value);
    seen.set(indexOf(lastPart(kv.key) as TaskId), { kind: 'result', record });
  }
  for (const kv of blocked) {
    const record = codecs.blocked.decode(kv.key, kv.value);
    seen.set(indexOf(lastPart(kv.key) as TaskId), { kind: 'blocked', record });
  }
  const look = async (owners: readonly QueueOwner[]) => {
    for (const owner of owners) {
      if (seen.size >= expected) return;
      for await (const page of entriesOf({ store, keys }, owner, spc, from, to, { revision })) {
        for (const { entry } of page) seen.set(indexOf(lastPart(entry.key) as TaskId), { kind: 'entry', owner, entry });
      }
    }
  };
  if (seen.size < expected) await look(likelyOwners(membership.snapshot()));
  if (seen.size < expected) await look(await queueOwners({ store, keys }, revision));
  return seen;
}

async function viewOf(
  deps: NodeDeps,
  spc: SpecId,
  header: SpecHeader,
  index: number,
  seen: SeenTask,
): Promise<TaskView> {
  const definition = await deps.bodies.find(spc, header, index);
  return taskView(spc, index, definition, seen, deps.membership.snapshot(), deps.ctx.clock.now());
}

/** Where the ref of a path begins. A value of a matrix may be a path itself: `nightly/test[file=src/a.js]`. */
function refSlash(path: string): number {
  if (path.endsWith(']')) {
    for (let at = path.indexOf('['); at >= 0; at = path.indexOf('[', at + 1)) {
      const slash = path.lastIndexOf('/', at);
      if (slash > 0 && slash < at - 1) return slash;
    }
  }
  return path.lastIndexOf('/');
}

/** `<task id>` or `<spec id or name>/<ref>`. Of a ref only the coordinates may have a slash; a name may, too. */
export async function resolveTask(deps: NodeDeps, prj: ProjectId, idOrPath: string): Promise<TaskId> {
  if (isId(idOrPath, 'task')) return idOrPath;
  const slash = refSlash(idOrPath);
  if (slash <= 0 || slash === idOrPath.length - 1) {
    throw new BoiError('not-found', `there is no task ${idOrPath}: give its id, or <spec>/<ref>`, {
      details: { task: idOrPath },
    });
  }
  const { spc, header } = await findSpec(deps, prj, idOrPath.slice(0, slash));
  const ref = idOrPath.slice(slash + 1);
  for await (const { first, tasks } of deps.bodies.all(spc, header.record)) {
    const at = tasks.findIndex((task) => task.ref === ref);
    if (at >= 0) return taskId(spc, first + at);
  }
  throw new BoiError('not-found', `${spc} has no task ${JSON.stringify(ref)}`, { details: { spec: spc, ref } });
}

async function seeTask(
  deps: NodeDeps,
  prj: ProjectId,
  tsk: TaskId,
): Promise<{ readonly place: TaskPlace; readonly header: SpecHeader; readonly seen: SeenTask }> {
  const place = await locateTask(deps, prj, tsk);
  const header = place.header?.record;
  const index = indexOf(tsk);
  if (header === undefined || index < 1 || index > header.tasks) throw noTask(tsk);
  return { place, header, seen: await seenOf(deps, prj, tsk, place, header) };
}

async function seenOf(
  deps: NodeDeps,
  prj: ProjectId,
  tsk: TaskId,
  place: TaskPlace,
  header: SpecHeader,
): Promise<SeenTask> {
  if (place.kind === 'blocked') return { kind: 'blocked', record: place.blocked.record };
  if (place.kind === 'entry') return place;
  if (place.kind === 'result') return { kind: 'result', record: place.result.record };
  const index = indexOf(tsk);
  const record =
    header.archived === undefined
      ? undefined
      : (await archivedResults(deps.ctx, prj, specOf(tsk), header, index, index)).get(index);
  return record === undefined ? { kind: 'none' } : { kind: 'result', record };
}

/** One task, with its definition and why it does not run. */
export async function showTask(deps: NodeDeps, prj: ProjectId, tsk: TaskId): Promise<TaskView> {
  const { header, seen } = await seeTask(deps, prj, tsk);
  const index = indexOf(tsk);
  const spc = specOf(tsk);
  const definition = await deps.bodies.find(spc, header, index);
  const view = taskView(spc, index, definition, seen, deps.membership.snapshot(), deps.ctx.clock.now());
  const found = await whyNotRunning(deps, prj, spc, header, definition, seen);
  return {
    ...view,
    ...(found?.state === undefined ? {} : { state: found.state }),
    ...(found === undefined ? {} : { why: found.why }),
    definition: definition as unknown as Record<string, unknown>,
  };
}

export async function logPlaces(deps: NodeDeps, prj: ProjectId, tsk: TaskId): Promise<LogPlaces> {
  const { seen } = await seeTask(deps, prj, tsk);
  const snapshot = deps.membership.snapshot();
  const state =
    seen.kind === 'result'
      ? seen.record.outcome
      : seen.kind === 'entry'
        ? entryState(seen.owner, seen.entry.record, snapshot, deps.ctx.clock.now()).state
        : 'blocked';
  const tail = seen.kind === 'result' ? seen.record.tail : undefined;
  return {
    project: prj,
    spec: specOf(tsk),
    task: tsk,
    state,
    places: logPlacesOf(seen, snapshot),
    ...(tail === undefined ? {} : { tail }),
  };
}
