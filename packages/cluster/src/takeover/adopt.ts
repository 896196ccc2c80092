/**
 * Takes over what one dead node left: its queue and the coordination of its specs. Every batch compares the dead node's record
 * absent, so nothing is taken from one that came back. Each entry moves to its new winner: entry unchanged, target key absent,
 * target's record unchanged. A claimed one counts a lost delivery; at the limit it ends as `poison` instead, and one that was
 * to be cancelled ends as `cancelled`. No capable successor: unclaimed ones go to `unassigned`; claimed ones are left exactly
 * as they are, so that their late commit still finds the revision it compares (views show them as waiting).
 *
 * Two nodes may adopt the same queue at once: the second one's compares fail. Safe to repeat. A record that cannot be read is
 * left where it is, told, and keeps nobody from the others. Called by adopter.ts, which knows when and for whom. Of an expelled
 * node nothing is left in place: its commits are not wanted any more.
 */
import { type NodeId, type SpecId, sleep, specOf, type TaskId } from '@boi/core';
import type { KeyValue, Revision } from '@boi/store';
import { pages } from '../base/pages.ts';
import { settleBatch } from '../base/settle.ts';
import { ENDING_EVENTS, resultEvents } from '../commit/commit-events.ts';
import type { NodeDeps } from '../deps.ts';
import type { Foretold } from '../events/cluster-event.ts';
import { lastPart } from '../keys.ts';
import { placementFactsOf, routedTaskOf } from '../placement/placement.ts';
import { batches, type PlannedMove, planMove, sendMoves } from '../placement/send-moves.ts';
import { type Codec, codecs, fenceOf, type QueueEntry, type ResultRecord, type Stored } from '../records.ts';
import { readHeader, stored } from '../spec/spec-ref.ts';
import { isDead } from './dead.ts';
import { afterlife, END_OPS_MAX, endLostTxn } from './lost-claim.ts';
import { takeOverCoordination } from './take-over.ts';

/** An adoption whose moves are refused looks again this often: targets go away, entries change. */
const PASSES_MAX = 20;
const PASS_PAUSE_MS = 20;

/** `done`: nothing is left; `stranded`: only claims that nobody else could run; `alive`: the node is back. */
export type Adoption = { readonly outcome: 'done' | 'stranded' | 'alive' | 'unfinished'; readonly moved: number };

interface Ended {
  readonly task: TaskId;
  readonly entry: QueueEntry;
  readonly source: string;
  readonly fence: Revision;
  /** Of the entry, to compare. */
  readonly revision: Revision;
  readonly result: ResultRecord;
  readonly txn: ReturnType<typeof endLostTxn>;
}

interface Planned {
  readonly moves: PlannedMove[];
  readonly ends: Ended[];
  stranded: number;
}

interface Adopting {
  readonly deps: NodeDeps;
  readonly dead: NodeId;
  readonly signal: AbortSignal;
  readonly expelled: boolean;
}

/** To the end as far as it can be brought now. Rejects when the store is away or the signal aborts. */
export async function adoptNode(
  deps: NodeDeps,
  dead: NodeId,
  signal: AbortSignal,
  { expelled = false }: { readonly expelled?: boolean } = {},
): Promise<Adoption> {
  const adopting: Adopting = { deps, dead, signal, expelled };
  let moved = 0;
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    if (pass > 0) await sleep(deps.ctx.clock, PASS_PAUSE_MS * pass, signal);
    const queue = await adoptQueue(adopting);
    moved += queue.moved;
    if (queue.alive) return { outcome: 'alive', moved };
    if (queue.refused > 0) continue;
    const later = await adoptCoordination(adopting);
    if (later > 0) return { outcome: 'unfinished', moved };
    return { outcome: queue.stranded > 0 ? 'stranded' : 'done', moved };
  }
  return { outcome: 'unfinished', moved };
}

async function adoptQueue(
  adopting: Adopting,
): Promise<{ moved: number; refused: number; stranded: number; alive: boolean }> {
  const { deps, dead, signal } = adopting;
  const { store, keys } = deps.ctx;
  const total = { moved: 0, refused: 0, stranded: 0, alive: false };
  for await (const { kvs } of pages(store, keys.queueOf(dead))) {
    if (kvs.length === 0) break;
    const { moves, ends, stranded } = await plan(adopting, kvs);
    total.stranded += stranded;
    const sent = await sendMoves(deps, moves, isDead(keys, dead), signal);
    total.moved += sent.applied.length;
    total.refused += sent.refused.length;
    const ended = sent.stopped ? { applied: 0, refused: 0, stopped: true } : await endClaims(adopting, ends);
    total.moved += ended.applied;
    total.refused += ended.refused;
    if (sent.stopped || ended.stopped) return { ...total, alive: true };
  }
  return total;
}

async function plan({ deps, dead, expelled }: Adopting, kvs: readonly KeyValue[]): Promise<Planned> {
  const { ctx } = deps;
  const { keys, config } = ctx;
  const placer = await deps.placer();
  const nowMs = ctx.clock.now();
  const planned: Planned = { moves: [], ends: [], stranded: 0 };
  const exclude = new Set<string>([dead]);
  const entries = kvs.flatMap((kv) => readable(deps, codecs.entry, kv, 'queue') ?? []);
  await placer.consult(() =>
    entries.map(({ key, record }) => routedTaskOf(lastPart(key) as TaskId, record.prj, record)),
  );
  for (const entry of entries) {
    const task = lastPart(entry.key) as TaskId;
    const next = afterlife(dead, entry, config.deliveriesMax, nowMs);
    if (next.kind === 'end') {
      const { prj, single } = entry.record;
      const header = single ? await readHeader(ctx, { prj, spc: specOf(task) }) : undefined;
      const txn = endLostTxn(keys, task, entry, next.result, header);
      planned.ends.push({
        task,
        source: entry.key,
        entry: entry.record,
        fence: fenceOf(entry),
        revision: entry.modRevision,
        result: next.result,
        txn,
      });
      continue;
    }
    const placed = placer.place(task, placementFactsOf(entry.record), { exclude });
    if (placed.member === undefined && next.claimed && !expelled) {
      planned.stranded++;
      continue;
    }
    const move = { keys, task, from: dead, stored: entry, entry: next.entry, why: 'adopted' as const, nowMs };
    planned.moves.push(planMove(move, placed));
  }
  return planned;
}

/** Ends claims that are not to be run again. */
async function endClaims(
  { deps, dead, signal }: Adopting,
  ends: readonly Ended[],
): Promise<{ applied: number; refused: number; stopped: boolean }> {
  const { ctx } = deps;
  let applied = 0;
  let refused = 0;
  for (const batch of batches(ends, ({ txn }) => txn, END_OPS_MAX)) {
    const items = batch.map(({ txn }) => txn);
    const places: number[] = [];
    const foretell = () => {
      const all: Foretold[] = [];
      for (const ended of batch) {
        places.push(all.length);
        all.push(...endedEvents(dead, ended));
      }
      return all;
    };
    const intending = ctx.events.intend(ENDING_EVENTS, foretell, { signal, urgent: true });
    const intents = intending === undefined ? undefined : await intending;
    try {
      const answer = await settleBatch(ctx, signal, { compares: isDead(ctx.keys, dead), items });
      if (answer.outcome === 'refused') return { applied, refused: refused + batch.length, stopped: true };
      for (const [i, ended] of batch.entries()) {
        if (answer.items[i]?.outcome !== 'applied') refused++;
        else {
          applied++;
          ctx.metrics.count('boi_core_commits_total', 1, { outcome: ended.result.outcome });
          for (const [n, { event }] of endedEvents(dead, ended).entries())
            ctx.events.happened(event, intents, (places[i] ?? 0) + n);
        }
      }
      // Refused on a second sending, the first may have ended it: the store tells later.
      if (!answer.resent) intents?.noneHappened();
    } finally {
      intents?.leave();
    }
  }
  return { applied, refused, stopped: false };
}

function endedEvents(dead: NodeId, { task, source, entry, fence, revision, result }: Ended): Foretold[] {
  return resultEvents(
    dead,
    { task, spec: specOf(task), project: entry.prj, entry, key: source, revision, fence },
    result,
  );
}

/** Answers how many must be tried again. */
async function adoptCoordination({ deps, dead, signal }: Adopting): Promise<number> {
  const { store, keys } = deps.ctx;
  let later = 0;
  for await (const { kvs } of pages(store, keys.coordsOf(dead))) {
    for (const kv of kvs) {
      const coord = readable(deps, codecs.coord, kv, 'coord');
      if (coord === undefined) continue;
      const spc = lastPart(kv.key) as SpecId;
      if ((await takeOverCoordination(deps, dead, coord.record.prj, spc, signal)) === 'later') later++;
    }
  }
  return later;
}

function readable<T>({ ctx }: NodeDeps, codec: Codec<T>, kv: KeyValue, what: string): Stored<T> | undefined {
  try {
    return stored(codec, kv);
  } catch (error) {
    ctx.log.error({ err: error, key: kv.key }, 'a record cannot be read; it is left alone');
    ctx.metrics.count('boi_core_records_unreadable_total', 1, { what });
    return undefined;
  }
}
