/**
 * Ends claims: puts results and deletes entries, in batches of what finished within a few milliseconds; at once where nothing
 * else is held that could finish.
 *
 * Compares: `incarnation` as it was when the task was claimed; for each task the newest revision of its entry that carries
 * the claim's own nonce, its result absent, and for a one-task spec its header. Not this node's record: a result that comes
 * late, after the session was lost, is accepted if and only if nobody has taken the task over.
 *
 *   applied   told, forgotten
 *   refused   read with the refusal: own nonce at a newer revision (a cancel mark), or a header that changed: tried again;
 *             a result of this very claim: applied by an earlier sending; anything else: superseded, dropped, and told
 *   unknown   kept on disk, then the identical request again until the answer is definite
 *
 * While a plugin of the audit tier is behind, a commit waits for it, with its results on disk.
 *
 * While there is no session results are kept on disk, and committed by {@link Committer.flush}, oldest first, before this
 * node claims anything again.
 */
import { type Outcome, sleep, type TaskReport, type Timer } from '@boi/core';
import { type BatchItemAnswer, unchanged } from '@boi/store';
import { type Settled, settleBatch } from '../base/settle.ts';
import { claimFacts, type Held, type HeldTasks } from '../claim/held.ts';
import type { NodeDeps } from '../deps.ts';
import type { Foretold } from '../events/cluster-event.ts';
import type { Intents } from '../events/events.ts';
import type { ResultBuffer } from '../node-types.ts';
import { codecs } from '../records.ts';
import { gotten } from '../spec/spec-ref.ts';
import { countApplied, ENDING_EVENTS, endingEvents } from './commit-events.ts';
import { KeptResults } from './kept-results.ts';
import { type Ended, type Prepared, prepareCommit } from './prepare-commit.ts';
import { requests } from './requests.ts';

const BATCH_MAX = 100;
const RETRY_MS = 500;
/** Refused this often for something that changes meanwhile, it waits before the next try. */
const TRIES_AT_ONCE = 3;

export interface CommitterOptions {
  readonly deps: NodeDeps;
  readonly buffer: ResultBuffer;
  readonly held: HeldTasks;
  /** The claim is over: `applied` by this node's own write, or taken from it. */
  readonly settled: (held: Held, applied: boolean) => void;
}

/** Where a task's events are among the intents of its request. */
interface Told {
  readonly intents: Intents | undefined;
  readonly i: number;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #closing = new AbortController();
  #pending: Ended[] = [];
  readonly #sending = new Set<Ended>();
  /** On disk, waiting for a flush. */
  readonly #kept: KeptResults;
  /** Being removed from the disk; a request is over when they are. */
  readonly #forgetting: Promise<void>[] = [];
  #working: Promise<void> | undefined;
  /** A batch has no definite answer yet: what ends meanwhile waits behind it, and must be on disk while it waits. */
  #unsettled = false;
  #window: Timer | undefined;
  readonly #idle = new Set<() => void>();

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#kept = new KeptResults(options.deps, options.buffer, options.held);
  }

  /** Results on disk that are not committed yet. */
  get buffered(): number {
    return this.#kept.size;
  }

  /** Ends not committed yet, in memory. */
  get pending(): number {
    return this.#pending.length + this.#sending.size;
  }

  /** A held task has ended. */
  add(held: Held, report: TaskReport): void {
    this.#add({ held, report, kept: false, tries: 0 });
  }

  /** A claim that was lost too often. */
  addPoison(held: Held): void {
    const endedAt = this.#options.deps.ctx.clock.now();
    const report: TaskReport = { outcome: 'failed', reason: 'lost', endedAt, tail: '', logBytes: 0 };
    this.#add({ held, report, poison: true, kept: false, tries: 0 });
  }

  /** Commits what is on disk, oldest first. Resolves when all of it is definite; rejects when the store is away or on stop. */
  async flush(): Promise<void> {
    await this.#quiet();
    for await (const batch of this.#kept.ready()) await this.#sendAll(batch);
  }

  async #sendAll(batch: readonly Ended[]): Promise<void> {
    const { clock } = this.#options.deps.ctx;
    for (let left = batch; left.length > 0; ) {
      left = await this.#send(left);
      if (left.some(({ tries }) => tries > TRIES_AT_ONCE)) await sleep(clock, RETRY_MS, this.#closing.signal);
    }
  }

  /** Resolves when nothing waits to be sent, or is on disk instead. */
  async #quiet(): Promise<void> {
    while (this.#working !== undefined || this.#window !== undefined) {
      await new Promise<void>((resolve) => this.#idle.add(resolve));
    }
  }

  /** Commits what has ended, for at most `limitMs`; what is left then is kept on disk. */
  async stop(limitMs: number): Promise<void> {
    const { clock } = this.#options.deps.ctx;
    const limit = new AbortController();
    await Promise.race([this.#quiet(), sleep(clock, limitMs, limit.signal).catch(() => undefined)]);
    limit.abort();
    const left = [...this.#sending, ...this.#pending];
    this.#closing.abort(new Error('the node stops'));
    this.#window?.cancel();
    this.#window = undefined;
    this.#pending = [];
    await this.#kept.written();
    await this.#kept.keep(left);
    await this.#working;
  }

  #add(ended: Ended): void {
    ended.held.phase = 'ended';
    this.#pending.push(ended);
    if (this.#unsettled) this.#kept.keepSoon([ended]);
    if (this.#working !== undefined || this.#window !== undefined) return;
    const { clock, config } = this.#options.deps.ctx;
    // Nothing else is held here: whatever could be company has yet to be claimed, which takes longer than the wait.
    const { held } = this.#options;
    const alone = held.size <= this.#pending.length;
    const windowMs = held.waits ? config.commitWindowBusyMs : config.commitWindowMs;
    this.#window = clock.timer(alone ? 0 : windowMs, () => {
      this.#window = undefined;
      this.#working = this.#work().finally(() => {
        this.#working = undefined;
        for (const resolve of this.#idle) resolve();
        this.#idle.clear();
      });
    });
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    const { deps } = this.#options;
    const { clock, log } = deps.ctx;
    const { signal } = this.#closing;
    while (this.#pending.length > 0 && !signal.aborted) {
      // What is being written must be known to be on disk, or it would stay there after its commit.
      await this.#kept.written();
      const batch = this.#pending.splice(0, BATCH_MAX);
      try {
        if (deps.session.signal().aborted) {
          await this.#kept.keep(batch);
          continue;
        }
        const left = await this.#send(batch);
        this.#pending.unshift(...left);
        if (left.some(({ tries }) => tries > TRIES_AT_ONCE)) await sleep(clock, RETRY_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        // The store is away, or refuses to write at all: the results must outlive this process.
        log.warn({ err: error, results: batch.length }, 'results could not be committed; they are kept');
        const lost = batch.filter(({ held }) => this.#options.held.get(held.task) === held);
        await this.#kept.keep(lost);
        if (deps.session.signal().aborted) continue;
        await sleep(clock, RETRY_MS, signal).catch(() => undefined);
        if (!signal.aborted) this.#pending.unshift(...lost);
      }
    }
  }

  /** Sends one batch and settles it; answers those that must be tried again. */
  async #send(batch: readonly Ended[]): Promise<Ended[]> {
    const { deps } = this.#options;
    const { ctx } = deps;
    const prepared = await Promise.all(batch.map((ended) => prepareCommit(deps, ended)));
    const left: Ended[] = [];
    for (const group of requests(prepared)) left.push(...(await this.#sendGroup(group)));
    ctx.metrics.gauge('boi_core_commits_pending', this.pending);
    return left;
  }

  async #sendGroup(group: readonly Prepared[]): Promise<Ended[]> {
    const { ctx } = this.#options.deps;
    const { clock, keys, metrics, store } = ctx;
    const incarnation = (group[0] as Prepared).ended.held.incarnation;
    const request = {
      compares: [unchanged(keys.incarnation(), incarnation)],
      items: group.map(({ txn }) => txn),
    };
    for (const { ended } of group) this.#sending.add(ended);
    const places: number[] = [];
    let intents: Intents | undefined;
    try {
      intents = await this.#intend(group, places);
      const sentMono = clock.mono();
      const first = await store.batch(request);
      let answer: Settled<typeof first>;
      if (first.outcome === 'unknown') {
        metrics.count('boi_core_store_unknown_outcomes_total');
        this.#unsettled = true;
        await this.#kept.keep(group.map(({ ended }) => ended));
        this.#kept.keepSoon([...this.#pending]);
        answer = { ...(await settleBatch(ctx, this.#closing.signal, request)), resent: true };
      } else answer = { ...first, resent: first.outcome === 'refused' && first.inDoubt === true };
      metrics.observe('boi_core_commit_seconds', (clock.mono() - sentMono) / 1000);
      const left: Ended[] = [];
      for (const [i, item] of group.entries()) {
        const done =
          answer.outcome === 'refused'
            ? this.#superseded(item.ended, 'restored')
            : this.#settle(item, answer.items[i] as BatchItemAnswer, answer.resent, {
                intents,
                i: places[i] ?? 0,
              });
        if (!done) left.push(item.ended);
        // Sent twice and found over: the first sending may have been applied and taken back since. The store is asked later.
        if (answer.resent && done) continue;
        // What is tried again is announced again.
        for (let n = places[i] ?? 0; n < (places[i + 1] ?? 0); n++) intents?.didNotHappen(n);
      }
      await Promise.all(this.#forgetting.splice(0));
      return left;
    } finally {
      intents?.leave();
      for (const { ended } of group) this.#sending.delete(ended);
      this.#unsettled = false;
    }
  }

  /** While the audit has no room results wait on disk, as they do while the store is silent. */
  async #intend(group: readonly Prepared[], places: number[]): Promise<Intents | undefined> {
    const { deps } = this.#options;
    const { events } = deps.ctx;
    const foretell = () => {
      const all: Foretold[] = [];
      for (const prepared of group) {
        places.push(all.length);
        all.push(...endingEvents(deps.self, prepared));
      }
      places.push(all.length);
      return all;
    };
    const intending = events.intend(ENDING_EVENTS, foretell, { signal: this.#closing.signal });
    if (intending === undefined) return undefined;
    if (!events.hasRoom(ENDING_EVENTS)) {
      this.#unsettled = true;
      await this.#kept.keep(group.map(({ ended }) => ended));
      this.#kept.keepSoon([...this.#pending]);
    }
    return intending;
  }

  /** Answers whether the claim is over; if not it must be tried again. */
  #settle(prepared: Prepared, answer: BatchItemAnswer, resent: boolean, told: Told): boolean {
    const { deps } = this.#options;
    const { ended, ending } = prepared;
    const { held } = ended;
    if (answer.outcome === 'applied') return this.#applied(prepared, told);
    const entry = gotten(codecs.entry, answer.answers[0]);
    const result = gotten(codecs.result, answer.answers[1]);
    if (result !== undefined) {
      const { node, fence, outcome, endedAt } = result.record;
      if (node !== deps.self || fence !== held.fence) return this.#superseded(ended, 'has-result');
      const same = ending.kind === 'result' && ending.result.outcome === outcome && ending.result.endedAt === endedAt;
      return same ? this.#applied(prepared, told) : this.#endedBefore(ended, outcome);
    }
    if (entry?.record.claim?.nonce === held.nonce) {
      // A cancel mark, a header or a target node that changed: decided anew with what is there now.
      held.entry = entry.record;
      held.revision = entry.modRevision;
      const header = gotten(codecs.spec, answer.answers[2]);
      if (held.entry.single && ending.kind === 'result') {
        if (header === undefined) delete held.header;
        else held.header = header;
      }
      ended.tries++;
      deps.ctx.metrics.count('boi_core_commit_retries_total');
      return false;
    }
    // Sent before, and no longer here: the first sending moved it, and somebody may have it since.
    if (resent && ending.kind === 'requeue') return this.#applied(prepared, told);
    return this.#superseded(ended, 'taken-away');
  }

  #applied(prepared: Prepared, { intents, i }: Told): true {
    const { ctx, self } = this.#options.deps;
    countApplied(ctx, prepared.ending);
    for (const [n, { event }] of endingEvents(self, prepared).entries()) ctx.events.happened(event, intents, i + n);
    this.#over(prepared.ended, true);
    return true;
  }

  /** An earlier sending, of this life or one before, or who took it for dead, ended this very claim: that counts, and told its events. */
  #endedBefore(ended: Ended, outcome: Outcome): true {
    const { task, fence } = ended.held;
    this.#options.deps.ctx.log.info({ task, fence, outcome }, 'the claim had its result already');
    this.#over(ended, true);
    return true;
  }

  #superseded(ended: Ended, reason: string): true {
    const { ctx, self } = this.#options.deps;
    const { held } = ended;
    ctx.log.warn({ task: held.task, fence: held.fence, reason }, 'a result came too late and is dropped');
    ctx.metrics.count('boi_core_superseded_total', 1, { step: 'commit' });
    ctx.events.tell({ kind: 'claim.fence_rejected', ...claimFacts(self, held), step: 'commit' });
    ctx.events.tell({ kind: 'task.superseded', ...claimFacts(self, held), reason });
    this.#over(ended, false);
    return true;
  }

  #over(ended: Ended, applied: boolean): void {
    const { held: table, settled } = this.#options;
    const { held } = ended;
    const forgetting = this.#kept.forget(ended);
    if (forgetting !== undefined) this.#forgetting.push(forgetting);
    table.remove(held);
    settled(held, applied);
  }
}
