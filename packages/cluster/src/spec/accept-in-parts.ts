/**
 * Accepts a spec that does not fit one transaction: header in `writing`, then the body, then `dispatching`, from where it
 * always finishes. Its records are written by whoever goes on: {@link dispatchRecords} here, another node when this one is gone.
 */
import { BoiError, sleep } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import type { SpecHeader, Stored } from '../records.ts';
import type { ChunkList } from './chunk-list.ts';
import { type Draft, headerOf, openingParts, specStarted } from './draft.ts';
import { type AcceptDeps, type Opening, openSpec, requireCoordinator } from './open-spec.ts';
import { writeRecords } from './resume.ts';
import { readHeader, type SpecRef } from './spec-ref.ts';
import { writeBody } from './write-body.ts';

const RECORDS_AGAIN_MS = 1_000;

/** `freed` is told of a header whose body could not be completed: somebody must remove it. */
export async function acceptInParts(
  deps: AcceptDeps,
  draft: Draft,
  chunks: ChunkList,
  signal: AbortSignal,
  freed: (header: Stored<SpecHeader>) => void,
): Promise<Opening> {
  const { ctx, self, session } = deps;
  const epoch = session.epoch();
  if (epoch === undefined) throw new BoiError('unavailable', 'this node has no live session', { retryAfterS: 1 });
  const coordinator = requireCoordinator(deps, draft.spc);
  const header: SpecHeader = {
    ...headerOf(draft),
    state: 'writing',
    dispatcher: { node: self, epoch },
    coordinator: coordinator.member.id,
  };
  const { compares, ops } = openingParts(ctx.keys, draft, header, coordinator);
  // The dispatcher may be its own coordinator; the same record is then compared once.
  const own = session.compares().filter((compare) => !compares.some(({ key }) => key === compare.key));
  const opening = await openSpec(deps, draft, header, [...compares, ...own], ops);
  if (opening.outcome !== 'accepted') return opening;
  let accepted: Stored<SpecHeader>;
  try {
    accepted = await writeBody(deps, draft, opening.header, chunks, signal, specStarted(draft, header.tasks));
  } catch (error) {
    freed(opening.header);
    throw error;
  }
  return { outcome: 'accepted', header: accepted };
}

/** Until all have theirs or somebody else goes on. What the store refuses for another reason (it is full) is tried again. */
export async function dispatchRecords(
  deps: NodeDeps,
  { prj, spc }: SpecRef,
  accepted: Stored<SpecHeader>,
  chunks: ChunkList,
  signal: AbortSignal,
): Promise<void> {
  const { ctx } = deps;
  const own = accepted.record.dispatcher;
  let header: Stored<SpecHeader> | undefined = accepted;
  for (;;) {
    try {
      const dispatcher = header?.record.dispatcher;
      if (header?.record.state !== 'dispatching' || dispatcher?.epoch !== own?.epoch) return;
      if ((await writeRecords(deps, { prj, spc }, header, chunks.bodies(), signal)) !== undefined) return;
      // Another changed it. A coordinator that has only just become it leaves the dispatch to this session while that lives.
      header = await readHeader(ctx, { prj, spc });
    } catch (error) {
      signal.throwIfAborted();
      ctx.log.warn({ err: error, spec: spc }, 'a dispatch is held up; trying again');
      await sleep(ctx.clock, RECORDS_AGAIN_MS, signal);
      header = await readHeader(ctx, { prj, spc }).catch(() => header);
    }
  }
}
