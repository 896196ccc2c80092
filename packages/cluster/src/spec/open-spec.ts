/**
 * The first transaction of a spec, settled (openings.ts sends it). A lost reply: the identical transaction is sent again; refused then, the header or
 * the idempotency record that is found carries this request's spec id, digest and time, and so tells "mine" from "theirs".
 */
import { BoiError, type SpecId } from '@boi/core';
import type { Compare, Op } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import { codecs, type IdempotencyRecord, type SpecHeader, type Stored } from '../records.ts';
import type { Draft } from './draft.ts';
import type { Openings } from './openings.ts';
import { coordinatorFor, gotten } from './spec-ref.ts';

export type Opening =
  | { readonly outcome: 'accepted'; readonly header: Stored<SpecHeader> }
  /** The idempotency key was used before. */
  | { readonly outcome: 'existing'; readonly record: IdempotencyRecord }
  | { readonly outcome: 'id-taken' }
  /** A node it was placed on went away meanwhile. */
  | { readonly outcome: 'moved' };

/** What accepting a spec needs besides what every service has. */
export interface AcceptDeps extends NodeDeps {
  readonly openings: Openings;
}

export async function openSpec(
  { ctx, openings }: Pick<AcceptDeps, 'ctx' | 'openings'>,
  draft: Draft,
  header: SpecHeader,
  compares: readonly Compare[],
  success: readonly Op[],
): Promise<Opening> {
  const key = ctx.keys.spec(draft.prj, draft.spc);
  const failure: Op[] = [{ op: 'get', key }];
  if (draft.idempotencyHash !== undefined) {
    failure.push({ op: 'get', key: ctx.keys.idempotency(draft.prj, draft.idempotencyHash) });
  }
  const answer = await openings.send({ compares: distinct(compares), success, failure }, () => sending(draft));
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

function sending({ progress, spc }: Draft): void {
  if (progress === undefined) return;
  if (progress.sent === undefined && progress.caller.gone !== undefined) throw progress.caller.gone;
  progress.sent = spc;
}

function distinct(compares: readonly Compare[]): Compare[] {
  return [...new Map(compares.map((compare) => [`${compare.target} ${compare.key}`, compare])).values()];
}
