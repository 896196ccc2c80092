/**
 * The duty `unassigned`: watches the entries that no node could take and places them again on every change of the
 * membership (nodes, labels, cordons, drains, cooldowns), and every `unassignedMs` for what changes by time alone. An
 * entry's `why` is rewritten only when it changed. Only the duty's holder watches `queue/unassigned/`.
 */
import { BoiError, type TaskId } from '@boi/core';
import { type Txn, unchanged } from '@boi/store';
import { Bell } from '../base/bell.ts';
import { Mirror } from '../base/mirror.ts';
import { settleBatch } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { holdsDuty } from '../membership/duty.ts';
import { codecs, type QueueEntry, type Stored } from '../records.ts';
import type { Move } from './move.ts';
import { placementFactsOf, routedTaskOf } from './placement.ts';
import type { WhyUnplaced } from './placement-types.ts';
import { batches, type PlannedMove, planMove, sendMoves } from './send-moves.ts';

const DUTY = 'unassigned';
const AGAIN_MS = 500;

export class UnassignedDuty {
  readonly #deps: NodeDeps;
  readonly #stopping = new AbortController();
  #mirror: Mirror<QueueEntry> | undefined;
  /** Entries to look at: all after a change of the membership, else those that came. */
  #all = true;
  readonly #fresh = new Set<string>();
  readonly #bell: Bell;
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    this.#bell = new Bell(deps.ctx.clock);
  }

  start(): void {
    const unsubscribe = this.#deps.membership.onChange(() => {
      this.#all = true;
      this.#bell.ring();
    });
    this.#running = this.#run().finally(unsubscribe);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping', { retryAfterS: 1 }));
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { ctx, session, self, membership } = this.#deps;
    const { signal } = this.#stopping;
    let nextAllMono = 0;
    while (!signal.aborted) {
      this.#bell.clear();
      let again = false;
      try {
        const mine = session.epoch() !== undefined && holdsDuty(self, DUTY, membership.snapshot());
        if (mine) {
          const mirror = await this.#watch();
          if (ctx.clock.mono() >= nextAllMono) this.#all = true;
          if (this.#all) nextAllMono = ctx.clock.mono() + ctx.config.unassignedMs;
          again = await this.#place(mirror);
        } else await this.#unwatch();
      } catch (error) {
        again = true;
        this.#all = true;
        if (!signal.aborted) ctx.log.warn({ err: error }, 'placing what waits for a node failed; trying again');
      }
      if (signal.aborted) break;
      await this.#bell.wait(again ? AGAIN_MS : ctx.config.unassignedMs);
    }
    await this.#unwatch();
  }

  async #watch(): Promise<Mirror<QueueEntry>> {
    if (this.#mirror !== undefined) return this.#mirror;
    const { ctx } = this.#deps;
    const { relistMs } = ctx.config;
    const mirror = new Mirror({
      ctx,
      range: ctx.keys.allUnassigned(),
      codec: codecs.entry,
      what: 'unassigned',
      relistMs,
    });
    mirror.onChange((changes) => {
      for (const { key, before, after } of changes)
        if (before === undefined && after !== undefined) this.#fresh.add(key);
      this.#bell.ring();
    });
    this.#mirror = mirror;
    this.#all = true;
    const stop = () => void mirror.stop();
    this.#stopping.signal.addEventListener('abort', stop, { once: true });
    try {
      await mirror.start();
    } finally {
      this.#stopping.signal.removeEventListener('abort', stop);
    }
    return mirror;
  }

  async #unwatch(): Promise<void> {
    const mirror = this.#mirror;
    this.#mirror = undefined;
    this.#fresh.clear();
    await mirror?.stop();
  }

  /** Answers whether something was refused and is to be looked at again. */
  async #place(mirror: Mirror<QueueEntry>): Promise<boolean> {
    const { ctx } = this.#deps;
    const { keys } = ctx;
    const entries = this.#all
      ? mirror.sorted()
      : [...this.#fresh].sort().flatMap((key) => mirror.entries.get(key) ?? []);
    this.#all = false;
    this.#fresh.clear();
    if (entries.length === 0) return false;
    const placer = await this.#deps.placer();
    await placer.consult(() =>
      entries.map(({ key, record }) => routedTaskOf(lastPart(key) as TaskId, record.prj, record)),
    );
    const nowMs = ctx.clock.now();
    const moves: PlannedMove[] = [];
    const rewrites: Txn[] = [];
    for (const stored of entries) {
      const task = lastPart(stored.key) as TaskId;
      const placed = placer.place(task, placementFactsOf(stored.record));
      const move: Move = { keys, task, from: undefined, stored, entry: stored.record, why: 'placed', nowMs };
      if (placed.member !== undefined) moves.push(planMove(move, placed));
      else if (stored.record.why?.summary !== placed.why.summary) rewrites.push(rewrite(stored, placed.why));
    }
    const signal = AbortSignal.any([this.#stopping.signal, this.#deps.session.signal()]);
    const { refused } = await sendMoves(this.#deps, moves, [], signal);
    // Refused: the entry has changed, and with that it is looked at anew.
    for (const items of batches(rewrites, (txn) => txn, 1)) await settleBatch(ctx, signal, { compares: [], items });
    for (const move of refused) this.#fresh.add(keys.unassigned(move.task));
    return refused.length > 0;
  }
}

/** The entry stays where it is and says why anew. */
function rewrite({ key, record, modRevision }: Stored<QueueEntry>, unplaced: WhyUnplaced): Txn {
  const why = { summary: unplaced.summary, constraints: [...unplaced.constraints] };
  return {
    compares: [unchanged(key, modRevision)],
    success: [{ op: 'put', key, value: codecs.entry.encode({ ...record, why }) }],
  };
}
