/**
 * When a node joins, the entries of this node's own queue that by pure weighted rendezvous hashing belong to the newcomer
 * move there, once for each session of a node. Nothing else moves: an entry whose winner is not the newcomer stays, however
 * loads differ; evening out load is the work of stealing.
 */
import { BoiError, type NodeId, type TaskId, winner } from '@boi/core';
import { unchanged } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { isSchedulable, type Member, type MembershipSnapshot } from '../membership/membership-types.ts';
import type { QueueEntry, Stored } from '../records.ts';
import { isCandidate, placementFactsOf, weighted } from './placement.ts';
import { type PlannedMove, planMove, sendMoves } from './send-moves.ts';

export class Rebalancer {
  readonly #deps: NodeDeps;
  readonly #entries: () => Iterable<Stored<QueueEntry>>;
  readonly #stopping = new AbortController();
  /** Sessions seen: those of the start are no joins. */
  #known = new Map<NodeId, string>();
  #joined: NodeId[] = [];
  #working: Promise<void> | undefined;
  #unsubscribe: (() => void) | undefined;

  /** `entries`: the own queue as its mirror shows it. */
  constructor(deps: NodeDeps, entries: () => Iterable<Stored<QueueEntry>>) {
    this.#deps = deps;
    this.#entries = entries;
  }

  start(): void {
    const { membership } = this.#deps;
    this.#known = epochs(membership.snapshot());
    this.#unsubscribe = membership.onChange((snapshot) => this.#changed(snapshot));
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping', { retryAfterS: 1 }));
    await this.#working;
  }

  #changed(snapshot: MembershipSnapshot): void {
    const { self } = this.#deps;
    for (const { id, epoch } of snapshot.members.values()) {
      if (id !== self && this.#known.get(id) !== epoch) this.#joined.push(id);
    }
    this.#known = epochs(snapshot);
    if (this.#joined.length === 0 || this.#working !== undefined) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    const { ctx, session } = this.#deps;
    for (let node = this.#joined.shift(); node !== undefined; node = this.#joined.shift()) {
      if (this.#stopping.signal.aborted || session.epoch() === undefined) continue;
      try {
        const moves = planRebalance(this.#deps, node, this.#entries());
        const signal = AbortSignal.any([this.#stopping.signal, session.signal()]);
        const { applied } = await sendMoves(this.#deps, moves, session.compares(), signal);
        if (applied.length > 0) ctx.log.info({ node, moved: applied.length }, 'entries moved to a node that joined');
      } catch (error) {
        // Where they are is as good a place: once is enough.
        if (!this.#stopping.signal.aborted) ctx.log.debug({ err: error, node }, 'rebalancing failed');
      }
    }
  }
}

/** Unclaimed entries of this node that pure rendezvous hashing over all that can take them gives to `joined`. */
export function planRebalance(
  { ctx, self, membership }: Pick<NodeDeps, 'ctx' | 'self' | 'membership'>,
  joined: NodeId,
  entries: Iterable<Stored<QueueEntry>>,
): PlannedMove[] {
  const { keys, clock } = ctx;
  const nowMs = clock.now();
  const snapshot = membership.snapshot();
  const members = [...snapshot.members.values()].filter((member) => isSchedulable(member, nowMs));
  const newcomer = members.find(({ id }) => id === joined);
  if (newcomer === undefined) return [];
  const placed = { member: newcomer, compares: [unchanged(keys.node(joined), newcomer.modRevision)], why: 'it joined' };
  const able = new Map<string, readonly Member[]>();
  const moves: PlannedMove[] = [];
  for (const stored of entries) {
    const { record } = stored;
    if (record.claim !== undefined) continue;
    const facts = placementFactsOf(record);
    const kind = JSON.stringify(facts);
    const candidates = able.get(kind) ?? members.filter((member) => isCandidate(member, facts, nowMs, snapshot));
    able.set(kind, candidates);
    const task = lastPart(stored.key) as TaskId;
    if (winner(task, weighted(candidates)) !== joined) continue;
    moves.push(planMove({ keys, task, from: self, stored, entry: record, why: 'rebalanced', nowMs }, placed));
  }
  return moves;
}

function epochs({ members }: MembershipSnapshot): Map<NodeId, string> {
  return new Map([...members.values()].map(({ id, epoch }) => [id, epoch]));
}
