/**
 * Mends what a check found and nobody needs: names, idempotency keys, locks, coordinations, bodies and archives of specs
 * that are gone or have ended. Each by a transaction of its own that compares the record unchanged since it was read and the
 * spec's header as it was judged by (or absent in the project it would be in): what changed meanwhile is left, and told.
 *
 * Everything about tasks is only reported. A task without its record is not dispatched again, nor are several made one: such
 * a finding means that the protocol was broken, a copy may run somewhere, and which record is the true one is for a person to
 * say; cancelling the spec and `spec retry` is always safe. Records of unknown specs are evidence of the same.
 *
 * An idempotency key outlives a spec for a day, so that a client that repeats its request late makes no second one.
 */
import { BoiError, type FsckReport, isId, type ProjectId, type SpecId, specOf } from '@boi/core';
import { ABSENT, absent, type Compare, type KeyValue, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { ClusterContext } from '../context.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { locateTask } from '../placement/locate.ts';
import { codecs, type SpecHeader } from '../records.ts';
import { isFinalSpec } from '../spec/spec-ref.ts';
import { fsck } from './fsck.ts';

type Finding = FsckReport['findings'][number];
type Repair = NonNullable<Finding['repair']>;

const IDEMPOTENCY_KEEP_MS = 24 * 3_600_000;

/** Answers the report of a check with `repair` at each finding. Without `apply` nothing is written. */
export async function repair(deps: NodeDeps, apply: boolean, signal: AbortSignal): Promise<FsckReport> {
  const report = await fsck(deps);
  const findings: Finding[] = [];
  for (const finding of report.findings) {
    signal.throwIfAborted();
    findings.push({ ...finding, repair: await mend(deps, finding, apply, signal) });
  }
  return { ...report, findings };
}

async function mend(deps: NodeDeps, finding: Finding, apply: boolean, signal: AbortSignal): Promise<Repair> {
  const { ctx } = deps;
  const judge = JUDGES[finding.kind];
  if (judge === undefined) return 'left';
  const { kv } = await ctx.store.get(finding.subject);
  if (kv === undefined) return 'changed';
  const compares = await judge(ctx, kv, deps);
  if (compares === 'changed' || compares === 'left') return compares;
  if (!apply) return 'possible';
  const answer = await settleTxn(ctx, signal, {
    compares: [unchanged(kv.key, kv.modRevision), ...compares],
    success: [{ op: 'delete', key: kv.key }],
    failure: [{ op: 'get', key: kv.key }],
  });
  // Sent twice and gone: the first sending removed it, or somebody did the same.
  const gone = answer.outcome === 'refused' && answer.answers[0]?.op === 'get' && answer.answers[0].kv === undefined;
  if (answer.outcome === 'refused' && !(answer.resent && gone)) return 'changed';
  ctx.log.warn({ key: kv.key, kind: finding.kind }, 'removed by a repair');
  ctx.metrics.count('boi_core_repairs_total');
  return 'done';
}

/** What must still hold for the record to be removed; or that it is no longer wrong, or not safe. */
type Judge = (ctx: ClusterContext, kv: KeyValue, deps: NodeDeps) => Promise<readonly Compare[] | 'changed' | 'left'>;

const JUDGES: Readonly<Record<string, Judge>> = {
  'orphan-name': async (ctx, { key }) => {
    const [prj, , name = ''] = within(ctx.keys.allNames(), key);
    return headerIs(ctx, prj as ProjectId, lastPart(key), (header) => header.name !== decodeURIComponent(name));
  },
  'orphan-idempotency-key': async (ctx, { key, value }) => {
    const [prj] = within(ctx.keys.allIdempotency(), key);
    const { spec, at } = codecs.idempotency.decode(key, value);
    if (ctx.clock.now() - at < IDEMPOTENCY_KEEP_MS) return 'left';
    return headerIs(ctx, prj as ProjectId, spec, () => false);
  },
  'orphan-lock': async (ctx, { key, value }) => {
    const [prj] = within(ctx.keys.allLocks(), key);
    return headerIs(ctx, prj as ProjectId, specOf(codecs.lock.decode(key, value).task), isFinalSpec);
  },
  // A claim puts its slot with itself and no other claim has its nonce: once it is gone, the slot is nobody's.
  'leaked-lock': async (ctx, { key, value }, deps) => {
    const [prj] = within(ctx.keys.allLocks(), key);
    const { task, nonce } = codecs.lock.decode(key, value);
    const place = await locateTask(deps, prj as ProjectId, task);
    if (place.header === undefined || place.kind === 'none') return 'left';
    return place.kind === 'entry' && place.entry.record.claim?.nonce === nonce ? 'changed' : [];
  },
  'orphan-coordinator': async (ctx, { key, value }) => {
    const [node] = within(ctx.keys.allCoords(), key);
    const { prj } = codecs.coord.decode(key, value);
    return headerIs(ctx, prj, lastPart(key), (header) => isFinalSpec(header) || header.coordinator !== node);
  },
  'orphan-body': async (ctx, { key }) => {
    const [spc = ''] = within(ctx.keys.allSpecBodies(), key);
    return absentEverywhere(ctx, spc);
  },
  'orphan-archive': async (ctx, { key }) => {
    const [prj, spc = ''] = within(ctx.keys.allArchives(), key);
    return headerIs(ctx, prj as ProjectId, spc, () => false);
  },
};

function within(range: { readonly start: string }, key: string): string[] {
  return key.slice(range.start.length).split('/');
}

/** The header is absent, or such that the record is not needed. */
async function headerIs(
  ctx: ClusterContext,
  prj: ProjectId,
  spc: string,
  notNeeded: (header: SpecHeader) => boolean,
): Promise<readonly Compare[] | 'changed' | 'left'> {
  if (!isId(spc, 'spec') || !isId(prj, 'project')) return 'left';
  const key = ctx.keys.spec(prj, spc);
  const { kv } = await ctx.store.get(key);
  if (kv !== undefined && !notNeeded(codecs.spec.decode(key, kv.value))) return 'changed';
  return [unchanged(key, kv?.modRevision ?? ABSENT)];
}

/** A body does not say its project: the header must be absent in all of them. */
async function absentEverywhere(ctx: ClusterContext, spc: string): Promise<readonly Compare[] | 'changed' | 'left'> {
  if (!isId(spc, 'spec')) return 'left';
  const { start, end } = ctx.keys.projects();
  const { kvs, more } = await ctx.store.range({ start, end, keysOnly: true, limit: PROJECTS_MAX });
  // More projects than compares fit one transaction.
  if (more) return 'left';
  const headers = kvs.map((kv) => ctx.keys.spec(lastPart(kv.key) as ProjectId, spc as SpecId));
  for (const key of headers) if ((await ctx.store.get(key)).kv !== undefined) return 'changed';
  if (headers.length === 0) throw new BoiError('unavailable', 'there is no project: is the cluster being restored?');
  return headers.map((key) => absent(key));
}

const PROJECTS_MAX = 100;
