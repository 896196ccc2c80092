/**
 * The nodes that were made: when one has had no work for a while it is drained, its plugin removes it, and what the cluster kept
 * of it goes with it. One whose session has been over for as long goes too. Its keeper sees to that (keeper.ts); idleness is
 * counted by the keeper alone, so that another keeper begins anew: a node lives longer by that, never shorter.
 *
 * Steps, each safe to repeat by whoever comes next: drain (a setting of the node) → removal by the plugin → the record and the
 * settings deleted, comparing that the node has no session. An operator who undoes the drain before the removal keeps it.
 */
import { BoiError, type NodeId, type ProvisionId } from '@boi/core';
import { drain } from '../api/node-admin.ts';
import { Bell } from '../base/bell.ts';
import { Mirror } from '../base/mirror.ts';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import type { Stored } from '../records.ts';
import { removedTxn } from './changes.ts';
import { keeperOf } from './keeper.ts';
import type { ProvisionerOptions } from './ports.ts';
import { type ProvisionedRecord, provisionedCodec } from './records.ts';

/** How often idleness is looked at: at least so often, and a few times in the idle time. */
const LOOK_MS_MAX = 5_000;
const LOOK_MS_MIN = 250;
const LOOKS = 8;
/** For a task that slipped in between the last look and the drain: it is let finish. */
const DRAIN_MS = 600_000;
const AGAIN_MS = 5_000;
/** Who drained it, in its settings. */
const ACTOR = 'provisioning';

/** What this life of the node has seen and begun. */
interface Watched {
  /** Since when it has had no work, or no session, monotonic. */
  idleSinceMono: number | undefined;
  /** What its claim loop had considered at the last look: another value means work in between, however short. */
  scanned: string | undefined;
  /** It was being drained at the last look. */
  leaving: boolean;
  removal: 'open' | 'running' | 'done';
  againMono: number;
}

function newWatched(): Watched {
  return { idleSinceMono: undefined, scanned: undefined, leaving: false, removal: 'open', againMono: 0 };
}

export class ProvisionedNodes {
  readonly #deps: NodeDeps;
  readonly #options: ProvisionerOptions;
  readonly #stopping = new AbortController();
  readonly #watched = new Map<ProvisionId, Watched>();
  readonly #calls = new Set<Promise<void>>();
  readonly #bell: Bell;
  #mirror: Mirror<ProvisionedRecord> | undefined;
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps, options: ProvisionerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#bell = new Bell(deps.ctx.clock);
  }

  start(): void {
    const unsubscribe = this.#deps.membership.onChange(() => this.#bell.ring());
    this.#running = this.#run().finally(unsubscribe);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping', { retryAfterS: 1 }));
    this.#bell.ring();
    await this.#running;
    await Promise.all(this.#calls);
    await this.#mirror?.stop();
  }

  async #run(): Promise<void> {
    const { ctx, session } = this.#deps;
    const { signal } = this.#stopping;
    const lookMs = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, ctx.config.provisionIdleMs / LOOKS));
    while (!signal.aborted) {
      this.#bell.clear();
      try {
        if (session.epoch() !== undefined) await this.#pass();
      } catch (error) {
        if (!signal.aborted) ctx.log.warn({ err: error }, 'looking after provisioned nodes failed; trying again');
      }
      if (signal.aborted) return;
      await this.#bell.wait(lookMs);
    }
  }

  async #watch(): Promise<Mirror<ProvisionedRecord>> {
    if (this.#mirror !== undefined) return this.#mirror;
    const { ctx } = this.#deps;
    const { relistMs } = ctx.config;
    const range = ctx.keys.allProvisioned();
    const mirror = new Mirror({ ctx, range, codec: provisionedCodec, what: 'provisioned', relistMs });
    mirror.onChange(() => this.#bell.ring());
    this.#mirror = mirror;
    const stop = () => void mirror.stop();
    this.#stopping.signal.addEventListener('abort', stop, { once: true });
    try {
      await mirror.start();
    } finally {
      this.#stopping.signal.removeEventListener('abort', stop);
    }
    return mirror;
  }

  async #pass(): Promise<void> {
    const { self, membership, ctx } = this.#deps;
    const mirror = await this.#watch();
    const kept = new Set<ProvisionId>();
    for (const stored of mirror.sorted()) {
      const id = lastPart(stored.key) as ProvisionId;
      if (keeperOf(id, stored.record.by, membership.snapshot(), this.#options.tokens) !== self) continue;
      kept.add(id);
      const watched = this.#watched.get(id) ?? newWatched();
      this.#watched.set(id, watched);
      await this.#look(id, stored, watched);
    }
    for (const id of this.#watched.keys()) if (!kept.has(id)) this.#watched.delete(id);
    ctx.metrics.gauge('boi_core_provisioned_nodes', kept.size);
  }

  async #look(id: ProvisionId, stored: Stored<ProvisionedRecord>, watched: Watched): Promise<void> {
    const { ctx } = this.#deps;
    const { clock } = ctx;
    const { node } = stored.record;
    if (watched.removal === 'running') return;
    if (watched.removal === 'done') return this.#forget(id, stored);
    const standing = await this.#standing(node);
    const scanned = (await this.#deps.membership.loads()).get(node)?.scanned;
    const undrained = watched.leaving && standing === 'idle';
    if (standing === 'busy' || scanned !== watched.scanned || undrained) watched.idleSinceMono = undefined;
    else watched.idleSinceMono ??= clock.mono();
    watched.scanned = scanned;
    watched.leaving = standing === 'leaving';
    const idleMs = watched.idleSinceMono === undefined ? 0 : clock.mono() - watched.idleSinceMono;
    const due = idleMs >= ctx.config.provisionIdleMs;
    if (standing === 'idle' && due) {
      ctx.log.info({ request: id, member: node, idleMs }, 'a provisioned node has no work: draining it');
      await drain(this.#deps, node, DRAIN_MS, this.#signal(), { name: ACTOR });
    } else if ((standing === 'leaving' || (standing === 'gone' && due)) && clock.mono() >= watched.againMono) {
      this.#remove(id, node, watched);
    }
  }

  /** `leaving`: drained here, and empty. `gone`: without a session. */
  async #standing(node: NodeId): Promise<'busy' | 'idle' | 'leaving' | 'gone'> {
    const { ctx, membership } = this.#deps;
    const { members, absentConfs } = membership.snapshot();
    const member = members.get(node);
    const conf = member?.conf ?? absentConfs.get(node);
    const ours = conf?.drain?.actor === ACTOR;
    if (member === undefined) return ours ? 'leaving' : 'gone';
    const load = (await membership.loads()).get(node);
    if (load !== undefined && load.busy + load.queued + load.running > 0) return 'busy';
    if (conf?.drain !== undefined && !ours) return 'busy';
    // A load may be two seconds old; what is in its queue is not.
    const left = await ctx.store.range({ ...ctx.keys.queueOf(node), limit: 1, keysOnly: true });
    if (left.kvs.length > 0) return 'busy';
    return ours ? 'leaving' : 'idle';
  }

  #remove(id: ProvisionId, node: NodeId, watched: Watched): void {
    const { ctx } = this.#deps;
    watched.removal = 'running';
    const call = (async () => {
      try {
        await this.#options.plugin.deprovision(id, this.#stopping.signal);
        await this.#options.tokens?.expel(node);
        watched.removal = 'done';
        ctx.log.info({ request: id, member: node }, 'a provisioned node was removed');
      } catch (error) {
        watched.removal = 'open';
        watched.againMono = ctx.clock.mono() + AGAIN_MS;
        if (!this.#stopping.signal.aborted)
          ctx.log.warn({ err: error, request: id, member: node }, 'a provisioned node could not be removed yet');
      }
    })().finally(() => {
      this.#calls.delete(call);
      this.#bell.ring();
    });
    this.#calls.add(call);
  }

  /** Refused while its session is not over, or when another node was faster: the next look tells. */
  async #forget(id: ProvisionId, stored: Stored<ProvisionedRecord>): Promise<void> {
    const { ctx, session } = this.#deps;
    const txn = removedTxn(ctx.keys, id, stored);
    await settleTxn(ctx, this.#signal(), { ...txn, compares: [...session.compares(), ...txn.compares] });
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, this.#deps.session.signal()]);
  }
}
