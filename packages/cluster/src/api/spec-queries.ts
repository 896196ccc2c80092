/**
 * What is asked about specs, answered from the store. Look-ups take an id or a name, by the name index; a name that several
 * specs have is `ambiguous-name` with the candidates.
 */
import {
  BoiError,
  isId,
  mintedAt,
  type ProjectId,
  type Ref,
  type RouteQuery,
  type SpecId,
  type SpecView,
} from '@boi/core';
import type { KeyValue, Revision } from '@boi/store';
import { pages } from '../base/pages.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { noSpec } from '../spec/cancel.ts';
import { earliestSpecAt, stored } from '../spec/spec-ref.ts';
import type { Page } from './api-types.ts';
import { specView } from './views.ts';

export const PAGE_DEFAULT = 100;
/** Candidates named in an `ambiguous-name` error. */
const CANDIDATES_MAX = 20;
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
    if (start < end) {
      for await (const page of pages(ctx.store, { start, end })) window.push(...page.kvs);
    }
    yield* window.reverse();
    end = start;
  }
}
