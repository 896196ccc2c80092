/** Accepts a small spec with one transaction: header, body and all records are there, or nothing is. */
import { REQUEST_BYTES_MAX, TXN_OPS_MAX } from '@boi/store';
import type { SpecHeader } from '../records.ts';
import { type ChunkList, freshTasks } from './chunk-list.ts';
import { type Draft, headerOf, openingParts, specStarted } from './draft.ts';
import { freshRecords, routedTasks, startsReady } from './fresh-records.ts';
import { type AcceptDeps, type Opening, openSpec, requireCoordinator } from './open-spec.ts';
import { taskDispatched } from './resume.ts';
import { bodyPut } from './write-body.ts';

/** A definition up to this size travels in the queue entry of a one-task spec (and in its header). */
const INLINE_BYTES_MAX = 2048;

/** Undefined when the spec does not fit one transaction. */
export async function acceptWhole(
  deps: AcceptDeps,
  draft: Draft,
  chunks: ChunkList,
  signal: AbortSignal,
): Promise<Opening | undefined> {
  const { ctx } = deps;
  const { prj, spc } = draft;
  const { tasks, concurrency } = draft.request.spec;
  if (tasks.length > Math.min(ctx.config.dispatchChunk, TXN_OPS_MAX)) return undefined;
  const [only] = tasks;
  const single = tasks.length === 1 && concurrency === undefined && only !== undefined && startsReady(only);
  const inline = single && Buffer.byteLength(JSON.stringify(only)) <= INLINE_BYTES_MAX;
  const body = inline ? [] : chunks.all();
  const bodyBytes = body.reduce((sum, { value }) => sum + value.length, 0);
  if (bodyBytes > REQUEST_BYTES_MAX / 2) return undefined;
  const coordinator = single ? undefined : requireCoordinator(deps, spc);
  const header: SpecHeader = {
    ...headerOf(draft),
    state: 'active',
    cursor: tasks.length,
    chunks: body.length,
    ...(bodyBytes === 0 ? {} : { bodyBytes }),
    ...(coordinator === undefined ? {} : { coordinator: coordinator.member.id }),
    ...(inline ? { def: only as unknown as Record<string, unknown> } : {}),
  };
  const placer = await deps.placer();
  await placer.consult(() => routedTasks(prj, spc, freshTasks(tasks, undefined)));
  const opening = openingParts(ctx.keys, draft, header, coordinator);
  const records = freshRecords(freshTasks(tasks, inline ? undefined : body), {
    keys: ctx.keys,
    prj,
    spc,
    placer,
    nowMs: draft.createdAt,
    recordsMax: ctx.config.dispatchChunk,
    opsUsed: opening.ops.length + body.length,
    comparesUsed: opening.compares.length,
    bytesUsed: bodyBytes,
    free: concurrency ?? Number.POSITIVE_INFINITY,
    ...(single ? { single } : {}),
  });
  if (records.count < tasks.length) return undefined;
  const events = () => [
    specStarted(draft, tasks.length),
    ...records.places.map((queue, i) => taskDispatched(draft, i + 1, queue)),
  ];
  return ctx.events.bringing(
    { kinds: ['spec.started', 'task.dispatched'], events, options: { signal, urgent: true } },
    () =>
      openSpec(
        deps,
        draft,
        header,
        [...opening.compares, ...records.compares],
        [...opening.ops, ...body.map((chunk) => bodyPut(ctx.keys, draft, chunk)), ...records.ops],
      ),
    ({ outcome }) => outcome === 'accepted',
  );
}
