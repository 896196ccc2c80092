/**
 * What became of a change that was announced and never answered for: read from the store, after a crash (the hooks hub asks at
 * its start, before this node registers) or after a lost session. First for what only that change can have left; then whether
 * the record that its transaction compared is still as it was, which means that it was not applied; else it is unknown.
 *
 * What each trace holds, besides `source` and `base` (key and mod revision of a record the transaction compares and changes):
 *
 *   task.claimed                         entry, nonce   the entry it wrote carries the nonce; or a result or history names the claim
 *   task.completed, failed, cancelled    endedAt, attempt the task's result is of this claim, or was and is in its history as `final`
 *   task.retried                                        in the history of the entry, or of what came of it, not as `final`
 *   task.reassigned                      at             in the moves of the entry
 *   spec.started                         createdAt      the header is past `writing`
 *   task.dispatched                                     the header's cursor is past the task
 *   spec.completed, spec.failed          endedAt        the header is this one
 *   cluster.paused                       at             the cluster record's mark
 *   node.degraded                        until          the node's settings
 *   cluster.ca_rotated                   line           the audit line of the same transaction
 *   provision.requested                                 the record of the need (`source`) has the request, or had it before; or a
 *                                                       node came of it
 *   provision.fulfilled                  at             the node that came of the request
 *   provision.failed                     at             the record says so of this request, or of the one before
 */
import {
  type BoiEvent,
  type EventKind,
  type EventTrace,
  type IntendedEvent,
  indexOf,
  type ProjectId,
  type ProvisionId,
  type Settlement,
  type SpecId,
  specOf,
  type TaskId,
} from '@boi/core';
import type { ClusterContext } from '../context.ts';
import { locateAnywhere } from '../placement/locate.ts';
import {
  type ProvisionedRecord,
  type ProvisionRecord,
  provisionCodec,
  provisionedCodec,
} from '../provision/records.ts';
import { codecs, type HistoryRecord, type QueueEntry, type ResultRecord, type SpecHeader } from '../records.ts';
import { isFinalSpec, readHeader } from '../spec/spec-ref.ts';
import { archivedResults } from '../upkeep/archive-format.ts';

type Reader = Pick<ClusterContext, 'store' | 'keys'>;
type Facts = Readonly<Record<string, string | number | undefined>>;

/** The fence of a claim that was made and whose revision nobody knows any more. */
export const FENCE_UNKNOWN = '0';

/** Ends of claims that another attempt follows. */
const RETRIED: readonly HistoryRecord['end'][] = ['failed', 'timed-out'];

const HAPPENED: Settlement = { outcome: 'happened' };
const DID_NOT: Settlement = { outcome: 'did-not-happen' };

/** Rejects while the store is away. */
export async function settleIntent(reader: Reader, { event, trace = {} }: IntendedEvent): Promise<Settlement> {
  const evidence = EVIDENCE[event.kind];
  const found = evidence === undefined ? undefined : await evidence(reader, event, trace);
  if (found !== undefined) return found;
  const { source, base } = trace;
  if (source === undefined || base === undefined) return { outcome: 'unknown' };
  const { kv } = await reader.store.get(source);
  return (kv?.modRevision ?? '0') === base && base !== '0' ? DID_NOT : { outcome: 'unknown' };
}

type Evidence = (reader: Reader, event: BoiEvent, trace: EventTrace) => Promise<Settlement | undefined>;

const EVIDENCE: Partial<Record<EventKind, Evidence>> = {
  'task.claimed': claimed,
  'task.completed': ended,
  'task.failed': ended,
  'task.cancelled': ended,
  'task.retried': retried,
  'task.reassigned': moved,
  'spec.started': started,
  'task.dispatched': dispatched,
  'spec.completed': finished,
  'spec.failed': finished,
  'cluster.paused': async ({ store, keys }, _event, { at }) => {
    const { kv } = await store.get(keys.cluster());
    if (kv === undefined) return undefined;
    return String(codecs.cluster.decode(kv.key, kv.value).paused?.at) === at ? HAPPENED : undefined;
  },
  'node.degraded': async ({ store, keys }, { emitter }, { until }) => {
    const { kv } = await store.get(keys.nodeconf(emitter));
    if (kv === undefined) return undefined;
    return String(codecs.nodeconf.decode(kv.key, kv.value).coolingUntil) === until ? HAPPENED : undefined;
  },
  'provision.requested': requested,
  'provision.fulfilled': fulfilled,
  'provision.failed': provisionFailed,
  'cluster.ca_rotated': async ({ store }, _event, { line }) => {
    if (line === undefined) return undefined;
    return (await store.get(line)).kv === undefined ? DID_NOT : HAPPENED;
  },
};

async function claimed(reader: Reader, event: BoiEvent, { entry = '', nonce }: EventTrace) {
  const { kv } = await reader.store.get(entry);
  const record = kv === undefined ? undefined : codecs.entry.decode(kv.key, kv.value);
  if (kv !== undefined && record?.claim !== undefined && record.claim.nonce === nonce) {
    // A mark of a version that did not keep the fence has replaced it.
    const { cancel } = record;
    return withFence(event, cancel === undefined ? kv.modRevision : (cancel.fence ?? FENCE_UNKNOWN));
  }
  const { attempt, delivery, executor } = facts(event);
  const isIt = (one: { readonly node?: string; readonly attempt: number; readonly delivery?: number }) =>
    one.node === executor && one.attempt === attempt && one.delivery === delivery;
  const { result, history } = await traces(reader, event);
  if (result !== undefined && isIt(result)) return withFence(event, result.fence ?? FENCE_UNKNOWN);
  return history.some(isIt) ? withFence(event, FENCE_UNKNOWN) : undefined;
}

function withFence(event: BoiEvent, fence: string): Settlement {
  return { outcome: 'happened', final: { ...event, payload: { ...event.payload, fence } } as BoiEvent };
}

async function ended(reader: Reader, event: BoiEvent, trace: EventTrace): Promise<Settlement | undefined> {
  const { result, history } = await traces(reader, event);
  const { fence, delivery, outcome } = facts(event);
  const attempt = Number(trace.attempt);
  if (result?.attempt === attempt) {
    // A claim ends once: that its result was put by an earlier try, a moment before this one, is no difference.
    const same =
      fence !== undefined && result.fence !== undefined
        ? result.fence === fence && result.outcome === outcome
        : String(result.endedAt) === trace.endedAt;
    if (same) return HAPPENED;
    // A task that was cancelled before it ran and is retried keeps its attempt: both may have happened.
    return event.kind === 'task.cancelled' ? undefined : DID_NOT;
  }
  const end = outcome ?? 'cancelled';
  const own = history.find(
    (one) => one.final && one.attempt === attempt && one.end === end && String(one.at) === trace.endedAt,
  );
  return own !== undefined && (delivery === undefined || own.delivery === delivery) ? HAPPENED : undefined;
}

async function retried(reader: Reader, event: BoiEvent): Promise<Settlement | undefined> {
  const { attempt, delivery } = facts(event);
  const { history } = await traces(reader, event);
  // Of one that was given back another node may have had the same delivery: only this node's tells.
  const own = history.some(
    (one) =>
      !one.final &&
      one.attempt === attempt &&
      one.delivery === delivery &&
      one.node === event.emitter &&
      RETRIED.includes(one.end),
  );
  return own ? HAPPENED : undefined;
}

async function moved(reader: Reader, event: BoiEvent, { at }: EventTrace): Promise<Settlement | undefined> {
  const { from, to, why } = facts(event);
  const { entry } = await traces(reader, event);
  const isIt = (move: Facts) => String(move.at) === at && move.from === from && move.to === to && move.why === why;
  return (entry?.moves ?? []).some((move) => isIt(move)) ? HAPPENED : undefined;
}

async function started(reader: Reader, event: BoiEvent, { createdAt }: EventTrace): Promise<Settlement | undefined> {
  const header = await headerOf(reader, event);
  // Archived specs keep their header for days, and the id is this node's own: what is not there was never written.
  if (header === undefined || String(header.createdAt) !== createdAt) return DID_NOT;
  return header.state === 'writing' ? DID_NOT : HAPPENED;
}

async function dispatched(reader: Reader, event: BoiEvent): Promise<Settlement | undefined> {
  const header = await headerOf(reader, event);
  return header !== undefined && header.cursor >= indexOf(taskOf(event)) ? HAPPENED : DID_NOT;
}

async function finished(reader: Reader, event: BoiEvent, { endedAt }: EventTrace): Promise<Settlement | undefined> {
  const header = await headerOf(reader, event);
  if (header === undefined) return undefined;
  const state = event.kind === 'spec.failed' ? 'failed' : facts(event).outcome;
  return isFinalSpec(header) && header.state === state && String(header.endedAt) === endedAt ? HAPPENED : DID_NOT;
}

async function requested(reader: Reader, event: BoiEvent, trace: EventTrace): Promise<Settlement | undefined> {
  const { request } = facts(event);
  const need = await needOf(reader, trace);
  if (need?.request?.id === request || need?.last === request) return HAPPENED;
  return (await provisionedFor(reader, event)) === undefined ? undefined : HAPPENED;
}

async function fulfilled(reader: Reader, event: BoiEvent, trace: EventTrace): Promise<Settlement | undefined> {
  const { request, node } = facts(event);
  const made = await provisionedFor(reader, event);
  if (made !== undefined) return made.node === node && String(made.joinedAt) === trace.at ? HAPPENED : DID_NOT;
  // A request ends with the node that came of it, in one transaction.
  return (await needOf(reader, trace))?.request?.id === request ? DID_NOT : undefined;
}

async function provisionFailed(reader: Reader, event: BoiEvent, trace: EventTrace): Promise<Settlement | undefined> {
  const { request, reason, failures } = facts(event);
  const need = await needOf(reader, trace);
  const isThis = need?.request?.id === request;
  if (isThis && need?.request?.failed === undefined) return DID_NOT;
  // Of the one before, until the next has failed, too.
  const isLast = need?.last === request && need?.request?.failed === undefined;
  const isIt = need?.failed === reason && need?.failures === failures && String(need?.failedAt) === trace.at;
  if (isThis || isLast) return isIt ? HAPPENED : DID_NOT;
  return (await provisionedFor(reader, event)) === undefined ? undefined : DID_NOT;
}

async function needOf({ store }: Reader, { source }: EventTrace): Promise<ProvisionRecord | undefined> {
  const { kv } = source === undefined ? {} : await store.get(source);
  return kv && provisionCodec.decode(kv.key, kv.value);
}

async function provisionedFor({ store, keys }: Reader, event: BoiEvent): Promise<ProvisionedRecord | undefined> {
  const { kv } = await store.get(keys.provisioned(facts(event).request as ProvisionId));
  return kv && provisionedCodec.decode(kv.key, kv.value);
}

async function headerOf(reader: Reader, event: BoiEvent): Promise<SpecHeader | undefined> {
  const spc = facts(event).spec as SpecId;
  return (await readHeader(reader, { prj: event.project as ProjectId, spc }))?.record;
}

interface Traces {
  readonly entry?: QueueEntry;
  readonly result?: ResultRecord;
  readonly history: readonly HistoryRecord[];
}

/** What there is of a task, wherever it is. */
async function traces(reader: Reader, event: BoiEvent): Promise<Traces> {
  const task = taskOf(event);
  const place = await locateAnywhere(reader, event.project as ProjectId, task);
  if (place.kind === 'entry') {
    const entry = place.entry.record;
    return { entry, history: entry.history ?? [] };
  }
  if (place.kind === 'blocked') return { history: place.blocked.record.history ?? [] };
  const archived = place.header?.record.archived === undefined ? undefined : place.header.record;
  const result =
    place.kind === 'result'
      ? place.result.record
      : archived === undefined
        ? undefined
        : (
            await archivedResults(
              reader,
              event.project as ProjectId,
              specOf(task),
              archived,
              indexOf(task),
              indexOf(task),
            )
          ).get(indexOf(task));
  return result === undefined ? { history: [] } : { result, history: result.history ?? [] };
}

function taskOf(event: BoiEvent): TaskId {
  return facts(event).task as TaskId;
}

function facts({ payload }: BoiEvent): Facts {
  return payload as Facts;
}
