/**
 * Watches live nodes for a wedge: a session that is kept while its claim loop no longer hears of its queue. The node that
 * would adopt a queue reads its head every `wedgeCheckMs` and moves unclaimed entries that are newer than the owner's
 * `scanned` (the newest revision of its queue that its claim loop has considered) for `wedgeAfterMs`. Whatever the owner has
 * considered is not wedged: it may wait for a time, a lock, a pause or a slot.
 */
import { BoiError, type NodeId, sleep, type TaskId } from '@boi/core';
import { ABSENT, compareRevisions, type Revision } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { adoptionDuty, holdsDuty } from '../membership/duty.ts';
import { placementFactsOf, routedTaskOf } from '../placement/placement.ts';
import { QueueHeads } from '../placement/queue-head.ts';
import { type PlannedMove, planMove, sendMoves } from '../placement/send-moves.ts';
import type { QueueEntry, Stored } from '../records.ts';

/** Entries looked at in each queue; the rest follows as these move. */
const HEAD_MAX = 64;

interface Unseen {
  readonly modRevision: Revision;
  readonly sinceMono: number;
}

export class WedgeDuty {
  readonly #deps: NodeDeps;
  readonly #heads: QueueHeads;
  readonly #stopping = new AbortController();
  /** Entries their owner had not considered when last looked at, by key. */
  #unseen = new Map<string, Unseen>();
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
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
    const { ctx, session } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(ctx.clock, ctx.config.wedgeCheckMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (session.epoch() === undefined) {
        this.#unseen.clear();
        continue;
      }
      try {
        await this.#check();
      } catch (error) {
        if (!signal.aborted) ctx.log.debug({ err: error }, 'a look for wedged queues failed; the next one will do');
      }
    }
  }

  async #check(): Promise<void> {
    const { self, membership } = this.#deps;
    const snapshot = membership.snapshot();
    const watched = [...snapshot.members.keys()].filter(
      (node) => node !== self && holdsDuty(self, adoptionDuty(node), snapshot, node),
    );
    this.#heads.keep(snapshot.members);
    const still = new Map<string, Unseen>();
    // The loads first: an entry read after them and not newer than `scanned` has been considered.
    const loads = watched.length === 0 ? new Map() : await membership.loads();
    for (const node of watched) {
      const head = await this.#heads.read(node, HEAD_MAX);
      const scanned = (loads.get(node)?.scanned ?? ABSENT) as Revision;
      const wedged = head.filter((entry) => this.#isWedged(entry, scanned, still));
      if (wedged.length > 0) await this.#move(node, wedged);
    }
    this.#unseen = still;
  }

  #isWedged({ key, record, modRevision }: Stored<QueueEntry>, scanned: Revision, still: Map<string, Unseen>): boolean {
    const { clock, config } = this.#deps.ctx;
    if (record.claim !== undefined || compareRevisions(modRevision, scanned) <= 0) return false;
    const known = this.#unseen.get(key);
    const unseen = known?.modRevision === modRevision ? known : { modRevision, sinceMono: clock.mono() };
    still.set(key, unseen);
    return clock.mono() - unseen.sinceMono >= config.wedgeAfterMs;
  }

  async #move(owner: NodeId, wedged: readonly Stored<QueueEntry>[]): Promise<void> {
    const { ctx } = this.#deps;
    const placer = await this.#deps.placer();
    await placer.consult(() =>
      wedged.map(({ key, record }) => routedTaskOf(lastPart(key) as TaskId, record.prj, record)),
    );
    const nowMs = ctx.clock.now();
    const exclude = new Set<string>([owner]);
    const moves = wedged.flatMap((stored): PlannedMove[] => {
      const task = lastPart(stored.key) as TaskId;
      const placed = placer.place(task, placementFactsOf(stored.record), { exclude });
      // Nobody else can take it: it has its best chance where it is.
      if (placed.member === undefined) return [];
      const move = { keys: ctx.keys, task, from: owner, stored, entry: stored.record, why: 'wedged' as const, nowMs };
      return [planMove(move, placed)];
    });
    const signal = AbortSignal.any([this.#stopping.signal, this.#deps.session.signal()]);
    const { applied } = await sendMoves(this.#deps, moves, [], signal);
    if (applied.length > 0) ctx.log.warn({ node: owner, moved: applied.length }, 'a live node does not see its queue');
  }
}
