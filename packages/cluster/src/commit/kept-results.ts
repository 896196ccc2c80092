/**
 * Results that have no definite answer yet, on disk: so that they outlive this process, and are committed before this node
 * claims anything again. The committer says what is kept and when it is over; {@link KeptResults.ready} makes kept results
 * ready to be committed, with their entries as they are now, so that a commit compares the newest revision. Those of an
 * earlier life of the daemon are held again under their nonce, so that their entries are not taken for claims to be made anew.
 *
 * A result tells the incarnation of the store it was claimed in. One from before a restore is never committed: revisions run
 * backwards then, and its fence could match by accident.
 */
import { parseId } from '@boi/core';
import { ABSENT, type Op, type Revision } from '@boi/store';
import { type Held, type HeldTasks, newHeld } from '../claim/held.ts';
import type { NodeDeps } from '../deps.ts';
import type { BufferedResult, ResultBuffer } from '../node-types.ts';
import { codecs, type QueueEntry, SCHEMA_VERSION, type Stored } from '../records.ts';
import { gotten } from '../spec/spec-ref.ts';
import type { Ended } from './prepare-commit.ts';

/** Entries read in one request. */
const READ_MAX = 100;

export class KeptResults {
  readonly #deps: NodeDeps;
  readonly #buffer: ResultBuffer;
  readonly #held: HeldTasks;
  /** By task and fence. */
  readonly #kept = new Map<string, Ended>();
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: NodeDeps, buffer: ResultBuffer, held: HeldTasks) {
    this.#deps = deps;
    this.#buffer = buffer;
    this.#held = held;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Resolves when they are on disk; what the disk refuses stays in memory. Never rejects. */
  async keep(batch: readonly Ended[]): Promise<void> {
    for (const ended of batch) {
      this.#kept.set(keyOf(ended.held), ended);
      if (ended.kept || ended.poison) continue;
      try {
        await this.#buffer.append(this.#buffered(ended));
        ended.kept = true;
      } catch (error) {
        // In memory it still has its chance, as long as this process lives.
        this.#deps.ctx.log.error({ err: error, task: ended.held.task }, 'a result could not be kept on disk');
      }
    }
    this.#gauge();
  }

  /** The same after what is being written. */
  keepSoon(batch: readonly Ended[]): void {
    this.#writing = this.#writing.then(() => this.keep(batch));
  }

  /** Resolves when nothing of {@link keepSoon} is under way. */
  written(): Promise<void> {
    return this.#writing;
  }

  /** It is over: committed, or superseded. Undefined when it is not on disk; else resolves when it has gone from there. */
  forget(ended: Ended): Promise<void> | undefined {
    const { held } = ended;
    if (this.#kept.size > 0 && this.#kept.delete(keyOf(held))) this.#gauge();
    if (!ended.kept) return undefined;
    return this.#buffer.remove(held.task, held.fence).catch((error: unknown) => {
      // It would be flushed again after a restart, and refused.
      this.#deps.ctx.log.warn({ err: error, task: held.task }, 'a committed result stays on disk');
    });
  }

  /** All of them, oldest first, a part at a time, ready to be committed; last those that could not be written to the disk. */
  async *ready(): AsyncGenerator<Ended[]> {
    const stored = await this.#buffer.all();
    for (let i = 0; i < stored.length; i += READ_MAX) yield await this.#read(stored.slice(i, i + READ_MAX));
    yield [...this.#kept.values()];
  }

  #buffered({ held, report }: Ended): BufferedResult {
    const { task, project, fence, nonce, entry } = held;
    const { incarnation, incarnationRevision } = this.#deps.membership.snapshot();
    return {
      task,
      project,
      fence,
      nonce,
      attempt: entry.attempt,
      delivery: entry.deliveries,
      // Restored since it was claimed: it is of no incarnation that there will be again.
      incarnation: held.incarnation === incarnationRevision ? incarnation : '',
      report,
    };
  }

  async #read(results: readonly BufferedResult[]): Promise<Ended[]> {
    const { ctx, self } = this.#deps;
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
    return known.map(({ buffered, task }, i) => this.#again(buffered, task, gotten(codecs.entry, read.answers[i])));
  }

  #again(buffered: BufferedResult, task: Held['task'], entry: Stored<QueueEntry> | undefined): Ended {
    const { ctx, self, membership } = this.#deps;
    const { fence, nonce, report, attempt, delivery } = buffered;
    const snapshot = membership.snapshot();
    const restored = buffered.incarnation !== snapshot.incarnation;
    const mine = !restored && entry?.record.claim?.nonce === nonce ? entry : undefined;
    const own = this.#kept.get(keyOf({ task, fence }));
    if (own !== undefined) {
      if (mine !== undefined) {
        own.held.entry = mine.record;
        own.held.revision = mine.modRevision;
      }
      // No longer ours: the refusal will say so, and whether it was this result that ended it.
      return own;
    }
    const record: QueueEntry = mine?.record ?? {
      v: SCHEMA_VERSION,
      prj: buffered.project as Held['project'],
      attempt,
      deliveries: delivery,
      queuedAt: report.endedAt,
    };
    const held = newHeld({
      task,
      key: ctx.keys.queue(self, task),
      nonce,
      fence: fence as Revision,
      // Compared by the commit, which is refused as a whole for one of another incarnation.
      incarnation: restored ? ABSENT : snapshot.incarnationRevision,
      entry: record,
      revision: mine?.modRevision ?? (fence as Revision),
      phase: 'ended',
    });
    // Under its nonce, so that its entry is not taken for one to be claimed anew.
    if (mine !== undefined) this.#held.add(held);
    const ended: Ended = { held, report, kept: true, tries: 0 };
    this.#kept.set(keyOf(held), ended);
    return ended;
  }

  #gauge(): void {
    this.#deps.ctx.metrics.gauge('boi_core_buffered_results', this.#kept.size);
  }
}

function keyOf({ task, fence }: Pick<Held, 'task' | 'fence'> | { task: string; fence: string }): string {
  return `${task} ${fence}`;
}
