/**
 * One node, put together: session, membership, own queue, claim loop, runner, commits, drain, and the duties and services
 * it shares with the other nodes. Nothing here decides anything; each part says in its own header what it does.
 *
 * Order of start: cluster record, membership, registration, results kept on disk, own queue, and only then claims and duties
 * (restart.ts). After a lost session the same again from the registration on. Order of stop: no more claims, queue handed
 * over, running tasks waited for and then requeued, commits, duties, and the lease last, so that nobody waits for it to end.
 */
import { NO_EVENTS, sleep } from '@boi/core';
import type { Revision } from '@boi/store';
import { Api } from './api/api.ts';
import type { ClusterApi } from './api/api-types.ts';
import { GuardedApi } from './api/guarded-api.ts';
import { LocalFallback, NO_FALLBACK_FILE } from './api/local-fallback.ts';
import { heldLines, localView } from './api/local-view.ts';
import { StoreHealth } from './base/store-health.ts';
import { ClaimLoop } from './claim/claim.ts';
import { LostClaims } from './claim/end-lost.ts';
import { type Held, HeldTasks } from './claim/held.ts';
import { Locks } from './claim/locks.ts';
import { OwnLoad } from './claim/own-load.ts';
import { OwnQueue } from './claim/own-queue.ts';
import { restart } from './claim/restart.ts';
import { Runs } from './claim/run.ts';
import { Shares } from './claim/shares.ts';
import { Committer } from './commit/commit.ts';
import { type ClusterContext, DEFAULT_CONFIG } from './context.ts';
import type { NodeDeps } from './deps.ts';
import { Events } from './events/events.ts';
import { settleIntent } from './events/settle-intent.ts';
import { initCluster, requireCluster } from './init.ts';
import { Keys } from './keys.ts';
import { type Ailment, Ailments } from './membership/ailments.ts';
import { Cooldown } from './membership/cooldown.ts';
import { Drain } from './membership/drain.ts';
import { LoadWriter } from './membership/load-writer.ts';
import { StoreMembership } from './membership/membership.ts';
import type { MembershipSnapshot } from './membership/membership-types.ts';
import { NodeSession } from './membership/session.ts';
import { checkVersion, SkewWatch } from './membership/version-skew.ts';
import type { ClusterNodeHandle, ClusterNodeOptions, NodeStatus } from './node-types.ts';
import type { QueueEntry, Stored } from './records.ts';
import { NodeServices } from './services.ts';

/** For running tasks when the daemon stops and nobody said otherwise. */
const STOP_DRAIN_MS = 5_000;
/** After that: TERM, the usual grace of ten seconds, KILL, and the requeue. */
const STOP_GRACE_MS = 12_000;
const COMMIT_LIMIT_MS = 2_000;
const RETRY_MS = 500;

export class ClusterNode implements ClusterNodeHandle {
  readonly api: ClusterApi;
  readonly #options: ClusterNodeOptions;
  readonly #ctx: ClusterContext;
  readonly #deps: NodeDeps;
  readonly #session: NodeSession;
  readonly #membership: StoreMembership;
  readonly #held: HeldTasks;
  readonly #queue: OwnQueue;
  readonly #locks: Locks;
  readonly #shares: Shares;
  readonly #runs: Runs;
  readonly #committer: Committer;
  readonly #loop: ClaimLoop;
  readonly #drain: Drain;
  readonly #cooldown: Cooldown;
  readonly #ailments: Ailments;
  readonly #load: LoadWriter;
  readonly #services: NodeServices;
  readonly #health: StoreHealth;
  readonly #fallback: LocalFallback;
  readonly #lostClaims: LostClaims;
  readonly #skew: SkewWatch;
  readonly #ownLoad: OwnLoad;
  readonly #stopping = new AbortController();
  /** The session for which everything before the first claim is done. */
  #ready: Revision | undefined;
  #preparing: Promise<void> = Promise.resolve();
  #wasLost = false;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    const { identity, runner, clock, random, log, metrics, buffer } = options;
    const config = { ...DEFAULT_CONFIG, ...options.config };
    const events = new Events({
      port: options.events ?? NO_EVENTS,
      clock,
      random,
      node: identity.id,
      log,
      metrics,
      settle: (intended) => settleIntent(ctx, intended),
    });
    this.#health = new StoreHealth({ clock, log, metrics, events, node: identity.id });
    const store = this.#health.observe(options.store);
    const ctx: ClusterContext = {
      store,
      keys: new Keys(options.prefix),
      clock,
      random,
      log,
      metrics,
      events,
      config,
    };
    this.#ctx = ctx;
    this.#membership = new StoreMembership(ctx);
    this.#session = new NodeSession({
      ctx,
      identity,
      runner,
      turning: () => this.#loop.turning(),
      load: () => this.#ownLoad.record(),
      members: options.cluster !== undefined,
      ...(options.sessionMemory === undefined ? {} : { memory: options.sessionMemory }),
    });
    const deps = NodeServices.deps(ctx, identity.id, this.#session, this.#membership, options.router);
    this.#deps = deps;
    const held = new HeldTasks(({ task, fence }) => runner.forget?.(task, fence));
    this.#held = held;
    this.#queue = new OwnQueue(ctx, identity.id, (task, nonce) => held.runsHere(task, nonce));
    const settled = (task: Held, applied: boolean) => this.#settled(task, applied);
    this.#committer = new Committer({ deps, buffer, held, settled });
    this.#lostClaims = new LostClaims({
      deps,
      held,
      queue: this.#queue,
      committer: this.#committer,
      ready: () => this.#isReady(),
    });
    this.#ownLoad = new OwnLoad({
      metrics,
      queue: this.#queue,
      held,
      committer: this.#committer,
      slots: identity.slots,
      ailments: () => this.#ailments.list.map(({ what }) => what),
      scanned: () => this.#loop.scanned,
    });
    this.#skew = new SkewWatch(ctx, identity.version);
    this.#cooldown = new Cooldown(deps);
    this.#ailments = new Ailments(deps, () => this.#load.changed(true));
    this.#runs = new Runs({
      deps,
      runner,
      held,
      ended: (task, report) => {
        this.#cooldown.ended(report);
        this.#loop.freed();
        this.#committer.add(task, report);
      },
      freed: (task) => this.#settled(task, task.stop !== 'superseded'),
    });
    this.#locks = new Locks(
      ctx,
      (project, hash) => new Set([...held.lockSlots(project, hash), ...this.#queue.lostSlots(project, hash)]),
      () => this.#loop.wake(),
    );
    this.#shares = new Shares(ctx);
    const work = {
      held,
      queue: this.#queue,
      capacity: identity.slots,
      lost: (entry: Stored<QueueEntry>) => this.#isReady() && this.#queue.isLost(entry),
      mayClaim: () => this.#mayClaim(),
      wake: () => this.#loop.wake(),
    };
    this.#services = new NodeServices(deps, work, options.provisioner);
    this.#drain = new Drain({
      deps,
      queue: this.#queue,
      held,
      runs: this.#runs,
      handOver: (leaving) => this.#services.handOver(leaving),
      settled,
      endLost: () => this.#lostClaims.endAll(),
    });
    this.#loop = new ClaimLoop({
      deps,
      queue: this.#queue,
      held,
      runs: this.#runs,
      locks: this.#locks,
      capacity: identity.slots,
      mayClaim: () => this.#mayClaim(),
      share: (project) => this.#shares.of(project),
      endLost: (candidate) => this.#lostClaims.end(candidate),
      refresh: () => this.#membership.resync(),
      lose: (why) => this.#session.lose(why),
      settled,
      turned: () => {
        this.#ownLoad.gauges();
        this.#shares.keep(this.#queue.projects);
        this.#load.changed();
      },
    });
    this.#load = new LoadWriter(ctx, this.#session, () => this.#ownLoad.record());
    this.#queue.mirror.onChange((changes) => {
      this.#runs.heard(changes);
      this.#loop.heard(changes);
    });
    const parts = { identity, held, buffer, health: this.#health, session: this.#session };
    this.#fallback = new LocalFallback({
      deps,
      file: options.fallbackFile ?? NO_FALLBACK_FILE,
      lines: () => heldLines(parts),
      changed: () => this.#loop.wake(),
    });
    this.api = new GuardedApi({
      api: new Api(deps, this.#services),
      deps,
      health: this.#health,
      fallback: this.#fallback,
      local: () => localView(parts, this.#fallback),
    });
  }

  async start(): Promise<void> {
    try {
      const { cluster } = this.#options;
      if (cluster === undefined) await initCluster(this.#ctx, this.#stopping.signal);
      else await requireCluster(this.#ctx, cluster);
      await this.#membership.start();
      checkVersion(this.#options.identity, this.#membership.snapshot());
      await this.#fallback.start();
      this.#membership.onChange((snapshot) => {
        this.#loop.wake();
        this.#skew.look(snapshot);
      });
      this.#loop.start();
      this.#session.onLost(() => this.#lost());
      this.#session.onLive((epoch) => {
        this.#preparing = this.#prepare(epoch);
        this.#ailments.settle();
      });
      await this.#session.start();
      await this.#preparing;
      this.#drain.start();
      await this.#services.start();
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  async stop({ drainMs = STOP_DRAIN_MS }: { readonly drainMs?: number } = {}): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await this.#drain.leave(drainMs, STOP_GRACE_MS);
    for (const { running } of this.#held.all()) running?.cancel({ force: true });
    await this.#close();
  }

  status(): NodeStatus {
    return {
      session: this.#session.state,
      since: this.#session.since,
      busySlots: this.#held.busySlots,
      running: this.#held.running,
      queued: this.#queue.queued,
      draining: this.#drain.draining,
      bufferedResults: this.#committer.buffered,
    };
  }

  snapshot(): MembershipSnapshot {
    return this.#membership.snapshot();
  }

  ail(ailments: readonly Ailment[]): void {
    this.#ailments.tell(ailments);
  }

  async #close(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'));
    this.#ready = undefined;
    await this.#services.stop();
    await this.#drain.stop();
    await this.#committer.stop(COMMIT_LIMIT_MS);
    await this.#load.stop();
    await this.#cooldown.stop();
    await this.#ailments.stop();
    await this.#fallback.stop();
    await this.#session.stop();
    await this.#loop.stop();
    await this.#preparing;
    await this.#runs.stop();
    await this.#locks.stop();
    await this.#shares.stop();
    await this.#queue.mirror.stop();
    await this.#membership.stop();
    this.#health.stop();
    await this.#ctx.events.stop();
  }

  /** Everything between registering and the first claim; tried until it succeeds or the session is over. Never rejects. */
  async #prepare(epoch: Revision): Promise<void> {
    const { clock, log, events } = this.#ctx;
    const { self } = this.#deps;
    const before = this.#preparing;
    // Not the epoch: while the wall clock is in doubt the session has none, and goes on.
    const over = this.#session.signal();
    events.tell({ kind: 'node.joined', node: self, epoch });
    if (this.#wasLost && this.#ailments.list.length === 0) events.tell({ kind: 'node.recovered', node: self });
    this.#wasLost = false;
    await before;
    while (!over.aborted && !this.#stopping.signal.aborted) {
      try {
        await this.#membership.resync();
        await restart({
          deps: this.#deps,
          queue: this.#queue,
          held: this.#held,
          runs: this.#runs,
          runner: this.#options.runner,
          committer: this.#committer,
          settled: (held, applied) => this.#settled(held, applied),
        });
        this.#ready = epoch;
        log.info({ epoch }, 'the node is live');
        this.#loop.wake();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        log.warn({ err: error }, 'taking up work failed; trying again');
        await sleep(clock, RETRY_MS, this.#stopping.signal).catch(() => undefined);
      }
    }
  }

  #lost(): void {
    const { events, log } = this.#ctx;
    this.#ready = undefined;
    if (this.#stopping.signal.aborted) return;
    this.#wasLost = true;
    log.warn({}, 'the session is lost: no claims, results are kept until it is back');
    events.tell({ kind: 'node.degraded', node: this.#deps.self, reason: 'session-lost' });
    // The guard has stopped these by now unless the session ended early: its record was removed, or the lease.
    for (const { entry, running } of this.#held.all()) if (entry.exclusive) running?.cancel({ force: true });
  }

  /** Whether everything before the first claim of this session is done: what is not held here does not run here. */
  #isReady(): boolean {
    const epoch = this.#session.epoch();
    return epoch !== undefined && epoch === this.#ready;
  }

  #mayClaim(): boolean {
    if (!this.#isReady() || this.#stopping.signal.aborted || this.#fallback.since !== undefined) return false;
    const own = this.#membership.snapshot().members.get(this.#deps.self);
    return own?.epoch === this.#ready && this.#drain.standing === 'open';
  }

  #settled({ task }: Held, applied: boolean): void {
    // Applied by this node, its event is on its way; otherwise whatever the mirror shows is what there is.
    if (!applied) this.#queue.reconsider(task);
    this.#loop.wake();
  }
}
