/**
 * This node's session: a lease, and the record `nodes/{nod}` bound to it whose create revision is the *epoch*. While the
 * session lives the node may claim; when it ends others may take its tasks. One per process, never two of one identity.
 *
 *   joining ──registered──► live ──deadline passed, lease expired, record gone──► lost ──► joining …
 *   (any)   ──stop────────► stopped
 *
 * joining: waits until no record of this id is left (an older session of this very process is revoked first, and so is that of
 *   the process before, if it is certain that it is dead; any other process's is waited for until it must have expired, and is
 *   then `identity-in-use`), checks that it knows the cluster's schema, and registers comparing the record absent: a put over a live
 *   record would keep its create revision.
 * live: a keep-alive every third of the time to live. The deadline counts from the *sending* of the last one that
 *   succeeded, less a margin. When it has passed by the monotonic clock the session is lost, whatever the server thinks.
 *   When only the wall clock says so (it jumped, or the host slept and the monotonic clock did not count it), the node does
 *   not use the session until a keep-alive has shown that the lease lives.
 * lost: nothing may be claimed; the runner is told, so that exclusive tasks end before the lease can. Joining begins at
 *   once and never gives up.
 *
 * Keep-alives go out only while the claim loop turns: a node whose loop hangs must lose its lease, or nobody would adopt
 * its tasks.
 */
import { BoiError, jitter, type NodeId, sleep, type TaskRunner } from '@boi/core';
import { type Compare, type LeaseId, type Revision, sameCreation } from '@boi/store';
import { Bell } from '../base/bell.ts';
import type { SessionState } from '../node-types.ts';
import { type Lasting, lasting, runnerDeadline } from './deadlines.ts';
import { type Former, type RegisterOptions, recordGone, register } from './register.ts';
import type { Session } from './session-types.ts';

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;
/** A keep-alive that failed is sent again after this long; the regular pace is a third of the time to live. */
const KEEP_ALIVE_RETRY_MS = 500;

export interface NodeSessionOptions extends RegisterOptions {
  readonly runner: Pick<TaskRunner, 'setDeadline'>;
  /** Whether the claim loop has turned of late. */
  readonly turning: () => boolean;
  /** Default: nothing is known of the process before. */
  readonly memory?: SessionMemory;
}

/**
 * What a process leaves to the next one with its identity, so that this one need not wait for a lease to expire that nobody
 * renews, while others take away what it could go on with.
 */
export interface SessionMemory {
  /** Epoch of the last session of a process that is certainly dead; undefined: that is not certain. */
  read(): Promise<string | undefined>;
  /** A session of this process begins. */
  write(epoch: string): Promise<void>;
}

interface Live extends Lasting {
  readonly lease: LeaseId;
  readonly epoch: Revision;
  readonly abort: AbortController;
}

/** No answer to a read or a write, or somebody was faster: the next try may go better. */
const OUTAGES: readonly string[] = ['store-unreachable', 'outcome-unknown', 'conflict'];

export class NodeSession implements Session {
  readonly node: NodeId;
  readonly #options: NodeSessionOptions;
  readonly #liveListeners = new Set<(epoch: Revision) => void>();
  readonly #lostListeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  #state: SessionState = 'joining';
  #since: number;
  #live: Live | undefined;
  /** This process has had a session. */
  #registered = false;
  /** The lease of the session before, until it is surely gone. */
  #oldLease: LeaseId | undefined;
  /** What `signal` answers while there is no session. */
  #noSession = AbortSignal.abort(notLive());
  #running: Promise<void> | undefined;
  /** Ends the wait of the keep-alive loop. */
  readonly #bell: Bell;
  /** The next keep-alive may be sent now: none is under way, and the last one succeeded. */
  #mayHurry = false;

  constructor(options: NodeSessionOptions) {
    this.#options = options;
    this.node = options.identity.id;
    this.#since = options.ctx.clock.mono();
    this.#bell = new Bell(options.ctx.clock);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Since when, on the monotonic clock. */
  get since(): number {
    return this.#since;
  }

  /** The lease to put lease-bound keys with, while live. */
  get lease(): LeaseId | undefined {
    return this.epoch() === undefined ? undefined : this.#live?.lease;
  }

  epoch(): Revision | undefined {
    const live = this.#live;
    if (live === undefined) return undefined;
    const { clock } = this.#options.ctx;
    if (clock.mono() >= live.deadlineMono) return undefined;
    if (clock.now() >= live.deadlineWall) {
      if (this.#mayHurry) this.#bell.ring();
      return undefined;
    }
    return live.epoch;
  }

  compares(): readonly Compare[] {
    const epoch = this.epoch();
    if (epoch === undefined) throw notLive();
    return [sameCreation(this.#options.ctx.keys.node(this.node), epoch)];
  }

  signal(): AbortSignal {
    return this.#live?.abort.signal ?? this.#noSession;
  }

  onLive(fn: (epoch: Revision) => void): () => void {
    this.#liveListeners.add(fn);
    return () => this.#liveListeners.delete(fn);
  }

  onLost(fn: () => void): () => void {
    this.#lostListeners.add(fn);
    return () => this.#lostListeners.delete(fn);
  }

  /** Resolves when registered; rejects with `identity-in-use`, `schema-unknown` or `store-unreachable`. */
  async start(): Promise<void> {
    const live = await this.#join(true);
    this.#enter(live);
    this.#running = this.#run();
  }

  /** Ends the session at once: revokes the lease, so that nobody waits for it to expire. */
  async stop(): Promise<void> {
    const lease = this.#live?.lease ?? this.#oldLease;
    this.#leave('stopped');
    this.#stopping.abort(notLive());
    this.#bell.ring();
    await this.#running;
    // Not applied: it ends by itself after its time to live.
    if (lease !== undefined) await this.#options.ctx.store.revokeLease(lease).catch(() => undefined);
  }

  /** Somebody saw that the record is gone or another's: the session is over whatever the lease says. */
  lose(why: string): void {
    if (this.#live === undefined) return;
    this.#options.ctx.log.warn({ why }, 'the session is over');
    this.#leave('lost');
    this.#bell.ring();
  }

  async #run(): Promise<void> {
    const signal = this.#stopping.signal;
    while (!signal.aborted) {
      await this.#keepAlive();
      if (signal.aborted) return;
      try {
        const live = await this.#join(false);
        if (signal.aborted) {
          await this.#options.ctx.store.revokeLease(live.lease).catch(() => undefined);
          return;
        }
        this.#enter(live);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.ctx.log.error({ err: error }, 'joining again failed; trying on');
        await sleep(this.#options.ctx.clock, BACKOFF_MAX_MS, signal).catch(() => undefined);
      }
    }
  }

  #enter(live: Live): void {
    const { ctx } = this.#options;
    this.#live = live;
    this.#set('live');
    this.#options.runner.setDeadline(runnerDeadline(live.sentMono, live.ttlMs));
    ctx.metrics.gauge('boi_core_session_live', 1);
    for (const fn of [...this.#liveListeners]) fn(live.epoch);
  }

  #leave(state: 'lost' | 'stopped'): void {
    const live = this.#live;
    this.#live = undefined;
    this.#set(state);
    if (live === undefined) return;
    this.#oldLease = live.lease;
    this.#options.runner.setDeadline(undefined);
    this.#options.ctx.metrics.gauge('boi_core_session_live', 0);
    if (state === 'lost') this.#options.ctx.metrics.count('boi_core_session_lost_total');
    live.abort.abort(notLive());
    for (const fn of [...this.#lostListeners]) fn();
  }

  #set(state: SessionState): void {
    this.#state = state;
    this.#since = this.#options.ctx.clock.mono();
  }

  /** Returns when the session is lost or the node stops. */
  async #keepAlive(): Promise<void> {
    const { clock, store, metrics } = this.#options.ctx;
    for (let waitMs: number | undefined; ; ) {
      const live = this.#live;
      if (live === undefined) return;
      const leftMs = live.deadlineMono - clock.mono();
      if (leftMs <= 0) {
        this.lose('no keep-alive succeeded in time');
        return;
      }
      this.#bell.clear();
      this.#mayHurry = waitMs === undefined;
      await this.#bell.wait(Math.min(waitMs ?? live.ttlMs / 3, leftMs));
      this.#mayHurry = false;
      if (this.#live !== live) return;
      if (clock.mono() >= live.deadlineMono) continue;
      waitMs = KEEP_ALIVE_RETRY_MS;
      if (!this.#options.turning()) {
        metrics.count('boi_core_session_keepalives_withheld_total');
        continue;
      }
      const sentMono = clock.mono();
      const sentWall = clock.now();
      // An answer may take longer than the session has left: the wait for it ends at the deadline.
      const answer = await this.#atMost(store.keepAlive(live.lease), live.deadlineMono - sentMono);
      if (this.#live !== live) return;
      if (answer?.outcome === 'expired') {
        this.lose('the lease expired');
        return;
      }
      if (answer?.outcome !== 'alive') continue;
      if (answer.ttlMs <= 0) {
        this.lose('the lease expired');
        return;
      }
      metrics.observe('boi_core_session_keepalive_seconds', (clock.mono() - sentMono) / 1000);
      Object.assign(live, lasting(sentMono, sentWall, answer.ttlMs));
      this.#options.runner.setDeadline(runnerDeadline(sentMono, answer.ttlMs));
      waitMs = undefined;
    }
  }

  /** The answer, or undefined when it takes longer, fails, or the session is over. */
  async #atMost<A>(answer: Promise<A>, limitMs: number): Promise<A | undefined> {
    let result: A | undefined;
    let waiting = true;
    const over = () => {
      if (waiting) this.#bell.ring();
    };
    answer.then(
      (value) => {
        result = value;
        over();
      },
      () => over(),
    );
    this.#bell.clear();
    await this.#bell.wait(limitMs);
    waiting = false;
    return result;
  }

  async #register(): Promise<Live> {
    const { signal } = this.#stopping;
    if (this.#oldLease !== undefined) {
      const revoked = await this.#options.ctx.store.revokeLease(this.#oldLease);
      if (revoked.outcome === 'unknown') throw revoked.cause;
      this.#oldLease = undefined;
    }
    const former = await this.#former();
    if (former === undefined) await recordGone(this.#options, signal);
    const onLease = (granted: LeaseId) => {
      this.#oldLease = granted;
    };
    const { lease, epoch, ttlMs, sentMono, sentWall } = await register(this.#options, signal, onLease, former);
    await this.#remember(epoch);
    return { lease, epoch, abort: new AbortController(), ...lasting(sentMono, sentWall, ttlMs) };
  }

  /** The session of the process before, if its record is still there. */
  async #former(): Promise<Former | undefined> {
    const { ctx, memory } = this.#options;
    if (this.#registered) return undefined;
    const epoch = await memory?.read();
    if (epoch === undefined) return undefined;
    const { kv } = await ctx.store.get(ctx.keys.node(this.node));
    if (kv?.lease === undefined || kv.createRevision !== epoch) return undefined;
    return { lease: kv.lease, epoch: kv.createRevision };
  }

  async #remember(epoch: Revision): Promise<void> {
    const { ctx, memory } = this.#options;
    this.#registered = true;
    await memory?.write(epoch).catch((error: unknown) => {
      ctx.log.warn({ err: error }, 'the session could not be noted: a next life of this node will wait for its end');
    });
  }

  async #join(first: boolean): Promise<Live> {
    const { ctx } = this.#options;
    this.#set('joining');
    let backoffMs = BACKOFF_FIRST_MS;
    for (let failures = 0; ; ) {
      this.#stopping.signal.throwIfAborted();
      try {
        if (!first && !this.#options.turning()) throw new BoiError('conflict', 'the claim loop does not turn');
        return await this.#register();
      } catch (error) {
        this.#stopping.signal.throwIfAborted();
        const outage = error instanceof BoiError && OUTAGES.includes(error.code);
        // A starting daemon says what is wrong; a running one has tasks to come back for.
        if (first && (!outage || ++failures > 3)) throw error;
        ctx.log.warn({ err: error }, 'cannot register; trying again');
      }
      await sleep(ctx.clock, jitter(ctx.random, backoffMs, 0.2), this.#stopping.signal);
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
    }
  }
}

function notLive(): BoiError {
  return new BoiError('unavailable', 'this node has no live session', { retryAfterS: 1 });
}
