/**
 * What ails this node besides its session and the store: plugins that are not ready. Told by the daemon, the whole list at each
 * change; here it becomes
 *
 *   - the events `node.degraded`, one for each new reason, and `node.recovered` when nothing is left,
 *   - the node's health in its published load, with the list,
 *   - for ailments that close the node: `unhealthy` in its own settings, which placement and its own claims look at, as they do
 *     at a cooldown. Running work goes on; the node stays a member and does its duties.
 *
 * The settings outlive the daemon: they are put right once a session is live and the daemon has told what it found, never
 * before, so that a restart does not open a node for the moment until its plugins are known to be unstable still.
 */
import { type NodeId, sleep } from '@boi/core';
import { ABSENT, type Op, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';

export interface Ailment {
  /** What it is about, for instance `plugin audit`. With the reason it tells one ailment from another. */
  readonly about: string;
  /** For people, a sentence without secrets or output: `plugin audit is unstable: its process ended`. */
  readonly what: string;
  /** A stable word for the event, for instance `plugin-unstable`. */
  readonly reason: string;
  /** Nothing is placed on the node while it lasts. */
  readonly closes: boolean;
}

const RETRY_MS = 500;

export class Ailments {
  readonly #deps: NodeDeps;
  /** Something published has changed. */
  readonly #changed: () => void;
  readonly #stopping = new AbortController();
  #told: readonly Ailment[] | undefined;
  #writing: Promise<void> | undefined;

  constructor(deps: NodeDeps, changed: () => void) {
    this.#deps = deps;
    this.#changed = changed;
  }

  get list(): readonly Ailment[] {
    return this.#told ?? [];
  }

  /** All there are now. */
  tell(ailments: readonly Ailment[]): void {
    const before = this.list;
    this.#told = ailments;
    const { self, ctx } = this.#deps;
    for (const { about, what, reason } of ailments) {
      if (before.some((known) => known.about === about && known.reason === reason)) continue;
      ctx.log.warn({ reason }, `the node is degraded: ${what}`);
      ctx.events.tell({ kind: 'node.degraded', node: self, reason });
    }
    if (before.length > 0 && ailments.length === 0) {
      ctx.log.info({}, 'nothing ails the node any more');
      ctx.events.tell({ kind: 'node.recovered', node: self });
    }
    this.#changed();
    this.settle();
  }

  /** Puts the settings right, if there is a session. Called again whenever one is live. */
  settle(): void {
    if (this.#told === undefined || this.#stopping.signal.aborted || this.#deps.session.signal().aborted) return;
    this.#writing ??= this.#write();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'));
    await this.#writing;
  }

  /** Until the settings say what is the case now. Never rejects. */
  async #write(): Promise<void> {
    const { signal } = this.#stopping;
    const { ctx, session } = this.#deps;
    do {
      const wanted = this.#closing();
      try {
        if ((await this.#swap(wanted)) && wanted.join() === this.#closing().join()) break;
      } catch (error) {
        if (signal.aborted) break;
        ctx.log.warn({ err: error }, 'whether this node takes tasks could not be written; trying again');
        await sleep(ctx.clock, RETRY_MS, signal).catch(() => undefined);
      }
    } while (!signal.aborted && !session.signal().aborted);
    // In the same turn as the last look: what is told from here on begins anew.
    this.#writing = undefined;
  }

  #closing(): readonly string[] {
    return this.list.filter(({ closes }) => closes).map(({ what }) => what);
  }

  /** False if somebody else changed the settings meanwhile. */
  async #swap(wanted: readonly string[]): Promise<boolean> {
    const { ctx, self } = this.#deps;
    const key = ctx.keys.nodeconf(self as NodeId);
    const { kv } = await ctx.store.get(key);
    const { unhealthy, ...rest } =
      kv === undefined ? { v: SCHEMA_VERSION as 1 } : codecs.nodeconf.decode(key, kv.value);
    if ((unhealthy ?? []).join() === wanted.join()) return true;
    const next = { ...rest, ...(wanted.length === 0 ? {} : { unhealthy: [...wanted] }) };
    // Never deleted: a copy of a request that found none would be applied again when it is undone.
    const op: Op = { op: 'put', key, value: codecs.nodeconf.encode(next) };
    const txn = { compares: [unchanged(key, kv?.modRevision ?? ABSENT)], success: [op] };
    return (await settleTxn(ctx, this.#stopping.signal, txn)).outcome === 'applied';
  }
}
