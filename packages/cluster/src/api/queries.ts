/**
 * What is asked about specs and tasks, answered from the store; every answer about tasks is of one revision. Look-ups take
 * an id or a name, by the name index; a name that several specs have is `ambiguous-name` with the candidates.
 */
import {
  BoiError,
  indexOf,
  isId,
  mintedAt,
  type ProjectId,
  type Ref,
  type RouteQuery,
  type SpecId,
  type SpecView,
  specOf,
  type TaskId,
  type TaskView,
  taskId,
} from '@boi/core';
import type { KeyValue, Revision } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { locateTask, type TaskPlace } from '../placement/locate.ts';
import { atOneRevision, entriesOf, likelyOwners, type QueueOwner, queueOwners } from '../placement/queue-scan.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { noSpec, noTask } from '../spec/cancel.ts';
import { earliestSpecAt, isFinalSpec, stored } from '../spec/spec-ref.ts';
import { archivedResults } from '../upkeep/archive-format.ts';
import type { LogPlaces, Page } from './api-types.ts';
import { entryState, logPlacesOf, type SeenTask, specView, taskView } from './views.ts';
import { whyNotRunning } from './why.ts';

const PAGE_DEFAULT = 100;
/** Candidates named in an `ambiguous-name` error. */
const CANDIDATES_MAX = 20;
/** Indexes looked at together when tasks are listed. */
const WINDOW = 500;
/** Windows without a hit after which a filtered listing answers what it has, with where to go on. */
const WINDOWS_MAX = 40;
/** First look back in time of a listing of the newest specs; doubles until it reaches the epoch. */
const LOOK_BACK_FIRST_MS = 60_000;

export interface FoundSpec {
  readonly spc: SpecId;
  readonly header: Stored<SpecHeader>;
  readonly revision: Revision;
}

export async function findSpec(deps: NodeDeps, prj: ProjectId, idOrName: string): Promise<FoundSpec> {
  const { store, keys } = deps.ctx;
  if (isId(idOrName)) {
    if (!isId(idOrName, 'spec')) throw noSpec(idOrName);
    const { kv, revision } = await store.get(keys.spec(prj, idOrName));
    if (kv === undefined) throw noSpec(idOrName);
    return { spc: idOrName, header: stored(codecs.spec, kv), revision };
  }
  const ids = await idsByName(deps, prj, idOrName, CANDIDATES_MAX + 1);
  const [only] = ids;
  if (only === undefined) throw noSpec(idOrName);
  if (ids.length > 1) {
    const candidates = ids.slice(0, CANDIDATES_MAX);
    throw new BoiError(
      'ambiguous-name',
      `${ids.length > CANDIDATES_MAX ? `more than ${CANDIDATES_MAX}` : ids.length} specs are called ${JSON.stringify(idOrName)}: give the id`,
      { details: { candidates } },
    );
  }
  return findSpec(deps, prj, only);
}

/** Newest last, as ids go. */
async function idsByName({ ctx }: NodeDeps, prj: ProjectId, name: string, most: number): Promise<SpecId[]> {
  const range = ctx.keys.names(prj, 'spec', name);
  const page = await ctx.store.range({ ...range, limit: most, keysOnly: true });
  return page.kvs.map(({ key }) => lastPart(key) as SpecId);
}

export async function listSpecs(deps: NodeDeps, project: Ref, query: RouteQuery<'spec.list'>): Promise<Page<SpecView>> {
  const prj = project.id as ProjectId;
  const limit = query.limit ?? PAGE_DEFAULT;
  if (query.after !== undefined && !isId(query.after, 'spec')) {
    throw new BoiError('bad-request', 'not the next page of specs', {
      issues: [{ path: '/query/after', message: 'must be the `next` of a page before' }],
    });
  }
  const items: SpecView[] = [];
  const source =
    query.name === undefined ? newestSpecs(deps, prj, query.after) : namedSpecs(deps, prj, query.name, query.after);
  for await (const kv of source) {
    const { record } = stored(codecs.spec, kv);
    if (query.state !== undefined && record.state !== query.state) continue;
    if (items.length === limit) return { items, next: (items.at(-1) as SpecView).id };
    items.push(specView(project, lastPart(kv.key) as SpecId, record));
  }
  return { items };
}

async function* namedSpecs(
  deps: NodeDeps,
  prj: ProjectId,
  name: string,
  after: string | undefined,
): AsyncGenerator<KeyValue> {
  const ids = (await idsByName(deps, prj, name, 1000)).reverse();
  for (const id of ids) {
    if (after !== undefined && id >= after) continue;
    const { kv } = await deps.ctx.store.get(deps.ctx.keys.spec(prj, id));
    if (kv !== undefined) yield kv;
  }
}

/** A range has no descending order, but a spec's id begins with its time: windows further and further back. */
async function* newestSpecs(deps: NodeDeps, prj: ProjectId, after: string | undefined): AsyncGenerator<KeyValue> {
  const { ctx } = deps;
  const all = ctx.keys.specs(prj);
  let end = after === undefined ? all.end : ctx.keys.spec(prj, after as SpecId);
  let fromMs = after === undefined ? ctx.clock.now() : mintedAt(after as SpecId);
  for (let backMs = LOOK_BACK_FIRST_MS; end > all.start; backMs *= 2) {
    fromMs -= backMs;
    const start = fromMs <= 0 ? all.start : `${all.start}${earliestSpecAt(fromMs)}`;
    const window: KeyValue[] = [];
    for (let at = start; at < end; ) {
      const page = await ctx.store.range({ start: at, end });
      window.push(...page.kvs);
      if (!page.more) break;
      at = `${page.kvs.at(-1)?.key ?? at} `;
    }
    yield* window.reverse();
    end = start;
  }
}

export async function listTasks(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  query: RouteQuery<'spec.tasks'>,
): Promise<Page<TaskView>> {
  const after = query.after === undefined ? 0 : Number(query.after);
  if (!Number.isInteger(after) || after < 0) {
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
  const [results, blocked] = await Promise.all([
    pages(deps, keys.result(spc, taskId(spc, from)), `${keys.result(spc, taskId(spc, to))} `, revision),
    isFinalSpec(header)
      ? []
      : pages(deps, keys.blocked(spc, taskId(spc, from)), `${keys.blocked(spc, taskId(spc, to))} `, revision),
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
      for await (const page of entriesOf({ store, keys }, owner, spc, from, to, revision)) {
        for (const { entry } of page) seen.set(indexOf(lastPart(entry.key) as TaskId), { kind: 'entry', owner, entry });
      }
    }
  };
  if (seen.size < expected) await look(likelyOwners(membership.snapshot()));
  if (seen.size < expected) await look(await queueOwners({ store, keys }, revision));
  return seen;
}

async function pages({ ctx }: NodeDeps, start: string, end: string, revision: Revision): Promise<KeyValue[]> {
  const kvs: KeyValue[] = [];
  for (let at = start; ; ) {
    const page = await ctx.store.range({ start: at, end, revision });
    kvs.push(...page.kvs);
    if (!page.more) return kvs;
    at = `${page.kvs.at(-1)?.key ?? at} `;
  }
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

/** `<task id>` or `<spec id or name>/<ref>`. A ref has no slash, a name may. */
export async function resolveTask(deps: NodeDeps, prj: ProjectId, idOrPath: string): Promise<TaskId> {
  if (isId(idOrPath, 'task')) return idOrPath;
  const slash = idOrPath.lastIndexOf('/');
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
