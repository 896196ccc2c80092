/** Small things that everything about specs shares: who a spec is, its header read fresh, who coordinates it, whose it is. */
import type { ProjectId, SpecId } from '@boi/core';
import { type Compare, compareRevisions, type KeyValue, type OpAnswer, toRevision, unchanged } from '@boi/store';
import type { ClusterContext } from '../context.ts';
import type { NodeDeps } from '../deps.ts';
import { dutyWinner } from '../membership/duty.ts';
import type { Member, MembershipSnapshot } from '../membership/membership-types.ts';
import { type Codec, codecs, type SpecHeader, type Stored } from '../records.ts';

export interface SpecRef {
  readonly prj: ProjectId;
  readonly spc: SpecId;
}

export function stored<T>(codec: Codec<T>, kv: KeyValue): Stored<T> {
  return {
    key: kv.key,
    record: codec.decode(kv.key, kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
  };
}

/** What a `get` among a transaction's answers found. */
export function gotten<T>(codec: Codec<T>, answer: OpAnswer | undefined): Stored<T> | undefined {
  return answer?.op === 'get' && answer.kv !== undefined ? stored(codec, answer.kv) : undefined;
}

export async function readHeader(
  ctx: Pick<ClusterContext, 'store' | 'keys'>,
  { prj, spc }: SpecRef,
): Promise<Stored<SpecHeader> | undefined> {
  const { kv } = await ctx.store.get(ctx.keys.spec(prj, spc));
  return kv === undefined ? undefined : stored(codecs.spec, kv);
}

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/** Below the id of every spec minted at that time or later, above those minted before: ids begin with their time. */
export function earliestSpecAt(ms: number): string {
  let text = '';
  for (let rest = Math.floor(ms), i = 0; i < 10; i++, rest = Math.floor(rest / 32)) text = DIGITS[rest % 32] + text;
  return `spc_${text}`;
}

export function isFinalSpec(header: Pick<SpecHeader, 'state'>): boolean {
  return header.state === 'succeeded' || header.state === 'failed' || header.state === 'cancelled';
}

/** The node that is to coordinate a spec: the duty's winner, or when nobody may hold duties, this node as long as it lives. */
export function coordinatorFor(
  deps: Pick<NodeDeps, 'ctx' | 'self' | 'membership'>,
  spc: SpecId,
): { member: Member; compare: Compare } | undefined {
  const snapshot = deps.membership.snapshot();
  const winner = dutyWinner(`coord/${spc}`, snapshot) ?? deps.self;
  const member = snapshot.members.get(winner);
  return member === undefined
    ? undefined
    : { member, compare: unchanged(deps.ctx.keys.node(member.id), member.modRevision) };
}

/** Whether the session that dispatches is over. A view from before that session began says nothing about it. */
export function dispatcherGone(header: Stored<SpecHeader>, snapshot: MembershipSnapshot): boolean {
  const dispatcher = header.record.dispatcher;
  if (dispatcher === undefined) return true;
  if (compareRevisions(snapshot.revision, toRevision(dispatcher.epoch)) < 0) return false;
  return snapshot.members.get(dispatcher.node)?.epoch !== dispatcher.epoch;
}
