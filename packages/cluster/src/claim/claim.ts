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
 * Every turn is a heartbeat, whether it claims or not: the session renews its lease only while the loop turns. While a plugin
 * of the audit tier is behind it turns and claims nothing, and what comes meanwhile counts as not considered (see wedge.ts).
 */
import type { ProjectId, TaskId } from '@boi/core';
import { ABSENT, type Revision } from '@boi/store';
import { Bell } from '../base/bell.ts';
import type { Change } from '../base/mirror.ts';
import { lastPart } from '../keys.ts';
import type { QueueEntry } from '../records.ts';
import { type Candidate, type Pick, planClaims } from './claim-plan.ts';
import { companyMs } from './claim-spacing.ts';
import { LookAhead, type LookAheadOptions } from './look-ahead.ts';
import { CLAIM_EVENTS, Claimer, type ClaimerOptions } from './make-claims.ts';
import { Misfits } from './misfits.ts';

/** Claims in one request. */
const BATCH_MAX = 100;
/** Tasks that run at once here, counting those that need no slot. */
const RUNNING_MAX = 2_000;
/** The loop turns at least this often. */
const TURN_MS = 1_000;
/** Silent for longer than this, it does not turn any more. */
const TURN_LATE_MS = 5_000;

export interface ClaimLoopOptions extends ClaimerOptions, LookAheadOptions {
  /** Whether this node may claim now: live, its queue known, not paused, not draining. */
  readonly mayClaim: () => boolean;
  /** Shares of projects in the deficit, default 1. */
  readonly share: (project: ProjectId) => number;
  /** Ends what must not be run: a lost claim that was cancelled, or whose claims were lost too often. */
  readonly endLost: (candidate: Candidate) => boolean;
  /** After each turn. */
  readonly turned: () => void;
}

export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  #beatMono = Number.NEGATIVE_INFINITY;
  /** Since when a batch is under way. */
  #sentMono: number | undefined;
  #scanned: Revision = ABSENT;
  /** When what runs was last compared with the own queue. */
  #comparedMono = Number.NEGATIVE_INFINITY;
  #passedOver: Map<TaskId, number> = new Map();
  #served: ReadonlyMap<ProjectId, number> = new Map();
  /** When the last claims were sent, and how long it took until their outcome was known. */
  #claimedMono = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  #notBeforeMono = Number.NEGATIVE_INFINITY;
  readonly #bell: Bell;
  readonly #misfits: Misfits;
  readonly #lookAhead: LookAhead;
  readonly #claimer: Claimer;
  #running: Promise<void> | undefined;
  /** While an audit plugin is behind. */
  #roomy: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
    this.#bell = new Bell(options.deps.ctx.clock);
    this.#misfits = new Misfits(options.deps, options.queue);
    this.#lookAhead = new LookAhead(options);
    this.#claimer = new Claimer(options);
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

  /** Changes of the own queue, in order. */
  heard(changes: readonly Change<QueueEntry>[]): void {
    this.#claimer.heard(changes);
    for (const { key, after } of changes) if (after === undefined) this.#passedOver.delete(lastPart(key) as TaskId);
    this.wake();
  }

  /** A task has ended here. */
  freed(): void {
    this.#lookAhead.freed();
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
    const { deps, queue, locks, runs, mayClaim, turned } = this.#options;
    const { events } = deps.ctx;
    this.#beatMono = deps.ctx.clock.mono();
    const nextMs = queue.advance();
    const considered = queue.mirror.revision;
    // What waits behind an audit is as good as not looked at: another node may take it.
    const audited = events.hasRoom(CLAIM_EVENTS);
    if (!audited) this.#awaitRoom();
    const allowed = mayClaim() && audited && this.#beatMono >= this.#notBeforeMono;
    const waitMs = allowed ? this.#companyMs() : 0;
    if (allowed && waitMs === 0) {
      const picks = this.#plan();
      await this.#sending(() => this.#lookAhead.handBackLate());
      await this.#sending(() => this.#misfits.handOver());
      if (picks.length > 0) {
        this.#claimedMono = deps.ctx.clock.mono();
        const pauseMs = await this.#sending(() => this.#claimer.claim(picks));
        this.#tookMs = deps.ctx.clock.mono() - this.#claimedMono;
        if (pauseMs !== undefined) this.#notBeforeMono = deps.ctx.clock.mono() + pauseMs;
        this.#bell.ring();
      }
    }
    locks.tidy((project, hash) => queue.waitsForLock(project, hash));
    if (this.#beatMono - this.#comparedMono >= TURN_MS) {
      this.#comparedMono = this.#beatMono;
      runs.missing(queue);
    }
    if (audited && waitMs === 0) this.#scanned = considered;
    turned();
    return waitMs === 0 ? nextMs : Math.min(nextMs ?? waitMs, waitMs);
  }

  /** The loop goes on turning meanwhile: it is not hung, and keeps its lease. */
  #awaitRoom(): void {
    const { signal } = this.#stopping;
    this.#roomy ??= this.#options.deps.ctx.events.untilRoom(CLAIM_EVENTS, signal).finally(() => {
      this.#roomy = undefined;
      this.wake();
    });
  }

  /** While requests are under way the loop does not turn, and is not expected to. */
  async #sending<T>(send: () => Promise<T>): Promise<T> {
    const { clock } = this.#options.deps.ctx;
    this.#sentMono = clock.mono();
    try {
      return await send();
    } finally {
      this.#sentMono = undefined;
      this.#beatMono = clock.mono();
    }
  }

  #companyMs(): number {
    const { deps, held, queue, capacity } = this.#options;
    return companyMs({
      sinceMs: deps.ctx.clock.mono() - this.#claimedMono,
      tookMs: this.#tookMs,
      ahead: held.waits,
      queued: queue.queued,
      batchMax: BATCH_MAX,
      busySlots: held.busySlots,
      capacity,
    });
  }

  #plan(): readonly Pick[] {
    const { queue, held, locks, runs, capacity, share, endLost } = this.#options;
    const waiting = runs.startAhead(capacity);
    const plan = planClaims({
      lanes: queue.lanes,
      freeSlots: waiting.holding ? 0 : capacity - held.busySlots,
      capacity,
      startMax: Math.min(BATCH_MAX, RUNNING_MAX - held.running),
      aheadMax: this.#lookAhead.more(waiting.count),
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
}
