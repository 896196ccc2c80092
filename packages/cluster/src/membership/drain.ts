/**
 * How a node leaves work, for a while or for good. Three reasons, one machine:
 *
 *   paused    the cluster's dispatch is paused: claims stop, what waits stays where it is
 *   closed    cordoned, draining, cooling down or unhealthy: claims stop, and what is not claimed goes to other nodes at once
 *   leaving   the daemon stops: as closed, with a deadline of its own
 *
 * At the deadline of a drain (or of leaving) what still runs is stopped and queued elsewhere, counted as drained. All of it
 * is undone by the settings changing back: the next turn of the claim loop claims again. Claims made ahead that never
 * started are handed back as soon as claims stop.
 */
import type { Revision } from '@boi/store';
import { Bell } from '../base/bell.ts';
import type { Held, HeldTasks } from '../claim/held.ts';
import type { OwnQueue } from '../claim/own-queue.ts';
import type { Runs } from '../claim/run.ts';
import { handBack } from '../commit/hand-back.ts';
import type { NodeDeps } from '../deps.ts';
import { isSchedulable } from './membership-types.ts';

/** While claims are stopped: entries that were under way here when they stopped are found this much later. */
const LOOK_MS = 1_000;

export interface DrainOptions {
  readonly deps: NodeDeps;
  readonly queue: OwnQueue;
  readonly held: HeldTasks;
  readonly runs: Runs;
  /** Moves unclaimed entries to other nodes, and when leaving what else this node does for the cluster. */
  readonly handOver: (leaving: boolean) => Promise<void>;
  readonly settled: (held: Held, applied: boolean) => void;
  /** Ends the claims of an earlier life that must not be made anew, here or elsewhere. */
  readonly endLost: () => void;
}

type Standing = 'open' | 'paused' | 'closed' | 'leaving';

export class Drain {
  readonly #options: DrainOptions;
  readonly #stopping = new AbortController();
  #leavingAtMono: number | undefined;
  /** Of the settings' deadline on the monotonic clock, so that a wrong wall clock errs once at most. */
  #deadline: { readonly confRevision: Revision; readonly atMono: number } | undefined;
  readonly #bell: Bell;
  #running: Promise<void> | undefined;
  #toldDrained = false;
  #requeued = 0;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#bell = new Bell(options.deps.ctx.clock);
  }

  get standing(): Standing {
    if (this.#leavingAtMono !== undefined) return 'leaving';
    const { membership, self, ctx } = this.#options.deps;
    const snapshot = membership.snapshot();
    const own = snapshot.members.get(self);
    if (own !== undefined && !isSchedulable(own, ctx.clock.now())) return 'closed';
    return snapshot.cluster.paused === undefined ? 'open' : 'paused';
  }

  get draining(): boolean {
    const { membership, self } = this.#options.deps;
    return this.#leavingAtMono !== undefined || membership.snapshot().members.get(self)?.conf?.drain !== undefined;
  }

  start(): void {
    const unsubscribe = this.#options.deps.membership.onChange(() => this.#bell.ring());
    this.#running = this.#run().finally(unsubscribe);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#bell.ring();
    await this.#running;
  }

  /** The daemon stops: what runs has so long. Resolves when nothing is held or queued here, or after that plus `graceMs`. */
  async leave(drainMs: number, graceMs: number): Promise<void> {
    const { clock } = this.#options.deps.ctx;
    const { held, queue } = this.#options;
    this.#leavingAtMono = clock.mono() + drainMs;
    const endMono = this.#leavingAtMono + graceMs;
    while (clock.mono() < endMono) {
      this.#bell.clear();
      await this.#act();
      if (held.size === 0 && queue.mirror.entries.size === 0) return;
      // The store away, or nobody to take the queue: it is adopted when the session is gone.
      if (held.size === 0 && this.#options.deps.session.epoch() === undefined) return;
      if (held.size === 0 && clock.mono() >= this.#leavingAtMono) return;
      await this.#bell.wait(Math.min(LOOK_MS / 4, Math.max(1, endMono - clock.mono())));
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#bell.clear();
      const standing = this.standing;
      if (standing === 'open') {
        this.#toldDrained = false;
        this.#requeued = 0;
      } else if (standing !== 'leaving') await this.#act();
      if (signal.aborted) return;
      // Open, it may close by time passing only when it was cooling: a change of the settings wakes it in any other case.
      await this.#bell.wait(LOOK_MS);
    }
  }

  /** One look: does what is due, and never rejects. */
  async #act(): Promise<void> {
    const { deps, held, runs, queue, handOver, settled, endLost } = this.#options;
    const { clock, log } = deps.ctx;
    if (clock.mono() >= this.#deadlineMono()) {
      for (const task of held.all()) {
        if (task.stop !== undefined || (task.phase !== 'starting' && task.phase !== 'running')) continue;
        runs.drain(task);
        this.#requeued++;
      }
    }
    if (deps.session.epoch() === undefined) return;
    try {
      endLost();
      const ahead = held.inPhase('ahead');
      if (ahead.length > 0) await handBack(deps, held, ahead, settled);
      if (this.standing !== 'paused' && (this.draining || queue.queued > 0 || queue.lost().length > 0))
        await handOver(this.draining);
    } catch (error) {
      log.warn({ err: error }, 'handing work over failed; trying again');
    }
    this.#tellDrained();
  }

  #deadlineMono(): number {
    if (this.#leavingAtMono !== undefined) return this.#leavingAtMono;
    const { membership, self, ctx } = this.#options.deps;
    const own = membership.snapshot().members.get(self);
    const drain = own?.conf?.drain;
    if (own === undefined || drain === undefined) return Number.POSITIVE_INFINITY;
    if (this.#deadline?.confRevision !== own.confRevision) {
      const leftMs = Math.max(0, drain.deadlineAt - ctx.clock.now());
      this.#deadline = { confRevision: own.confRevision, atMono: ctx.clock.mono() + leftMs };
    }
    return this.#deadline.atMono;
  }

  #tellDrained(): void {
    const { deps, held, queue } = this.#options;
    if (this.#toldDrained || !this.draining || held.size > 0 || queue.mirror.entries.size > 0) return;
    this.#toldDrained = true;
    deps.ctx.log.info({ node: deps.self, requeued: this.#requeued }, 'drained: no work is left here');
    deps.ctx.events.tell({ kind: 'node.drained', node: deps.self, requeued: this.#requeued });
  }
}
