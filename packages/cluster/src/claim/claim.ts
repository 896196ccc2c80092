/**
 * The claim loop: takes due entries of the own queue by swapping a claim into them, and starts what fits. One batch is under
 * way at a time; the loop sleeps until the queue, the membership, a slot or the clock gives it a reason to look again.
 *
 * A claim compares, for the whole batch, the node's own record (this session), its settings (drain, cordon), `cluster`
 * (pause) and `incarnation`; for each entry its mod revision, and the slot of its concurrency key absent. The revision of
 * the answer is the fence. Refused as a whole: something the plan was made of has changed, it is read again first. An entry
 * refused: its change is on its way to the mirror, which will put it where it belongs. Unknown: the identical batch again.
 *
 * It claims no more ahead of its free slots than came free in the last second, and hands back what has waited for one too
 * long: behind tasks that run for an hour a claim would keep work from nodes that are idle, since only what is not claimed
 * can be stolen.
 *
 * Every turn is a heartbeat, whether it claims or not: the session renews its lease only while the loop turns.
 */
import { type ProjectId, randomHex, type TaskId } from '@boi/core';
import { ABSENT, type BatchItemAnswer, batchItemsMax, compareRevisions, type Revision } from '@boi/store';
import { Bell } from '../base/bell.ts';
import { settleBatch } from '../base/settle.ts';
import { handBack } from '../commit/hand-back.ts';
import type { NodeDeps } from '../deps.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import { codecs } from '../records.ts';
import { gotten } from '../spec/spec-ref.ts';
import { claimCompares } from './claim-compares.ts';
import { type Candidate, type Pick, planClaims } from './claim-plan.ts';
import { type Claiming, claimTxn, headerIn } from './claim-txn.ts';
import { claimEvent, type Held, type HeldTasks, newHeld } from './held.ts';
import type { Locks } from './locks.ts';
import { Misfits } from './misfits.ts';
import type { OwnQueue } from './own-queue.ts';
import type { Runs } from './run.ts';
import { standing } from './standing.ts';

/** Claims in one request. */
const BATCH_MAX = 100;
/** Of a request's values; the store's limit leaves room for keys and compares. */
const BATCH_CHARS_MAX = 600_000;
/** Tasks that run at once here, counting those that need no slot. */
const RUNNING_MAX = 2_000;
const AHEAD_MAX = 100;
/** Slots that came free in so long say how many will in the next, which is more than a claim takes. */
const TURNOVER_MS = 1_000;
/** A claim made ahead is handed back when no slot was free for it in so long. */
const AHEAD_WAIT_MS = 2_000;
/** The loop turns at least this often. */
const TURN_MS = 1_000;
/** Silent for longer than this, it does not turn any more. */
const TURN_LATE_MS = 5_000;
/** After a request that the store refused for another reason than a compare. */
const ERROR_PAUSE_MS = 1_000;

export interface ClaimLoopOptions {
  readonly deps: NodeDeps;
  readonly queue: OwnQueue;
  readonly held: HeldTasks;
  readonly runs: Runs;
  readonly locks: Locks;
  readonly capacity: number;
  /** Whether this node may claim now: live, its queue known, not paused, not draining. */
  readonly mayClaim: () => boolean;
  /** Shares of projects in the deficit, default 1. */
  readonly share: (project: ProjectId) => number;
  /** Ends what must not be run: a lost claim that was cancelled, or whose claims were lost too often. */
  readonly endLost: (candidate: Candidate) => boolean;
  /** Reads membership again after it proved to be behind. */
  readonly refresh: () => Promise<void>;
  /** The record of this session is gone. */
  readonly lose: (why: string) => void;
  /** A claim is no longer held; whether that was this node's own doing. */
  readonly settled: (held: Held, applied: boolean) => void;
  /** After each turn. */
  readonly turned: () => void;
}

export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  #beatMono = Number.NEGATIVE_INFINITY;
  /** Since when a batch is under way. */
  #sentMono: number | undefined;
  #scanned: Revision = ABSENT;
  #passedOver: ReadonlyMap<TaskId, number> = new Map();
  #served: ReadonlyMap<ProjectId, number> = new Map();
  #notBeforeMono = Number.NEGATIVE_INFINITY;
  /** When slots came free lately, oldest first. */
  readonly #freedMono: number[] = [];
  /** Since when claims made ahead wait. */
  readonly #aheadMono = new WeakMap<Held, number>();
  readonly #bell: Bell;
  readonly #misfits: Misfits;
  #running: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
    this.#bell = new Bell(options.deps.ctx.clock);
    this.#misfits = new Misfits(options.deps, options.queue);
  }

  /** Newest revision of the own queue the loop has considered. */
  get scanned(): Revision {
    return this.#scanned;
  }

  /** Whether the loop turns; while a request is under way it does as long as requests may take. */
  turning(): boolean {
    const { clock, config } = this.#options.deps.ctx;
    const now = clock.mono();
    if (this.#sentMono !== undefined) return now - this.#sentMono < 2 * config.sessionTtlMs;
    return now - this.#beatMono < TURN_LATE_MS;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  /** A task has ended here. */
  freed(): void {
    this.#freedMono.push(this.#options.deps.ctx.clock.mono());
    if (this.#freedMono.length > AHEAD_MAX) this.#freedMono.shift();
  }

  /** Something changed that may allow another claim or start. */
  wake(): void {
    this.#bell.ring();
  }

  async #run(): Promise<void> {
    const { log } = this.#options.deps.ctx;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#bell.clear();
      let nextMs: number | undefined;
      try {
        nextMs = await this.#turn();
      } catch (error) {
        // A bug must not end the loop silently: the session would keep its lease while nothing is claimed.
        if (!signal.aborted) log.error({ err: error }, 'a turn of the claim loop failed');
      }
      if (!signal.aborted) await this.#bell.wait(Math.min(nextMs ?? TURN_MS, TURN_MS));
    }
  }

  /** Answers in how many milliseconds the next entry is due, if one waits. */
  async #turn(): Promise<number | undefined> {
    const { deps, queue, locks, mayClaim, turned } = this.#options;
    this.#beatMono = deps.ctx.clock.mono();
    const nextMs = queue.advance();
    const considered = queue.mirror.revision;
    if (mayClaim() && this.#beatMono >= this.#notBeforeMono) {
      const picks = this.#plan();
      await this.#handBackWaiting();
      await this.#misfits.handOver();
      if (picks.length > 0) {
        await this.#claim(picks);
        this.#bell.ring();
      }
    }
    locks.tidy((project, hash) => queue.waitsForLock(project, hash));
    this.#scanned = considered;
    turned();
    return nextMs;
  }

  async #handBackWaiting(): Promise<void> {
    const { deps, held, runs, settled } = this.#options;
    const { clock, log } = deps.ctx;
    const nowMono = clock.mono();
    const late: Held[] = [];
    for (const ahead of held.inPhase('ahead')) {
      const sinceMono = this.#aheadMono.get(ahead) ?? nowMono;
      this.#aheadMono.set(ahead, sinceMono);
      // One that smaller ones overtake keeps its turn: slots will be kept for it.
      if (nowMono - sinceMono >= AHEAD_WAIT_MS && !runs.wasPassedOver(ahead)) late.push(ahead);
    }
    if (late.length === 0) return;
    this.#sentMono = nowMono;
    try {
      await handBack(deps, held, late, settled);
    } catch (error) {
      // The session ended: what is claimed and not held is looked at anew with the next one.
      if (!deps.session.signal().aborted) log.warn({ err: error }, 'claims made ahead could not be handed back');
    } finally {
      this.#sentMono = undefined;
      this.#beatMono = clock.mono();
    }
  }

  /** How many may wait here for a slot. */
  #lookAhead(): number {
    const { deps, capacity } = this.#options;
    const { clock, config } = deps.ctx;
    const sinceMono = clock.mono() - TURNOVER_MS;
    const turnover = this.#freedMono.filter((mono) => mono >= sinceMono).length;
    return Math.min(AHEAD_MAX, turnover, Math.ceil(capacity * config.lookAheadPerSlot));
  }

  #plan(): readonly Pick[] {
    const { queue, held, locks, runs, capacity, share, endLost } = this.#options;
    const waiting = runs.startAhead(capacity);
    const plan = planClaims({
      lanes: queue.lanes,
      freeSlots: waiting.holding ? 0 : capacity - held.busySlots,
      capacity,
      startMax: Math.min(BATCH_MAX, RUNNING_MAX - held.running),
      aheadMax: this.#lookAhead() - waiting.count,
      riskyHere: held.risky,
      passedOver: this.#passedOver,
      served: this.#served,
      share,
      lockSlots: (project, hash, limit) => locks.slots(project, hash, limit),
      busy: (task) => held.get(task) !== undefined,
    });
    this.#passedOver = plan.passedOver;
    this.#served = plan.served;
    const picks = plan.picks.filter(({ candidate }) => {
      if (candidate.lost && endLost(candidate)) {
        queue.take(candidate.task);
        return false;
      }
      return !this.#misfits.take(candidate);
    });
    return picks.slice(0, BATCH_MAX);
  }

  async #claim(picks: readonly Pick[]): Promise<void> {
    const { deps, held, queue } = this.#options;
    const { ctx, session, membership } = deps;
    const { clock, metrics } = ctx;
    const epoch = session.epoch();
    if (epoch === undefined) return;
    const snapshot = membership.snapshot();
    const nonce = randomHex(ctx.random, 8);
    const items: Claiming[] = [];
    let chars = 0;
    for (const pick of picks) {
      const item = claimTxn(deps, pick, epoch, nonce);
      for (const op of item.txn.success) if (op.op === 'put') chars += op.value.length;
      if (chars > BATCH_CHARS_MAX && items.length > 0) break;
      items.push(item);
    }
    const widest = Math.max(...items.map(({ txn }) => Math.max(txn.success.length, txn.compares.length)));
    items.splice(batchItemsMax(0, widest));

    for (const { pick } of items) queue.take(pick.candidate.task);
    held.claiming(nonce);
    this.#sentMono = clock.mono();
    /** To be planned again as the mirror shows them. */
    let again: readonly Claiming[] = [];
    try {
      const answer = await settleBatch(ctx, session.signal(), {
        compares: [
          ...session.compares(),
          ...claimCompares(
            deps,
            snapshot,
            items.map(({ entry }) => entry),
          ),
        ],
        items: items.map(({ txn }) => txn),
        failure: [{ op: 'get', key: ctx.keys.node(deps.self) }],
      });
      metrics.observe('boi_core_claim_seconds', (clock.mono() - this.#sentMono) / 1000);
      if (answer.outcome === 'refused') {
        metrics.count('boi_core_claim_conflicts_total', 1, { what: 'outer' });
        const own = answer.answers[0];
        if (own?.op === 'get' && own.kv?.createRevision !== epoch) this.#options.lose('its record is gone');
        else await this.#options.refresh();
        again = answer.resent ? await this.#notMine(items, nonce, snapshot) : items;
        return;
      }
      again = items.filter((item, i) => {
        return !this.#settled(item, answer.items[i] as BatchItemAnswer, answer.revision, nonce, snapshot);
      });
    } catch (error) {
      // The session ended, which makes the node look at everything again; or the store refuses to write at all.
      if (session.signal().aborted) return;
      ctx.log.error({ err: error }, 'a claim failed');
      this.#notBeforeMono = clock.mono() + ERROR_PAUSE_MS;
      again = items;
    } finally {
      this.#sentMono = undefined;
      this.#beatMono = clock.mono();
      held.claimed(nonce);
      for (const { pick } of again) queue.reconsider(pick.candidate.task);
    }
  }

  /** Holds those of a refused batch that its first sending has claimed after all; answers the others. */
  async #notMine(items: readonly Claiming[], nonce: string, snapshot: MembershipSnapshot): Promise<Claiming[]> {
    const { ctx } = this.#options.deps;
    const answers = await standing(
      ctx,
      items.map(({ key }) => key),
    );
    return items.filter((item, i) => {
      const answer = answers[i] as BatchItemAnswer;
      if (gotten(codecs.entry, answer.answers[0])?.record.claim?.nonce !== nonce) return true;
      return !this.#settled(item, answer, ABSENT, nonce, snapshot);
    });
  }

  /** Answers false for an entry that may be tried again; of one that has changed the mirror hears. */
  #settled(
    item: Claiming,
    answer: BatchItemAnswer,
    revision: Revision,
    nonce: string,
    snapshot: MembershipSnapshot,
  ): boolean {
    const { deps, held, runs, locks, queue } = this.#options;
    const { ctx, self } = deps;
    const { task } = item.pick.candidate;
    let entry = item.entry;
    let fence = revision;
    if (answer.outcome === 'refused') {
      const found = gotten(codecs.entry, answer.answers[0]);
      if (found?.record.claim?.nonce !== nonce) {
        const lock = answer.answers[1];
        const lockTaken = lock?.op === 'get' && lock.kv !== undefined;
        ctx.metrics.count('boi_core_claim_conflicts_total', 1, { what: lockTaken ? 'lock' : 'entry' });
        if (lockTaken && item.entry.lock !== undefined) locks.refused(item.entry.prj, item.entry.lock.hash);
        return !lockTaken;
      }
      entry = found.record;
      fence = found.modRevision;
    }
    // The mirror may be ahead of this answer: a cancel mark may be known already, or that the task was taken away.
    const known = queue.entry(task);
    if (known === undefined) return true;
    const ahead = compareRevisions(known.modRevision, fence) > 0;
    if (ahead && known.record.claim?.nonce !== nonce) return true;
    const header = entry.single && answer.outcome === 'applied' ? headerIn(answer.answers) : undefined;
    const claim = newHeld({
      task,
      key: item.key,
      nonce,
      fence,
      incarnation: snapshot.incarnationRevision,
      entry: ahead ? known.record : entry,
      revision: ahead ? known.modRevision : fence,
      phase: 'ahead',
      ...(header === undefined ? {} : { header }),
    });
    held.add(claim);
    ctx.metrics.count('boi_core_claims_total');
    ctx.metrics.observe('boi_core_claim_latency_seconds', Math.max(0, ctx.clock.now() - entry.queuedAt) / 1000);
    ctx.emit(claimEvent(self, claim, 'task.claimed'));
    // Cancelled already: it ends without waiting for a slot.
    if (!item.pick.ahead || claim.entry.cancel !== undefined) runs.start(claim);
    return true;
  }
}
