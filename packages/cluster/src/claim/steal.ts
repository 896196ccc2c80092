/**
 * A node with free slots and nothing in its own queue takes work from a busy one: move and claim in one transaction. The
 * victim is drawn by backlog among nodes without a free slot; taken are only unclaimed entries, due now, for which this node
 * ranks first among the nodes with free slots, so that two thieves seldom want the same.
 *
 * Compares: what a claim compares for the whole batch (this session, own settings, `cluster`, `incarnation`), and for each
 * entry its revision and the own key absent. The stolen entry appears in the own queue already claimed, under a nonce that
 * was made known before the request; it is held as claimed ahead and the claim loop starts it on its next turn.
 */
import { BoiError, jitter, type NodeId, randomHex, sleep, specOf, type TaskId, winner } from '@boi/core';
import {
  ABSENT,
  absent,
  type BatchItemAnswer,
  compareRevisions,
  type Op,
  type Revision,
  type Txn,
  unchanged,
} from '@boi/store';
import { settleBatch } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import type { Foretold } from '../events/cluster-event.ts';
import type { Intents } from '../events/events.ts';
import { FENCE_UNKNOWN } from '../events/settle-intent.ts';
import { lastPart } from '../keys.ts';
import { isSchedulable, type Member, type MembershipSnapshot } from '../membership/membership-types.ts';
import { isCandidate, placementFactsOf, weighted } from '../placement/placement.ts';
import { QueueHeads } from '../placement/queue-head.ts';
import { codecs, type LoadRecord, MOVES_MAX, type QueueEntry, type Stored } from '../records.ts';
import { gotten } from '../spec/spec-ref.ts';
import { claimCompares } from './claim-compares.ts';
import { claimFacts, type HeldTasks, newHeld } from './held.ts';
import type { OwnQueue } from './own-queue.ts';
import { standing } from './standing.ts';

/** Between looks while there is nothing to take: grows from the first to the second. */
const LOOK_FIRST_MS = 250;
const LOOK_MAX_MS = 4_000;
/** Unclaimed entries wanted in one read of a victim's queue, besides its claimed ones. */
const HEAD_MAX = 64;
const STEAL_MAX = 32;
const THEFT_EVENTS = ['task.reassigned', 'task.claimed'] as const;

export interface StealOptions {
  readonly held: HeldTasks;
  readonly queue: OwnQueue;
  /** Slots of this node. */
  readonly capacity: number;
  /** Whether this node may claim now. */
  readonly mayClaim: () => boolean;
  /** Something is held that can start. */
  readonly wake: () => void;
}

interface Loot {
  readonly task: TaskId;
  readonly entry: QueueEntry;
  readonly key: string;
  readonly txn: Txn;
}

export class Stealer {
  readonly #deps: NodeDeps;
  readonly #options: StealOptions;
  readonly #heads: QueueHeads;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps, options: StealOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#heads = new QueueHeads(deps);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping', { retryAfterS: 1 }));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { ctx } = this.#deps;
    const { signal } = this.#stopping;
    let delayMs = LOOK_FIRST_MS;
    while (!signal.aborted) {
      await sleep(ctx.clock, jitter(ctx.random, delayMs, 0.2), signal).catch(() => undefined);
      if (signal.aborted) return;
      if (!this.#idle()) {
        delayMs = LOOK_FIRST_MS;
        continue;
      }
      try {
        delayMs = (await this.steal()) > 0 ? LOOK_FIRST_MS : Math.min(2 * delayMs, LOOK_MAX_MS);
      } catch (error) {
        delayMs = LOOK_MAX_MS;
        if (!signal.aborted) ctx.log.debug({ err: error }, 'stealing failed; the next look will do');
      }
    }
  }

  #free(): number {
    return this.#options.capacity - this.#options.held.busySlots;
  }

  #idle(): boolean {
    const { queue, held, mayClaim } = this.#options;
    const idle = mayClaim() && queue.queued === 0 && this.#free() > 0 && held.inPhase('ahead').length === 0;
    return idle && this.#deps.ctx.events.hasRoom(THEFT_EVENTS);
  }

  /** One look; answers how many it took. */
  async steal(): Promise<number> {
    const { ctx, self, membership, session } = this.#deps;
    const loads = await membership.loads();
    const snapshot = membership.snapshot();
    const nowMs = ctx.clock.now();
    const own = snapshot.members.get(self);
    if (own === undefined || !isSchedulable(own, nowMs) || snapshot.cluster.paused !== undefined) return 0;
    this.#heads.keep(snapshot.members);
    const victim = drawVictim(self, snapshot, loads, ctx.random.next());
    if (victim === undefined) return 0;
    const limit = Math.min(1000, (loads.get(victim)?.running ?? 0) + HEAD_MAX);
    const head = await this.#heads.read(victim, limit);
    const epoch = session.epoch();
    if (epoch === undefined || !this.#idle()) return 0;
    // Taken from this node a moment ago, a copy may still be ending here: no newer one starts beside it.
    const strange = head.filter(({ key }) => this.#options.held.get(lastPart(key) as TaskId) === undefined);
    const wanted = chooseLoot(self, strange, snapshot, loads, {
      free: this.#free(),
      nowMs,
      risky: this.#options.held.risky,
    });
    if (wanted.length === 0) return 0;
    return this.#take(victim, wanted, epoch, snapshot);
  }

  async #take(
    victim: NodeId,
    wanted: readonly Stored<QueueEntry>[],
    epoch: Revision,
    snapshot: MembershipSnapshot,
  ): Promise<number> {
    const { ctx, session } = this.#deps;
    const { held } = this.#options;
    const nonce = randomHex(ctx.random, 8);
    const loot = wanted.map((stored) => this.#loot(victim, stored, epoch, nonce));
    const compares = [
      ...session.compares(),
      ...claimCompares(
        this.#deps,
        snapshot,
        wanted.map(({ record }) => record),
      ),
    ];
    held.claiming(nonce);
    let intents: Intents | undefined;
    try {
      const signal = AbortSignal.any([this.#stopping.signal, session.signal()]);
      const foretold = () => loot.flatMap((item, i) => this.#foretold(victim, item, wanted[i] as Stored<QueueEntry>));
      const intending = ctx.events.intend(THEFT_EVENTS, foretold, { signal, urgent: true });
      if (intending !== undefined) intents = await intending;
      const answer = await settleBatch(ctx, signal, { compares, items: loot.map(({ txn }) => txn) });
      if (answer.outcome === 'refused' && !answer.resent) {
        intents?.noneHappened();
        return 0;
      }
      const [items, revision] =
        answer.outcome === 'applied'
          ? [answer.items, answer.revision]
          : [
              await standing(
                ctx,
                loot.map(({ key }) => key),
              ),
              ABSENT,
            ];
      let taken = 0;
      loot.forEach((item, i) => {
        const one = items[i] as BatchItemAnswer;
        if (this.#taken(victim, item, one, revision, nonce, snapshot, { intents, i: 2 * i })) taken++;
      });
      // Sent twice: the first sending may have taken one that is somebody else's, or over, by now. The store is asked later.
      if (!answer.resent) intents?.noneHappened();
      if (taken > 0) this.#options.wake();
      return taken;
    } finally {
      intents?.leave();
      held.claimed(nonce);
      // What the request did and nobody here knows of is claimed anew, as the own queue shows it.
      for (const { task } of loot) if (held.get(task) === undefined) this.#options.queue.reconsider(task);
    }
  }

  #loot(victim: NodeId, stored: Stored<QueueEntry>, epoch: Revision, nonce: string): Loot {
    const { ctx, self } = this.#deps;
    const { keys, clock } = ctx;
    const at = clock.now();
    const task = lastPart(stored.key) as TaskId;
    const key = keys.queue(self, task);
    const { record } = stored;
    const moves = [...(record.moves ?? []), { at, from: victim, to: self, why: 'stolen' as const }].slice(-MOVES_MAX);
    const entry: QueueEntry = { ...record, deliveries: record.deliveries + 1, claim: { epoch, nonce, at }, moves };
    const success: Op[] = [
      { op: 'delete', key: stored.key },
      { op: 'put', key, value: codecs.entry.encode(entry) },
    ];
    if (record.single) success.push({ op: 'get', key: keys.spec(record.prj, specOf(task)) });
    const compares = [unchanged(stored.key, stored.modRevision), absent(key)];
    return { task, entry, key, txn: { compares, success, failure: [{ op: 'get', key }] } };
  }

  #taken(
    victim: NodeId,
    { task, key, entry }: Loot,
    answer: BatchItemAnswer,
    revision: Revision,
    nonce: string,
    snapshot: MembershipSnapshot,
    { intents, i }: { readonly intents: Intents | undefined; readonly i: number },
  ): boolean {
    const { ctx } = this.#deps;
    const { held, queue } = this.#options;
    // Sent twice: the first sending's own effect refused the second. What stands under the key tells.
    const found = answer.outcome === 'refused' ? gotten(codecs.entry, answer.answers[0]) : undefined;
    if (answer.outcome === 'refused' && found?.record.claim?.nonce !== nonce) return false;
    // This claim has made the key: if it was marked to be cancelled since, that changed its revision, and the entry held is the marked one.
    const fence = found?.createRevision ?? revision;
    const [moved, claimed] = this.#events(victim, task, entry, fence);
    ctx.events.happened(moved, intents, i);
    ctx.events.happened(claimed, intents, i + 1);
    const stands = { record: found?.record ?? entry, modRevision: found?.modRevision ?? revision };
    const known = queue.entry(task);
    // The mirror is past the claim and shows something else: it was taken away again.
    if (compareRevisions(queue.mirror.revision, stands.modRevision) >= 0 && known?.record.claim?.nonce !== nonce)
      return false;
    const newest = known !== undefined && compareRevisions(known.modRevision, stands.modRevision) > 0 ? known : stands;
    const header =
      answer.outcome === 'applied' && entry.single ? gotten(codecs.spec, answer.answers.at(-1)) : undefined;
    const claim = newHeld({
      task,
      key,
      nonce,
      fence,
      incarnation: snapshot.incarnationRevision,
      entry: newest.record,
      revision: newest.modRevision,
      phase: 'ahead',
      ...(header === undefined ? {} : { header }),
    });
    held.add(claim);
    ctx.metrics.count('boi_core_moves_total', 1, { why: 'stolen' });
    ctx.metrics.count('boi_core_claims_total');
    return true;
  }

  #events(victim: NodeId, task: TaskId, entry: QueueEntry, fence: string) {
    const { self } = this.#deps;
    const { prj: project, attempt } = entry;
    const spec = specOf(task);
    return [
      { kind: 'task.reassigned', project, task, spec, from: victim, to: self, why: 'stolen', attempt },
      { kind: 'task.claimed', ...claimFacts(self, { task, spec, project, fence, entry }) },
    ] as const;
  }

  #foretold(
    victim: NodeId,
    { task, entry, key }: Loot,
    { key: source, modRevision: base }: Stored<QueueEntry>,
  ): Foretold[] {
    const [moved, claimed] = this.#events(victim, task, entry, FENCE_UNKNOWN);
    const { at, nonce } = entry.claim as NonNullable<QueueEntry['claim']>;
    return [
      { event: moved, trace: { source, base, at: String(at) } },
      { event: claimed, trace: { source, base, entry: key, nonce } },
    ];
  }
}

/** A live node with a backlog and no free slot, the likelier the longer its backlog. `draw` is in [0, 1). */
export function drawVictim(
  self: NodeId,
  snapshot: MembershipSnapshot,
  loads: ReadonlyMap<NodeId, LoadRecord>,
  draw: number,
): NodeId | undefined {
  const backlog = [...snapshot.members.values()].flatMap(({ id, record }) => {
    const load = loads.get(id);
    if (id === self || load === undefined || load.queued === 0 || load.busy < record.slots) return [];
    return [{ id, queued: load.queued }];
  });
  let at = draw * backlog.reduce((sum, { queued }) => sum + queued, 0);
  for (const { id, queued } of backlog) {
    at -= queued;
    if (at < 0) return id;
  }
  return undefined;
}

/** What this node should take of a victim's head: due, unclaimed, without a concurrency key, and its own by rank. */
export function chooseLoot(
  self: NodeId,
  head: readonly Stored<QueueEntry>[],
  snapshot: MembershipSnapshot,
  loads: ReadonlyMap<NodeId, LoadRecord>,
  { free, nowMs, risky }: { readonly free: number; readonly nowMs: number; readonly risky: boolean },
): Stored<QueueEntry>[] {
  const withRoom = [...snapshot.members.values()].filter(
    ({ id, record }) => id === self || (loads.get(id)?.busy ?? 0) < record.slots,
  );
  const able = new Map<string, readonly Member[]>();
  const loot: Stored<QueueEntry>[] = [];
  let left = free;
  let last = risky;
  for (const stored of head) {
    if (loot.length === STEAL_MAX || left <= 0) break;
    const { record } = stored;
    const slots = record.slots ?? 1;
    if (record.claim !== undefined || record.lock !== undefined || (record.notBefore ?? 0) > nowMs || slots > left)
      continue;
    // A task whose claims were lost twice starts only where no other such task runs.
    if (record.deliveries >= 2 && last) continue;
    const facts = placementFactsOf(record);
    const kind = JSON.stringify(facts);
    const members = able.get(kind) ?? withRoom.filter((member) => isCandidate(member, facts, nowMs, snapshot));
    able.set(kind, members);
    if (winner(lastPart(stored.key), weighted(members)) !== self) continue;
    if (record.deliveries >= 2) last = true;
    left -= slots;
    loot.push(stored);
  }
  return loot;
}
