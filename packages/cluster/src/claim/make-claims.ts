/**
 * Makes the claims of one plan, in one batch, and holds what was claimed. The revision of the answer is the fence.
 *
 *   refused as a whole  something the plan was made of has changed: it is read again first. Sent twice, the first sending may
 *                       have been applied all the same: what carries its nonce is held
 *   an entry refused    its change is on its way to the mirror, which will put it where it belongs
 *   unknown             the identical batch again
 *
 * A refusal for a slot in use, or for settings that have changed, is definite for the request that was answered, not for a copy of
 * it that is still under way: the slot may be free when that arrives, the settings as before. Such a claim is heard of from the own
 * queue, and held like any other.
 */
import { randomHex, specOf, type TaskId } from '@boi/core';
import { ABSENT, type BatchItemAnswer, batchItemsMax, compareRevisions, type Revision } from '@boi/store';
import type { Change } from '../base/mirror.ts';
import { settleBatch } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import type { Foretold } from '../events/cluster-event.ts';
import type { Intents } from '../events/events.ts';
import { FENCE_UNKNOWN } from '../events/settle-intent.ts';
import { lastPart } from '../keys.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import { codecs, fenceOf, type QueueEntry } from '../records.ts';
import { gotten } from '../spec/spec-ref.ts';
import { claimCompares } from './claim-compares.ts';
import type { Pick } from './claim-plan.ts';
import { type Claiming, claimTxn, headerIn } from './claim-txn.ts';
import { type ClaimFacts, claimFacts, type Held, type HeldTasks, newHeld } from './held.ts';
import type { Locks } from './locks.ts';
import type { OwnQueue } from './own-queue.ts';
import type { Runs } from './run.ts';
import { standing } from './standing.ts';

/** Of a request's values; the store's limit leaves room for keys and compares. */
const BATCH_CHARS_MAX = 600_000;
/** After a request that the store refused for another reason than a compare. */
const ERROR_PAUSE_MS = 1_000;

/** What a batch of claims may emit when it is made. */
export const CLAIM_EVENTS = ['task.claimed'] as const;

export interface ClaimerOptions {
  readonly deps: NodeDeps;
  readonly queue: OwnQueue;
  readonly held: HeldTasks;
  readonly runs: Runs;
  readonly locks: Locks;
  /** Reads membership again after it proved to be behind. */
  readonly refresh: () => Promise<void>;
  /** The record of this session is gone. */
  readonly lose: (why: string) => void;
}

export class Claimer {
  readonly #options: ClaimerOptions;

  /** The session that the last claims were made in. */
  #last: { readonly epoch: Revision; readonly over: AbortSignal } | undefined;

  constructor(options: ClaimerOptions) {
    this.#options = options;
  }

  /** Resolves when the outcome is known; answers how long to wait before the next claim, if the store refuses to write. */
  async claim(picks: readonly Pick[]): Promise<number | undefined> {
    const { deps, held, queue } = this.#options;
    const { ctx, session, membership } = deps;
    const { clock, metrics } = ctx;
    const epoch = session.epoch();
    if (epoch === undefined) return undefined;
    this.#last = { epoch, over: session.signal() };
    const snapshot = membership.snapshot();
    const nonce = randomHex(ctx.random, 8);
    const items: Claiming[] = [];
    let chars = 0;
    for (const pick of picks) {
      const item = claimTxn(deps, pick, epoch, nonce);
      for (const op of item.txn.success) if (op.op === 'put') chars += op.value.length;
      if (chars > BATCH_CHARS_MAX && items.length > 0) break;
      items.push(item);
    }
    const widest = Math.max(...items.map(({ txn }) => Math.max(txn.success.length, txn.compares.length)));
    items.splice(batchItemsMax(0, widest));

    for (const { pick } of items) queue.take(pick.candidate.task);
    held.claiming(nonce);
    const sentMono = clock.mono();
    /** To be planned again as the mirror shows them. */
    let again: readonly Claiming[] = [];
    let intents: Intents | undefined;
    try {
      // Urgent: the loop has asked for room, and must not wait here, where it does not turn.
      const intending = ctx.events.intend(CLAIM_EVENTS, () => items.map((item) => this.#foretold(item, nonce)), {
        signal: session.signal(),
        urgent: true,
      });
      if (intending !== undefined) intents = await intending;
      const answer = await settleBatch(ctx, session.signal(), {
        compares: [
          ...session.compares(),
          ...claimCompares(
            deps,
            snapshot,
            items.map(({ entry }) => entry),
          ),
        ],
        items: items.map(({ txn }) => txn),
        failure: [{ op: 'get', key: ctx.keys.node(deps.self) }],
      });
      metrics.observe('boi_core_claim_seconds', (clock.mono() - sentMono) / 1000);
      if (answer.outcome === 'refused') {
        metrics.count('boi_core_claim_conflicts_total', 1, { what: 'outer' });
        const own = answer.answers[0];
        if (own?.op === 'get' && own.kv?.createRevision !== epoch) this.#options.lose('its record is gone');
        else await this.#options.refresh();
        again = answer.resent ? await this.#notMine(items, nonce, snapshot, intents) : items;
        // Settings that were made and removed again are as they were, and let a late copy pass.
        for (const { pick } of again) held.refused(pick.candidate.task, nonce, snapshot.incarnationRevision);
        // Sent twice: the first sending may have been applied, and what it made be over since. The store is asked later.
        if (!answer.resent) intents?.noneHappened();
        return undefined;
      }
      again = items.filter((item, i) => {
        const one = answer.items[i] as BatchItemAnswer;
        return !this.#settled(item, one, answer.revision, nonce, snapshot, { intents, i, resent: answer.resent });
      });
      return undefined;
    } catch (error) {
      // The session ended, which makes the node look at everything again; or the store refuses to write at all.
      if (session.signal().aborted) return undefined;
      ctx.log.error({ err: error }, 'a claim failed');
      again = items;
      return ERROR_PAUSE_MS;
    } finally {
      intents?.leave();
      held.claimed(nonce);
      for (const { pick } of again) queue.reconsider(pick.candidate.task);
    }
  }

  /** Changes of the own queue: holds what a copy of a refused claim has claimed. */
  heard(changes: readonly Change<QueueEntry>[]): void {
    const { deps, held, queue } = this.#options;
    if (this.#last === undefined || this.#last.over.aborted) return;
    for (const { key, after } of changes) {
      const claim = after?.record.claim;
      if (after === undefined || claim === undefined || claim.epoch !== this.#last.epoch) continue;
      const task = lastPart(key) as TaskId;
      if (held.get(task) !== undefined) continue;
      const incarnation = held.takeRefused(task, claim.nonce);
      if (incarnation === undefined) continue;
      const { record: entry, modRevision: revision } = after;
      const claimed = { task, key, nonce: claim.nonce, fence: fenceOf(after), revision, incarnation, entry };
      deps.ctx.log.info({ task, fence: claimed.fence }, 'a claim that had been refused was applied after all');
      deps.ctx.events.happened({ kind: 'task.claimed', ...claimFacts(deps.self, this.#hold(claimed)) });
      queue.reconsider(task);
    }
  }

  /** Holds those of a refused batch that its first sending has claimed after all; answers the others. */
  async #notMine(
    items: readonly Claiming[],
    nonce: string,
    snapshot: MembershipSnapshot,
    intents: Intents | undefined,
  ): Promise<Claiming[]> {
    const { ctx } = this.#options.deps;
    const answers = await standing(
      ctx,
      items.map(({ key }) => key),
    );
    return items.filter((item, i) => {
      const answer = answers[i] as BatchItemAnswer;
      if (gotten(codecs.entry, answer.answers[0])?.record.claim?.nonce !== nonce) return true;
      return !this.#settled(item, answer, ABSENT, nonce, snapshot, { intents, i, resent: true });
    });
  }

  /** Answers false for an entry that may be tried again; of one that has changed the mirror hears. */
  #settled(
    item: Claiming,
    answer: BatchItemAnswer,
    revision: Revision,
    nonce: string,
    snapshot: MembershipSnapshot,
    { intents, i, resent }: { readonly intents: Intents | undefined; readonly i: number; readonly resent: boolean },
  ): boolean {
    const { deps, held, runs, locks, queue } = this.#options;
    const { ctx } = deps;
    const { task } = item.pick.candidate;
    let stands = { record: item.entry, modRevision: revision };
    if (answer.outcome === 'refused') {
      const read = gotten(codecs.entry, answer.answers[0]);
      // A copy of the request that was applied since is known already when this answer was long under way.
      const known = queue.entry(task);
      const found = known?.record.claim?.nonce === nonce ? known : read;
      if (found?.record.claim?.nonce !== nonce) {
        const lock = answer.answers[1];
        const lockTaken = lock?.op === 'get' && lock.kv !== undefined;
        ctx.metrics.count('boi_core_claim_conflicts_total', 1, { what: lockTaken ? 'lock' : 'entry' });
        if (lockTaken && item.entry.lock !== undefined) {
          locks.refused(item.entry.prj, item.entry.lock.hash);
          held.refused(task, nonce, snapshot.incarnationRevision);
        }
        if (!resent) intents?.didNotHappen(i);
        if (!lockTaken && found?.record.claim !== undefined)
          ctx.events.tell({
            kind: 'claim.fence_rejected',
            ...this.#facts(item, item.pick.candidate.stored.modRevision),
            step: 'claim',
          });
        return !lockTaken;
      }
      stands = found;
    }
    const fence = fenceOf(stands);
    ctx.events.happened({ kind: 'task.claimed', ...this.#facts(item, fence) }, intents, i);
    // The mirror may be ahead of this answer: a cancel mark may be known already, or that the task was taken away.
    const known = queue.entry(task);
    if (known === undefined) return true;
    const ahead = compareRevisions(known.modRevision, stands.modRevision) > 0;
    if (ahead && known.record.claim?.nonce !== nonce) return true;
    const { record: entry, modRevision } = ahead ? known : stands;
    const header = entry.single && answer.outcome === 'applied' ? headerIn(answer.answers) : undefined;
    const claim = this.#hold({
      task,
      key: item.key,
      nonce,
      fence,
      incarnation: snapshot.incarnationRevision,
      entry,
      revision: modRevision,
      ...(header === undefined ? {} : { header }),
    });
    // Cancelled already: it ends without waiting for a slot.
    if (!item.pick.ahead || claim.entry.cancel !== undefined) runs.start(claim);
    return true;
  }

  #hold(facts: Omit<Parameters<typeof newHeld>[0], 'phase'>): Held {
    const { deps, held } = this.#options;
    const { ctx } = deps;
    const claim = newHeld({ ...facts, phase: 'ahead' });
    held.add(claim);
    const waitedMs = Math.max(0, ctx.clock.now() - facts.entry.queuedAt);
    ctx.metrics.count('boi_core_claims_total');
    ctx.metrics.observe('boi_core_claim_latency_seconds', waitedMs / 1000);
    return claim;
  }

  #facts({ pick, entry }: Claiming, fence: Revision | typeof FENCE_UNKNOWN): ClaimFacts {
    const { task } = pick.candidate;
    return claimFacts(this.#options.deps.self, { task, spec: specOf(task), project: entry.prj, fence, entry });
  }

  /** Its fence is the revision of the answer. */
  #foretold(item: Claiming, nonce: string): Foretold {
    const { key: source, modRevision: base } = item.pick.candidate.stored;
    return {
      event: { kind: 'task.claimed', ...this.#facts(item, FENCE_UNKNOWN) },
      trace: { source, base, entry: item.key, nonce },
    };
  }
}
