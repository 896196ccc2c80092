/**
 * What happens to a spec between its acceptance and its last record, whoever does it: the node that was asked, or, when its
 * session is gone, the spec's coordinator.
 *
 * {@link writeRecords} goes from the header's cursor to its end, one request a chunk; each compares the header's mod
 * revision and puts the header with the cursor moved on. So of two nodes that write, the second's next transaction is
 * refused, and at every revision tasks 1…cursor have their record and none above has.
 */
import { type NodeId, sleep, type TaskDefinition, taskId } from '@boi/core';
import { type Compare, type Op, unchanged } from '@boi/store';
import { settleBatch, settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import type { Foretold } from '../events/cluster-event.ts';
import type { Keys } from '../keys.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { type FreshTask, freshRecords, recordItems, routedTasks, startsReady } from './fresh-records.ts';
import type { BodyChunk } from './spec-body.ts';
import { gotten, readHeader, type SpecRef } from './spec-ref.ts';

const PLACE_AGAIN_FIRST_MS = 20;
const PLACE_AGAIN_MAX_MS = 1_000;
const READ_AGAIN_MS = 500;

type Bodies = AsyncIterable<BodyChunk & { readonly n: number }>;

/**
 * Writes the records above the cursor of a spec in `dispatching` or, cancelled before it was dispatched whole, `cancelling`.
 * Answers the header when all have theirs, undefined when somebody else changed it: then that one goes on. Rejects when
 * `signal` aborts. A store that is away is waited for.
 */
export async function writeRecords(
  deps: NodeDeps,
  ref: SpecRef,
  from: Stored<SpecHeader>,
  bodies: Bodies,
  signal: AbortSignal,
): Promise<Stored<SpecHeader> | undefined> {
  const { ctx } = deps;
  let header = from;
  let snapshot = deps.membership.snapshot();
  let placer = await deps.placer();
  let queued = 0;
  for await (const chunk of bodies) {
    const end = chunk.first + chunk.tasks.length - 1;
    if (header.record.concurrency !== undefined) queued += readyBefore(chunk, header.record.cursor);
    const consult = () => placer.consult(() => routedTasks(ref.prj, ref.spc, tasksAbove(chunk, header.record.cursor)));
    await consult();
    let againMs = PLACE_AGAIN_FIRST_MS;
    while (header.record.cursor < end) {
      signal.throwIfAborted();
      if (deps.membership.snapshot() !== snapshot) {
        snapshot = deps.membership.snapshot();
        placer = await deps.placer();
        await consult();
      }
      const { state, cancel, cursor, concurrency, tasks } = header.record;
      const records = freshRecords(tasksAbove(chunk, cursor), {
        keys: ctx.keys,
        ...ref,
        placer,
        nowMs: ctx.clock.now(),
        recordsMax: ctx.config.dispatchChunk,
        opsUsed: 1,
        comparesUsed: 1,
        batch: true,
        free: (concurrency ?? Number.POSITIVE_INFINITY) - queued,
        ...(state === 'cancelling' ? { stop: cancel?.level === 2 ? ('all' as const) : ('success' as const) } : {}),
      });
      const reached = cursor + records.count;
      const { dispatcher, ...rest } = header.record;
      const next: SpecHeader = {
        ...rest,
        cursor: reached,
        ...(reached === tasks
          ? { state: state === 'dispatching' ? ('active' as const) : state }
          : dispatcher === undefined
            ? {}
            : { dispatcher }),
      };
      const events = () => records.places.map((queue, i) => taskDispatched(ref, cursor + 1 + i, queue));
      const known = header;
      const written = await ctx.events.bringing(
        { kinds: ['task.dispatched'], events, options: { signal } },
        () => putRecords(deps, ref, known, next, records.compares, records.ops, signal),
        (outcome) => typeof outcome !== 'string',
      );
      if (written === 'taken') return undefined;
      if (written === 'moved') {
        await sleep(ctx.clock, againMs, signal);
        againMs = Math.min(2 * againMs, PLACE_AGAIN_MAX_MS);
        placer = await deps.placer();
        await consult();
        continue;
      }
      againMs = PLACE_AGAIN_FIRST_MS;
      queued += records.queued;
      header = written;
    }
  }
  return header;
}

/** `moved`: only a target's record changed, place anew. `taken`: the header is no longer as known. */
async function putRecords(
  deps: NodeDeps,
  ref: SpecRef,
  header: Stored<SpecHeader>,
  next: SpecHeader,
  compares: readonly Compare[],
  ops: readonly Op[],
  signal: AbortSignal,
): Promise<Stored<SpecHeader> | 'moved' | 'taken'> {
  const { ctx } = deps;
  const key = ctx.keys.spec(ref.prj, ref.spc);
  const value = codecs.spec.encode(next);
  const answer = await settleBatch(ctx, signal, {
    compares: [unchanged(key, header.modRevision), ...compares],
    success: [{ op: 'put', key, value }],
    items: recordItems(ops),
    failure: [{ op: 'get', key }],
  });
  if (answer.outcome === 'applied') return { ...header, record: next, modRevision: answer.revision };
  const found = gotten(codecs.spec, answer.answers[0]);
  if (found === undefined) return 'taken';
  if (found.modRevision === header.modRevision) return 'moved';
  // Nobody else moves the cursor without becoming the dispatcher, so exactly this value is this node's own writing.
  return answer.resent && codecs.spec.encode(found.record) === value ? found : 'taken';
}

/**
 * Takes the dispatch of a spec from a session that is gone: from then on its coordinator writes the records, whoever that is,
 * and the header names no dispatcher. Undefined: the header has changed; look again.
 */
export async function takeDispatch(
  deps: NodeDeps,
  ref: SpecRef,
  header: Stored<SpecHeader>,
  signal: AbortSignal,
): Promise<Stored<SpecHeader> | undefined> {
  const { ctx, session } = deps;
  const { dispatcher, ...record } = header.record;
  if (dispatcher === undefined) return header;
  const key = ctx.keys.spec(ref.prj, ref.spc);
  const answer = await settleTxn(ctx, signal, {
    compares: [unchanged(key, header.modRevision), ...session.compares()],
    success: [{ op: 'put', key, value: codecs.spec.encode(record) }],
  });
  return answer.outcome === 'applied' ? { ...header, record, modRevision: answer.revision } : undefined;
}

/** Removes a spec that never left `writing`, its idempotency key and name with it. Waits for the store; true when gone. */
export async function freeWriting(
  deps: Pick<NodeDeps, 'ctx'>,
  ref: SpecRef,
  from: Stored<SpecHeader>,
  signal: AbortSignal,
): Promise<void> {
  const { ctx } = deps;
  const { prj, spc } = ref;
  let header: Stored<SpecHeader> | undefined = from;
  for (;;) {
    try {
      if (header === undefined || !isStillWriting(header, from)) return;
      const compares = [unchanged(header.key, header.modRevision)];
      const answer = await settleTxn(ctx, signal, { compares, success: removalOf(ctx.keys, ref, header.record) });
      if (answer.outcome === 'applied') {
        ctx.events.tell({ kind: 'dispatch.refused', project: prj, reason: 'dispatcher-lost' });
        ctx.log.warn({ spec: spc }, 'a spec whose dispatch was interrupted before it was accepted was removed');
        return;
      }
      // A new coordinator, perhaps: then nobody else removes it as long as this session lives.
      header = await readHeader(ctx, ref);
    } catch (error) {
      signal.throwIfAborted();
      ctx.log.debug({ err: error, spec: spc }, 'an interrupted spec could not be removed yet');
      await sleep(ctx.clock, READ_AGAIN_MS, signal);
    }
  }
}

function isStillWriting({ record, createRevision }: Stored<SpecHeader>, from: Stored<SpecHeader>): boolean {
  return (
    record.state === 'writing' &&
    createRevision === from.createRevision &&
    record.dispatcher?.epoch === from.record.dispatcher?.epoch
  );
}

function removalOf(keys: Keys, { prj, spc }: SpecRef, record: SpecHeader): Op[] {
  const body = keys.specBodies(spc);
  const ops: Op[] = [
    { op: 'delete', key: keys.spec(prj, spc) },
    { op: 'delete', key: body.start, end: body.end },
  ];
  if (record.coordinator !== undefined) ops.push({ op: 'delete', key: keys.coord(record.coordinator, spc) });
  if (record.idempotency !== undefined) ops.push({ op: 'delete', key: keys.idempotency(prj, record.idempotency) });
  if (record.name !== undefined) ops.push({ op: 'delete', key: keys.name(prj, 'spec', record.name, spc) });
  return ops;
}

function* tasksAbove(chunk: BodyChunk & { readonly n: number }, cursor: number): Generator<FreshTask> {
  for (let index = cursor + 1; index < chunk.first + chunk.tasks.length; index++) {
    yield { index, definition: chunk.tasks[index - chunk.first] as TaskDefinition, chunk: chunk.n };
  }
}

/** How many tasks of the chunk up to the cursor were ready at dispatch: with a limit, the first so many were queued. */
function readyBefore(chunk: BodyChunk, cursor: number): number {
  let count = 0;
  for (let index = chunk.first; index <= cursor && index < chunk.first + chunk.tasks.length; index++) {
    if (startsReady(chunk.tasks[index - chunk.first] as TaskDefinition)) count++;
  }
  return count;
}

export function taskDispatched(
  { prj: project, spc: spec }: SpecRef,
  index: number,
  queue: NodeId | undefined,
): Foretold {
  const task = taskId(spec, index);
  return { event: { kind: 'task.dispatched', project, spec, task, ...(queue === undefined ? {} : { queue }) } };
}
