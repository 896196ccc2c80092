/**
 * Takes over what dead nodes left: their queues and the coordination of their specs. A node's record disappears with its
 * lease; on every change of the membership every node asks, for each dead node it knows of, whether the adoption is its duty.
 * A sweep every `sweepMs` ± 20 % finds the ones nobody was told of.
 *
 * Every batch compares the dead node's record absent, so nothing is taken from one that came back. Each entry moves to its
 * new winner: entry unchanged, target key absent, target's record unchanged. A claimed one counts a lost delivery; at the
 * limit it ends as `poison` instead, and one that was to be cancelled ends as `cancelled`. No capable successor: unclaimed
 * ones go to `unassigned`; claimed ones are left exactly as they are, so that their late commit still finds the revision it
 * compares (views show them as waiting), and are looked at again on every change.
 *
 * Two nodes may adopt the same queue at once: the second one's compares fail. `adopt` is safe to repeat.
 */
import {
  BoiError,
  jitter,
  type NodeId,
  type ProjectId,
  parseId,
  type SpecId,
  sleep,
  specOf,
  type TaskId,
  type Timer,
} from '@boi/core';
import { absent, type KeyValue, prefixEnd } from '@boi/store';
import { settleBatch, settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { adoptionDuty, holdsDuty } from '../membership/duty.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import { placementFactsOf } from '../placement/placement.ts';
import { batches, type PlannedMove, planMove, sendMoves } from '../placement/send-moves.ts';
import { codecs, type QueueEntry, type ResultRecord, type Stored } from '../records.ts';
import { readHeader, stored } from '../spec/spec-ref.ts';
import { afterlife, END_OPS_MAX, endLostTxn } from './lost-claim.ts';
import { takeOverCoordination } from './take-over.ts';

/** After an adoption that could not be finished: a store error, a target that went away, a header that kept changing. */
const AGAIN_MS = 500;
const PASSES_MAX = 20;
const PASS_PAUSE_MS = 20;

interface Ended {
  readonly task: TaskId;
  readonly entry: QueueEntry;
  readonly fence: string;
  readonly result: ResultRecord;
  readonly txn: ReturnType<typeof endLostTxn>;
}

/** `done`: nothing is left; `stranded`: only claims that nobody else could run; `alive`: the node is back. */
export type Adoption = { readonly outcome: 'done' | 'stranded' | 'alive' | 'unfinished'; readonly moved: number };

export class Adopter {
  readonly #deps: NodeDeps;
  readonly #stopping = new AbortController();
  /** Dead nodes that may have left something, and the session each was last seen with. */
  readonly #dead = new Map<NodeId, string | undefined>();
  /** Adopted to the end as far as can be, since the last change of the membership. */
  readonly #settled = new Set<NodeId>();
  #known: MembershipSnapshot | undefined;
  #sweepAtMono = 0;
  #woken = false;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { membership, ctx } = this.#deps;
    this.#known = membership.snapshot();
    this.#sweepAtMono = ctx.clock.mono();
    const unsubscribe = membership.onChange((snapshot) => this.#changed(snapshot));
    this.#running = this.#run().finally(unsubscribe);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping', { retryAfterS: 1 }));
    this.#wake?.();
    await this.#running;
  }

  /** Adopts now whatever a dead id left, whoever's duty it is, and forgets its settings. Throws `wrong-state` if it lives. */
  async removeNode(node: NodeId): Promise<number> {
    const { ctx } = this.#deps;
    const { keys } = ctx;
    const alive = () =>
      new BoiError('wrong-state', `node ${node} is live; drain and stop it before it is removed`, {
        details: { node },
      });
    const { kv } = await ctx.store.get(keys.node(node));
    if (kv !== undefined) throw alive();
    const { outcome, moved } = await this.adopt(node);
    if (outcome === 'alive') throw alive();
    const conf = keys.nodeconf(node);
    const answer = await settleTxn(ctx, this.#signal(), {
      compares: [absent(keys.node(node))],
      success: [{ op: 'delete', key: conf }],
    });
    if (answer.outcome === 'refused') throw alive();
    return moved;
  }

  /** One adoption, to the end as far as it can be brought now. Rejects when the store is away or the session ends. */
  async adopt(dead: NodeId): Promise<Adoption> {
    const { ctx } = this.#deps;
    let moved = 0;
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      if (pass > 0) await sleep(ctx.clock, PASS_PAUSE_MS * pass, this.#signal());
      const queue = await this.#adoptQueue(dead);
      moved += queue.moved;
      if (queue.alive) return { outcome: 'alive', moved };
      if (queue.refused > 0) continue;
      const later = await this.#adoptCoordination(dead);
      if (later > 0) return { outcome: 'unfinished', moved };
      return { outcome: queue.stranded > 0 ? 'stranded' : 'done', moved };
    }
    return { outcome: 'unfinished', moved };
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, this.#deps.session.signal()]);
  }

  #changed(snapshot: MembershipSnapshot): void {
    for (const member of this.#known?.members.values() ?? []) {
      const now = snapshot.members.get(member.id);
      if (now === undefined && member.id !== this.#deps.self) this.#dead.set(member.id, member.epoch);
    }
    for (const id of snapshot.members.keys()) this.#dead.delete(id);
    this.#known = snapshot;
    this.#settled.clear();
    this.#woken = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { ctx, session, self, membership } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#woken = false;
      let again = false;
      if (session.epoch() !== undefined) {
        try {
          if (ctx.clock.mono() >= this.#sweepAtMono) await this.#sweep();
          for (const [dead, epoch] of [...this.#dead]) {
            if (signal.aborted) return;
            const duty = adoptionDuty(dead);
            if (this.#settled.has(dead) || !holdsDuty(self, duty, membership.snapshot())) continue;
            if (!this.#dead.has(dead)) continue;
            again = (await this.#adoptOne(dead, epoch)) === 'unfinished' || again;
          }
        } catch (error) {
          again = true;
          if (!signal.aborted) ctx.log.warn({ err: error }, 'an adoption failed; trying again');
        }
      } else again = true;
      if (signal.aborted) return;
      if (!this.#woken) await this.#sleep(again ? AGAIN_MS : Math.max(1, this.#sweepAtMono - ctx.clock.mono()));
    }
  }

  async #adoptOne(dead: NodeId, epoch: string | undefined): Promise<Adoption['outcome']> {
    const { ctx } = this.#deps;
    const { outcome, moved } = await this.adopt(dead);
    if (outcome === 'done' || outcome === 'alive') this.#dead.delete(dead);
    else if (outcome === 'stranded') this.#settled.add(dead);
    if (moved > 0) ctx.log.info({ node: dead, moved, outcome }, 'the queue of a dead node was taken over');
    if (moved > 0 && epoch !== undefined) ctx.emit({ kind: 'node.crashed', node: dead, epoch, claimed: moved });
    return outcome;
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      this.#wake = () => {
        timer?.cancel();
        this.#wake = undefined;
        resolve();
      };
      timer = this.#deps.ctx.clock.timer(delayMs, this.#wake);
    });
  }

  /** Finds queues and coordinations of nodes that are not there, and forgets dead nodes that left nothing. */
  async #sweep(): Promise<void> {
    const { ctx, membership, self } = this.#deps;
    const before = [...this.#dead.keys()];
    const found = new Set<NodeId>();
    for (const range of [ctx.keys.allQueues(), ctx.keys.allCoords()]) {
      for (let start = range.start; start < range.end; ) {
        const page = await ctx.store.range({ start, end: range.end, limit: 1, keysOnly: true });
        const key = page.kvs[0]?.key;
        if (key === undefined) break;
        const owner = key.slice(range.start.length, key.indexOf('/', range.start.length));
        const node = parseId('node', owner);
        if (node !== undefined) found.add(node);
        start = prefixEnd(`${range.start}${owner}/`);
      }
    }
    const { members } = membership.snapshot();
    for (const node of found)
      if (node !== self && !members.has(node) && !this.#dead.has(node)) this.#dead.set(node, undefined);
    for (const node of before) if (!found.has(node)) this.#dead.delete(node);
    this.#settled.clear();
    this.#sweepAtMono = ctx.clock.mono() + jitter(ctx.random, ctx.config.sweepMs, 0.2);
  }

  async #adoptQueue(dead: NodeId): Promise<{ moved: number; refused: number; stranded: number; alive: boolean }> {
    const { ctx } = this.#deps;
    const range = ctx.keys.queueOf(dead);
    const total = { moved: 0, refused: 0, stranded: 0, alive: false };
    for (let start = range.start, more = true; more; ) {
      const page = await ctx.store.range({ start, end: range.end });
      const last = page.kvs.at(-1);
      more = page.more && last !== undefined;
      if (last === undefined) break;
      start = `${last.key} `;
      const { moves, ends, stranded } = await this.#plan(dead, page.kvs);
      total.stranded += stranded;
      const compares = [absent(ctx.keys.node(dead))];
      const sent = await sendMoves(this.#deps, moves, compares, this.#signal());
      total.moved += sent.applied.length;
      total.refused += sent.refused.length;
      const ended = sent.stopped ? { applied: 0, refused: 0, stopped: true } : await this.#end(dead, ends);
      total.moved += ended.applied;
      total.refused += ended.refused;
      if (sent.stopped || ended.stopped) return { ...total, alive: true };
    }
    return total;
  }

  async #plan(
    dead: NodeId,
    kvs: readonly KeyValue[],
  ): Promise<{ moves: PlannedMove[]; ends: Ended[]; stranded: number }> {
    const { ctx } = this.#deps;
    const { keys, config } = ctx;
    const placer = await this.#deps.placer();
    const nowMs = ctx.clock.now();
    const moves: PlannedMove[] = [];
    const ends: Ended[] = [];
    let stranded = 0;
    const exclude = new Set<string>([dead]);
    for (const kv of kvs) {
      const entry = this.#decode(kv);
      if (entry === undefined) continue;
      const task = lastPart(kv.key) as TaskId;
      const next = afterlife(dead, entry, config.deliveriesMax, nowMs);
      if (next.kind === 'end') {
        const { prj, single } = entry.record;
        const header = single ? await readHeader(ctx, { prj, spc: specOf(task) }) : undefined;
        const txn = endLostTxn(keys, task, entry, next.result, header);
        ends.push({ task, entry: entry.record, fence: entry.modRevision, result: next.result, txn });
        continue;
      }
      const placed = placer.place(task, placementFactsOf(entry.record), { exclude });
      if (placed.member === undefined && next.claimed) {
        stranded++;
        continue;
      }
      const move = { keys, task, from: dead, stored: entry, entry: next.entry, why: 'adopted' as const, nowMs };
      moves.push(planMove(move, placed));
    }
    return { moves, ends, stranded };
  }

  #decode(kv: KeyValue): Stored<QueueEntry> | undefined {
    try {
      return stored(codecs.entry, kv);
    } catch (error) {
      this.#deps.ctx.log.error({ err: error, key: kv.key }, 'a record cannot be read; it is left alone');
      this.#deps.ctx.metrics.count('boi_core_records_unreadable_total', 1, { what: 'queue' });
      return undefined;
    }
  }

  async #end(dead: NodeId, ends: readonly Ended[]): Promise<{ applied: number; refused: number; stopped: boolean }> {
    const { ctx } = this.#deps;
    let applied = 0;
    let refused = 0;
    for (const batch of batches(ends, ({ txn }) => txn, END_OPS_MAX)) {
      const items = batch.map(({ txn }) => txn);
      const answer = await settleBatch(ctx, this.#signal(), { compares: [absent(ctx.keys.node(dead))], items });
      if (answer.outcome === 'refused') return { applied, refused: refused + batch.length, stopped: true };
      for (const [i, ended] of batch.entries()) {
        if (answer.items[i]?.outcome !== 'applied') refused++;
        else {
          applied++;
          this.#tell(dead, ended);
        }
      }
    }
    return { applied, refused, stopped: false };
  }

  #tell(dead: NodeId, { task, entry, fence, result }: Ended): void {
    const { ctx } = this.#deps;
    const spec = specOf(task);
    const { outcome } = result;
    const { prj: project, attempt, deliveries: delivery } = entry;
    ctx.metrics.count('boi_core_commits_total', 1, { outcome });
    if (outcome === 'cancelled') ctx.emit({ kind: 'task.cancelled', project, task, spec, executor: dead });
    else {
      const claim = { task, spec, executor: dead, attempt, delivery, fence };
      ctx.emit({ kind: 'task.failed', project, ...claim, outcome, reason: 'lost' });
    }
    if (!entry.single) return;
    if (outcome === 'cancelled') ctx.emit({ kind: 'spec.completed', project, spec, outcome, tasks: 1 });
    else ctx.emit({ kind: 'spec.failed', project, spec, tasks: 1, failed: 1 });
  }

  /** Answers how many must be tried again. */
  async #adoptCoordination(dead: NodeId): Promise<number> {
    const { ctx } = this.#deps;
    const range = ctx.keys.coordsOf(dead);
    let later = 0;
    for (let start = range.start, more = true; more; ) {
      const page = await ctx.store.range({ start, end: range.end });
      for (const kv of page.kvs) {
        const prj: ProjectId = codecs.coord.decode(kv.key, kv.value).prj;
        const spc = lastPart(kv.key) as SpecId;
        if ((await takeOverCoordination(this.#deps, dead, prj, spc, this.#signal())) === 'later') later++;
      }
      const last = page.kvs.at(-1);
      more = page.more && last !== undefined;
      if (last !== undefined) start = `${last.key} `;
    }
    return later;
  }
}
