/**
 * The duty to take over what dead nodes left (adopt.ts). A node's record disappears with its lease; on every change of the
 * membership every node asks, for each dead node it knows of, whether the adoption is its duty. A sweep every `sweepMs` ± 20 %
 * finds the ones nobody was told of. A dead node of which only stranded claims are left is looked at again on every change.
 */
import { BoiError, jitter, type NodeId, parseId } from '@boi/core';
import { absent, prefixEnd } from '@boi/store';
import { Bell } from '../base/bell.ts';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { adoptionDuty, holdsDuty } from '../membership/duty.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import { type Adoption, adoptNode } from './adopt.ts';

/** After an adoption that could not be finished: a store error, a target that went away, a header that kept changing. */
const AGAIN_MS = 500;

export class Adopter {
  readonly #deps: NodeDeps;
  readonly #bell: Bell;
  readonly #stopping = new AbortController();
  /** Dead nodes that may have left something, and the session each was last seen with. */
  readonly #dead = new Map<NodeId, string | undefined>();
  /** Adopted to the end as far as can be, since the last change of the membership. */
  readonly #settled = new Set<NodeId>();
  #known: MembershipSnapshot | undefined;
  #sweepAtMono = 0;
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    this.#bell = new Bell(deps.ctx.clock);
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
    this.#bell.ring();
    await this.#running;
  }

  /**
   * Adopts now whatever a dead id left, whoever's duty it is, and forgets its settings. `expelled`: also claims that nobody
   * else can run. Throws `wrong-state` if it lives.
   */
  async removeNode(node: NodeId, options: { readonly expelled?: boolean } = {}): Promise<number> {
    const { ctx } = this.#deps;
    const { keys } = ctx;
    const alive = () =>
      new BoiError(
        'wrong-state',
        `node ${node} is live; drain and stop it before it is removed, or expel it by --force`,
        {
          details: { node },
        },
      );
    const { kv } = await ctx.store.get(keys.node(node));
    if (kv !== undefined) throw alive();
    const { outcome, moved } = await adoptNode(this.#deps, node, this.#signal(), options);
    if (outcome === 'alive') throw alive();
    const answer = await settleTxn(ctx, this.#signal(), {
      compares: [absent(keys.node(node))],
      success: [
        { op: 'delete', key: keys.nodeconf(node) },
        { op: 'delete', key: keys.hooksMarksOf(node).start, end: keys.hooksMarksOf(node).end },
        { op: 'delete', key: keys.pluginsOf(node).start, end: keys.pluginsOf(node).end },
      ],
    });
    if (answer.outcome === 'refused') throw alive();
    return moved;
  }

  /** One adoption now, whoever's duty it is. Rejects when the store is away or the session ends. */
  adopt(dead: NodeId): Promise<Adoption> {
    return adoptNode(this.#deps, dead, this.#signal());
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
    this.#bell.ring();
  }

  async #run(): Promise<void> {
    const { ctx, session, self, membership } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#bell.clear();
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
      await this.#bell.wait(again ? AGAIN_MS : Math.max(1, this.#sweepAtMono - ctx.clock.mono()));
    }
  }

  async #adoptOne(dead: NodeId, epoch: string | undefined): Promise<Adoption['outcome']> {
    const { ctx } = this.#deps;
    const { outcome, moved } = await this.adopt(dead);
    if (outcome === 'done' || outcome === 'alive') this.#dead.delete(dead);
    else if (outcome === 'stranded') this.#settled.add(dead);
    if (moved > 0) ctx.log.info({ node: dead, moved, outcome }, 'the queue of a dead node was taken over');
    if (moved > 0 && epoch !== undefined) ctx.events.tell({ kind: 'node.crashed', node: dead, epoch, claimed: moved });
    return outcome;
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
}
