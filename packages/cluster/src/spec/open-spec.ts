/**
 * The first transaction of a spec, settled. A lost reply: the identical transaction is sent again; refused then, the header or
 * the idempotency record that is found carries this request's spec id, digest and time, and so tells "mine" from "theirs".
 */
import { BoiError, type SpecId } from '@boi/core';
import type { Compare, Op } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { codecs, type IdempotencyRecord, type SpecHeader, type Stored } from '../records.ts';
import type { Draft } from './draft.ts';
import { coordinatorFor, gotten } from './spec-ref.ts';

export type Opening =
  | { readonly outcome: 'accepted'; readonly header: Stored<SpecHeader> }
  /** The idempotency key was used before. */
  | { readonly outcome: 'existing'; readonly record: IdempotencyRecord }
  | { readonly outcome: 'id-taken' }
  /** A node it was placed on went away meanwhile. */
  | { readonly outcome: 'moved' };

export async function openSpec(
  { ctx }: Pick<NodeDeps, 'ctx'>,
  draft: Draft,
  header: SpecHeader,
  compares: readonly Compare[],
  success: readonly Op[],
  signal: AbortSignal,
): Promise<Opening> {
  const key = ctx.keys.spec(draft.prj, draft.spc);
  const failure: Op[] = [{ op: 'get', key }];
  if (draft.idempotencyHash !== undefined) {
    failure.push({ op: 'get', key: ctx.keys.idempotency(draft.prj, draft.idempotencyHash) });
  }
  const { progress } = draft;
  if (progress !== undefined) {
    if (progress.sent === undefined) progress.signal.throwIfAborted();
    progress.sent = draft.spc;
  }
  const answer = await settleTxn(ctx, signal, { compares: distinct(compares), success, failure });
  draft.answered();
  if (answer.outcome === 'applied') {
    const { revision } = answer;
    return { outcome: 'accepted', header: { key, record: header, createRevision: revision, modRevision: revision } };
  }
  const found = gotten(codecs.spec, answer.answers[0]);
  if (found !== undefined) {
    const mine = answer.resent && found.record.digest === header.digest && found.record.createdAt === header.createdAt;
    return mine ? { outcome: 'accepted', header: found } : { outcome: 'id-taken' };
  }
  const idempotency = gotten(codecs.idempotency, answer.answers[1]);
  return idempotency === undefined ? { outcome: 'moved' } : { outcome: 'existing', record: idempotency.record };
}

/** Throws `unavailable` when no live node can. */
export function requireCoordinator(deps: NodeDeps, spc: SpecId): NonNullable<ReturnType<typeof coordinatorFor>> {
  const coordinator = coordinatorFor(deps, spc);
  if (coordinator !== undefined) return coordinator;
  throw new BoiError('unavailable', 'no live node can coordinate the spec; try again', { retryAfterS: 1 });
}

function distinct(compares: readonly Compare[]): Compare[] {
  return [...new Map(compares.map((compare) => [`${compare.target} ${compare.key}`, compare])).values()];
}
