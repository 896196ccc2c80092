/**
 * Ends claims: puts results and deletes entries, in batches of what finished within a few milliseconds.
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
 * While there is no session results are kept on disk, and committed by {@link Committer.flush}, oldest first, before this
 * node claims anything again.
 */
import { parseId, sleep, type TaskReport, type Timer } from '@boi/core';
import {
  absent,
  type BatchItemAnswer,
  batchItemsMax,
  type Compare,
  type Op,
  type OpAnswer,
  type Revision,
  type Txn,
  unchanged,
} from '@boi/store';
import type { NodeDeps } from './deps.ts';
import { decideEnding, type Ending, finalHeader, poisonResult } from './ending.ts';
import { claimEvent, type Held, type HeldTasks, newHeld } from './held.ts';
import { heldLock } from './move.ts';
import type { BufferedResult, ResultBuffer } from './node-types.ts';
import { type Codec, codecs, type QueueEntry, type ResultRecord, type Stored } from './records.ts';
import { requeueTxn } from './requeue.ts';
import { definitionOf } from './run.ts';
import { type Settled, settleBatch } from './settle.ts';

const BATCH_MAX = 100;
/** Of the values in one request; the store's limit leaves room for keys and compares. */
const BATCH_CHARS_MAX = 600_000;
/** Entries read in one request when results are flushed: two keys each. */
const FLUSH_MAX = 50;
const RETRY_MS = 500;
/** Refused this often for something that changes meanwhile, it waits before the next try. */
const TRIES_AT_ONCE = 3;

interface Ended {
  readonly held: Held;
  readonly report: TaskReport;
  /** Instead of what the report says: its claims were lost too often. */
  readonly poison?: boolean;
  /** On disk. */
  kept: boolean;
  tries: number;
}

interface Prepared {
  readonly ended: Ended;
  readonly ending: Ending;
  readonly txn: Txn;
}

export interface CommitterOptions {
  readonly deps: NodeDeps;
  readonly buffer: ResultBuffer;
  readonly held: HeldTasks;
  /** The claim is over: `applied` by this node's own write, or taken from it. */
  readonly settled: (held: Held, applied: boolean) => void;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #closing = new AbortController();
  #pending: Ended[] = [];
  readonly #sending = new Set<Ended>();
  /** On disk, waiting for a flush, by task and fence. */
  readonly #kept = new Map<string, Ended>();
  #working: Promise<void> | undefined;
  #window: Timer | undefined;
  readonly #idle = new Set<() => void>();

  constructor(options: CommitterOptions) {
    this.#options = options;
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
    const { buffer } = this.#options;
    const stored = await buffer.all();
    for (let i = 0; i < stored.length; i += FLUSH_MAX) {
      await this.#sendAll(await this.#reread(stored.slice(i, i + FLUSH_MAX)));
    }
    // What could not be written to the disk.
    await this.#sendAll([...this.#kept.values()]);
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
    await this.#keep(left);
    await this.#working;
  }

  #add(ended: Ended): void {
    ended.held.phase = 'ended';
    this.#pending.push(ended);
    if (this.#working !== undefined || this.#window !== undefined) return;
    this.#window = this.#options.deps.ctx.clock.timer(this.#options.deps.ctx.config.commitWindowMs, () => {
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
      const batch = this.#pending.splice(0, BATCH_MAX);
      try {
        if (deps.session.signal().aborted) {
          await this.#keep(batch);
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
        await this.#keep(lost);
        if (deps.session.signal().aborted) continue;
        await sleep(clock, RETRY_MS, signal).catch(() => undefined);
        if (!signal.aborted) this.#pending.unshift(...lost);
      }
    }
  }

  /** Onto disk; stays with the committer until a flush. */
  async #keep(batch: readonly Ended[]): Promise<void> {
    const { buffer, deps } = this.#options;
    for (const ended of batch) {
      const { held, report } = ended;
      this.#kept.set(`${held.task} ${held.fence}`, ended);
      if (ended.kept || ended.poison) continue;
      try {
        await buffer.append({
          task: held.task,
          project: held.project,
          fence: held.fence,
          nonce: held.nonce,
          attempt: held.entry.attempt,
          delivery: held.entry.deliveries,
          report,
        });
        ended.kept = true;
      } catch (error) {
        // In memory it still has its chance, as long as this process lives.
        deps.ctx.log.error({ err: error, task: held.task }, 'a result could not be kept on disk');
      }
    }
    this.#gauge();
  }

  #gauge(): void {
    this.#options.deps.ctx.metrics.gauge('boi_core_buffered_results', this.#kept.size);
  }

  /** Sends one batch and settles it; answers those that must be tried again. */
  async #send(batch: readonly Ended[]): Promise<Ended[]> {
    const { deps } = this.#options;
    const { ctx } = deps;
    const prepared = await Promise.all(batch.map((ended) => this.#prepare(ended)));
    const left: Ended[] = [];
    let group: Prepared[] = [];
    let chars = 0;
    const flushGroup = async () => {
      if (group.length > 0) left.push(...(await this.#sendGroup(group)));
      group = [];
      chars = 0;
    };
    for (const item of prepared) {
      const size = charsOf(item.txn);
      const other = group[0] !== undefined && group[0].ended.held.incarnation !== item.ended.held.incarnation;
      const widest = Math.max(...[...group, item].map(({ txn }) => widthOf(txn)));
      if (other || chars + size > BATCH_CHARS_MAX || group.length + 1 > batchItemsMax(0, widest)) await flushGroup();
      group.push(item);
      chars += size;
    }
    await flushGroup();
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
    try {
      const sentMono = clock.mono();
      const first = await store.batch(request);
      let answer: Settled<typeof first>;
      if (first.outcome === 'unknown') {
        metrics.count('boi_core_store_unknown_outcomes_total');
        await this.#keep(group.map(({ ended }) => ended));
        answer = { ...(await settleBatch(ctx, this.#closing.signal, request)), resent: true };
      } else answer = { ...first, resent: false };
      metrics.observe('boi_core_commit_seconds', (clock.mono() - sentMono) / 1000);
      const left: Ended[] = [];
      for (const [i, item] of group.entries()) {
        const done =
          answer.outcome === 'refused'
            ? await this.#superseded(item.ended, 'restored')
            : await this.#settle(item, answer.items[i] as BatchItemAnswer, answer.resent);
        if (!done) left.push(item.ended);
      }
      return left;
    } finally {
      for (const { ended } of group) this.#sending.delete(ended);
    }
  }

  async #prepare(ended: Ended): Promise<Prepared> {
    const { deps } = this.#options;
    const { ctx, self } = deps;
    const { held, report } = ended;
    const nowMs = ctx.clock.now();
    const failed = report.outcome === 'failed' || report.outcome === 'timed-out';
    const retries = failed && !ended.poison ? (await definitionOf(deps, held).catch(goneOnly))?.retries : undefined;
    const { random, config } = ctx;
    const ending: Ending = ended.poison
      ? { kind: 'result', result: poisonResult(self, held, nowMs) }
      : decideEnding({ self, held, report, retries, deliveriesMax: config.deliveriesMax, nowMs, random });
    if (ending.kind === 'requeue') return { ended, ending, txn: await requeueTxn(deps, held, ending) };
    if (held.entry.single && held.header === undefined) await this.#readHeader(held);
    return { ended, ending, txn: this.#resultTxn(held, ending.result) };
  }

  async #readHeader(held: Held): Promise<void> {
    const { keys, store } = this.#options.deps.ctx;
    const { kv } = await store.get(keys.spec(held.project, held.spec));
    if (kv !== undefined) held.header = stored(codecs.spec, kv);
  }

  #resultTxn(held: Held, result: ResultRecord): Txn {
    const { keys } = this.#options.deps.ctx;
    const resultKey = keys.result(held.spec, held.task);
    const compares: Compare[] = [unchanged(held.key, held.revision), absent(resultKey)];
    const success: Op[] = [
      { op: 'put', key: resultKey, value: codecs.result.encode(result) },
      { op: 'delete', key: held.key },
    ];
    const failure: Op[] = [
      { op: 'get', key: held.key },
      { op: 'get', key: resultKey },
    ];
    const lock = heldLock(keys, held.entry);
    if (lock !== undefined) success.push({ op: 'delete', key: lock });
    const { header } = held;
    if (held.entry.single && header !== undefined) {
      compares.push(unchanged(header.key, header.modRevision));
      success.push({ op: 'put', key: header.key, value: codecs.spec.encode(finalHeader(header.record, result)) });
      failure.push({ op: 'get', key: header.key });
    }
    return { compares, success, failure };
  }

  /** Answers whether the claim is over; if not it must be tried again. */
  async #settle({ ended, ending }: Prepared, answer: BatchItemAnswer, resent: boolean): Promise<boolean> {
    const { deps } = this.#options;
    const { held } = ended;
    if (answer.outcome === 'applied') return this.#applied(ended, ending);
    const entry = found(codecs.entry, answer.answers[0]);
    const result = found(codecs.result, answer.answers[1]);
    if (result !== undefined) {
      const mine = result.record.node === deps.self && result.record.fence === held.fence;
      return mine && ending.kind === 'result' ? this.#applied(ended, ending) : this.#superseded(ended, 'has-result');
    }
    if (entry?.record.claim?.nonce === held.nonce) {
      // A cancel mark, a header or a target node that changed: decided anew with what is there now.
      held.entry = entry.record;
      held.revision = entry.modRevision;
      const header = found(codecs.spec, answer.answers[2]);
      if (held.entry.single && ending.kind === 'result') {
        if (header === undefined) delete held.header;
        else held.header = header;
      }
      ended.tries++;
      deps.ctx.metrics.count('boi_core_commit_retries_total');
      return false;
    }
    // Sent before, and no longer here: the first sending moved it, and somebody may have it since.
    if (resent && ending.kind === 'requeue') return this.#applied(ended, ending);
    return this.#superseded(ended, 'taken-away');
  }

  async #applied(ended: Ended, ending: Ending): Promise<true> {
    const { deps } = this.#options;
    const { ctx, self } = deps;
    const { held, report } = ended;
    if (ending.kind === 'result') {
      const { outcome, reason, exitCode } = ending.result;
      ctx.metrics.count('boi_core_commits_total', 1, { outcome });
      const more = {
        outcome,
        ...(reason === undefined ? {} : { reason }),
        ...(exitCode === undefined ? {} : { exitCode }),
      };
      if (outcome === 'cancelled') {
        const { task, spec, project } = held;
        ctx.emit({ kind: 'task.cancelled', project, task, spec, executor: self });
      } else ctx.emit(claimEvent(self, held, outcome === 'succeeded' ? 'task.completed' : 'task.failed', more));
      this.#specEnded(held, ending.result);
    } else {
      ctx.metrics.count('boi_core_requeues_total', 1, { why: ending.why });
      const { outcome, reason, exitCode } = report;
      const more = { outcome, delayMs: ending.delayMs, ...(reason === undefined ? {} : { reason }) };
      if (ending.why === 'retry') {
        ctx.emit(claimEvent(self, held, 'task.retried', { ...more, ...(exitCode === undefined ? {} : { exitCode }) }));
      }
    }
    await this.#over(ended, true);
    return true;
  }

  #specEnded(held: Held, { outcome }: ResultRecord): void {
    if (!held.entry.single) return;
    const { ctx } = this.#options.deps;
    const { project, spec } = held;
    const failed = outcome !== 'succeeded' && outcome !== 'cancelled';
    if (failed) ctx.emit({ kind: 'spec.failed', project, spec, tasks: 1, failed: 1 });
    else ctx.emit({ kind: 'spec.completed', project, spec, outcome, tasks: 1 });
  }

  async #superseded(ended: Ended, reason: string): Promise<true> {
    const { ctx, self } = this.#options.deps;
    const { held } = ended;
    ctx.log.warn({ task: held.task, fence: held.fence, reason }, 'a result came too late and is dropped');
    ctx.metrics.count('boi_core_superseded_total', 1, { step: 'commit' });
    ctx.emit(claimEvent(self, held, 'claim.fence_rejected', { step: 'commit' }));
    ctx.emit(claimEvent(self, held, 'task.superseded', { reason }));
    await this.#over(ended, false);
    return true;
  }

  async #over(ended: Ended, applied: boolean): Promise<void> {
    const { buffer, held: table, settled, deps } = this.#options;
    const { held } = ended;
    if (this.#kept.delete(`${held.task} ${held.fence}`)) this.#gauge();
    table.remove(held);
    settled(held, applied);
    if (!ended.kept) return;
    await buffer.remove(held.task, held.fence).catch((error: unknown) => {
      // It would be flushed again after a restart, and refused.
      deps.ctx.log.warn({ err: error, task: held.task }, 'a committed result stays on disk');
    });
  }

  /** What is on disk, with the entries as they are now. What is no longer this node's is dropped here. */
  async #reread(results: readonly BufferedResult[]): Promise<Ended[]> {
    const { deps, held: table } = this.#options;
    const { ctx, self, membership } = deps;
    const known: { buffered: BufferedResult; task: Held['task'] }[] = [];
    for (const buffered of results) {
      const task = parseId('task', buffered.task);
      if (task !== undefined) known.push({ buffered, task });
      else ctx.log.error({ task: buffered.task }, 'a kept result names no task; it is left alone');
    }
    if (known.length === 0) return [];
    const read = await ctx.store.txn({
      compares: [],
      success: known.map(({ task }): Op => ({ op: 'get', key: ctx.keys.queue(self, task) })),
    });
    if (read.outcome === 'unknown') throw read.cause;
    const ended: Ended[] = [];
    for (const [i, { buffered, task }] of known.entries()) {
      const { fence, nonce, report, attempt, delivery } = buffered;
      const entry = found(codecs.entry, read.answers[i]);
      const own = this.#kept.get(`${task} ${fence}`);
      const mine = entry?.record.claim?.nonce === nonce;
      if (own !== undefined) {
        if (entry !== undefined && mine) {
          own.held.entry = entry.record;
          own.held.revision = entry.modRevision;
        }
        // No longer ours: the refusal will say so, and whether it was this result that ended it.
        ended.push(own);
        continue;
      }
      const key = ctx.keys.queue(self, task);
      const record: QueueEntry =
        entry !== undefined && mine
          ? entry.record
          : { v: 1, prj: buffered.project as Held['project'], attempt, deliveries: delivery, queuedAt: report.endedAt };
      const held = newHeld({
        task,
        key,
        nonce,
        fence: fence as Revision,
        incarnation: membership.snapshot().incarnationRevision,
        entry: record,
        revision: mine ? entry.modRevision : (fence as Revision),
        phase: 'ended',
      });
      // Under its nonce, so that its entry is not taken for one to be claimed anew.
      if (mine) table.add(held);
      const again: Ended = { held, report, kept: true, tries: 0 };
      this.#kept.set(`${task} ${fence}`, again);
      ended.push(again);
    }
    return ended;
  }
}

function found<T>(codec: Codec<T>, answer: OpAnswer | undefined): Stored<T> | undefined {
  return answer?.op === 'get' && answer.kv !== undefined ? stored(codec, answer.kv) : undefined;
}

function stored<T>(
  codec: Codec<T>,
  kv: { key: string; value: Buffer; createRevision: Revision; modRevision: Revision },
): Stored<T> {
  const { key, createRevision, modRevision } = kv;
  return { key, record: codec.decode(key, kv.value), createRevision, modRevision };
}

/** A spec that is gone has no policy; any other failure to read is the caller's. */
function goneOnly(error: { code?: string }): undefined {
  if (error.code === 'not-found' || error.code === 'schema-unknown') return undefined;
  throw error;
}

function charsOf(txn: Txn): number {
  return txn.success.reduce((sum, op) => sum + (op.op === 'put' ? op.value.length : 0), 0);
}

function widthOf(txn: Txn): number {
  return Math.max(txn.compares.length, txn.success.length, txn.failure?.length ?? 0);
}
