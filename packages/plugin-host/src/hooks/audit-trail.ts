/**
 * The audit tier for one plugin on one node: what is to be told, on disk, before it happens.
 *
 * The life of an event: `intend` writes it as an *intent* before the transaction it tells of; `happened` or `unknown`, after it,
 * gives it the next *sequence* and makes it deliverable once that is on disk too; `didNotHappen` ends it without a sequence, so
 * sequences have no gaps. An intent that nobody resolved (the daemon died) is settled by reading the store at the next
 * start, and delivered with `outcome: unknown` if that cannot tell. What has no transaction is `tell`-ed: one record.
 *
 * Invariants: a sequence is on the disk before the plugin sees it, so it never stands for two events, whatever dies when; sequences
 * are given in the order in which outcomes become known; nothing is trimmed that the recorded mark does not cover; with
 * {@link UNACKNOWLEDGED_MAX} events outstanding, intents counted, whoever would emit more waits (a batch is let in
 * whole as soon as there is room for one, so the number can be exceeded by one batch).
 */
import { BoiError, type BoiEvent, type Clock, sleep } from '@boi/core';
import type { SequencedEvent } from '@boi/proto';
import type { HighWaterMarks, SettleIntent } from './ports.ts';
import { type DeliverySource, Wakeup } from './source.ts';
import { type SegmentNumber, WriteAheadLog } from './wal.ts';
import type { WalRecord } from './wal-format.ts';

/** Outstanding events at which the work that emits them waits. */
export const UNACKNOWLEDGED_MAX = 100;
/** The mark is written at most this often: it goes to the store, and only saves repeats after a crash. */
const MARK_EVERY_MS = 1_000;

export interface AuditTrailOptions {
  readonly directory: string;
  readonly node: string;
  readonly plugin: string;
  readonly clock: Clock;
  readonly marks: HighWaterMarks;
  readonly settle: SettleIntent;
  /** Torn ends, lost sequences, a mark that cannot be written: for the log. */
  readonly onProblem: (message: string, error?: unknown) => void;
  readonly segmentBytesMax?: number;
}

/** An event whose change is under way. Exactly one of the three must be called; each resolves when that is on disk. */
export interface Intent {
  happened(): Promise<void>;
  didNotHappen(): Promise<void>;
  /** It could not be found out, and never will be. */
  unknown(): Promise<void>;
}

interface Deliverable extends SequencedEvent {
  /** Where the event's bytes lie. */
  readonly segment: SegmentNumber;
}

export class AuditTrail implements DeliverySource {
  readonly #options: AuditTrailOptions;
  readonly #wal: WriteAheadLog;
  readonly #wakeup = new Wakeup();
  readonly #room = new Wakeup();
  readonly #closing = new AbortController();
  readonly #intents = new Map<number, { readonly event: BoiEvent; readonly segment: SegmentNumber }>();
  #deliverable: Deliverable[] = [];
  #nextSequence = 1;
  #nextIntent = 1;
  /** Events that are being written. */
  #entering = 0;
  #last = 0;
  #acknowledged = 0;
  #recorded = 0;
  #marking: Promise<void> | undefined;

  constructor(options: AuditTrailOptions) {
    this.#options = options;
    this.#wal = new WriteAheadLog(
      options.directory,
      () => ({
        t: 'open',
        node: options.node,
        plugin: options.plugin,
        sequence: this.#nextSequence,
        intent: this.#nextIntent,
      }),
      options.segmentBytesMax,
    );
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }
  get last(): number {
    return this.#last;
  }
  /** Events that are not acknowledged, intents included. */
  get outstanding(): number {
    return this.#deliverable.length + this.#intents.size + this.#entering;
  }

  /** Reads the log, settles what an earlier life left unresolved. Rejects if the log is damaged or the mark cannot be read. */
  async open(): Promise<void> {
    const { marks, plugin, onProblem } = this.#options;
    const mark = await marks.read(plugin);
    const { records, tornBytes } = await this.#wal.open();
    if (tornBytes > 0) onProblem(`${tornBytes} bytes of an unfinished write were cut off the audit log of ${plugin}`);
    for (const { record, segment } of records) this.#replay(record, segment);
    this.#acknowledged = this.#recorded = mark;
    this.#deliverable = this.#deliverable.filter(({ sequence }) => sequence > mark);
    if (mark >= this.#nextSequence) {
      // The disk lost what the plugin has had. Its numbers must not stand for other events.
      onProblem(
        `the audit log of ${plugin} ends at ${this.#nextSequence - 1}, but ${mark} was acknowledged; goes on from there`,
      );
      this.#nextSequence = mark + 1;
    }
    this.#last = this.#nextSequence - 1;
    for (const [intent, { event }] of [...this.#intents]) {
      const outcome = await this.#options.settle(event).catch(() => 'unknown' as const);
      await this.#resolve(intent, outcome);
    }
  }

  /** Records that `events` are about to happen; waits for room. Resolves when they are on disk: only then make the change. */
  async intend(events: readonly BoiEvent[], signal?: AbortSignal): Promise<readonly Intent[]> {
    await this.#enter(events.length, signal);
    try {
      return await Promise.all(events.map((event) => this.#intend(event)));
    } finally {
      this.#entering -= events.length;
    }
  }

  /** Records that `events` happened; waits for room. Resolves when they are on disk and will be delivered. */
  async tell(events: readonly BoiEvent[], signal?: AbortSignal): Promise<void> {
    await this.#enter(events.length, signal);
    try {
      await Promise.all(events.map((event) => this.#tell(event)));
    } finally {
      this.#entering -= events.length;
    }
  }

  after(sequence: number, max: number): readonly SequencedEvent[] {
    // Sequences have no gaps, so the place follows from the number.
    const first = this.#deliverable[0]?.sequence ?? 0;
    const begin = Math.max(0, sequence + 1 - first);
    return this.#deliverable
      .slice(begin, begin + max)
      .map(({ sequence: number, event }) => ({ sequence: number, event }));
  }

  acknowledge(sequence: number): void {
    if (sequence <= this.#acknowledged) return;
    this.#acknowledged = sequence;
    const keep = this.#deliverable.findIndex((candidate) => candidate.sequence > sequence);
    this.#deliverable = keep < 0 ? [] : this.#deliverable.slice(keep);
    this.#room.wake();
    this.#marking ??= this.#mark();
  }

  async more(sequence: number, signal: AbortSignal): Promise<void> {
    while (this.#last <= sequence && !signal.aborted) await this.#wakeup.next(signal);
  }

  /** Writes the mark and closes the log. What waits for room is refused; unresolved intents stay for the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new BoiError('unavailable', 'the audit trail is closed'));
    await this.#marking;
    await this.#writeMark();
    await this.#wal.close();
  }

  async #enter(count: number, signal?: AbortSignal): Promise<void> {
    const either = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    for (;;) {
      either.throwIfAborted();
      if (this.outstanding < UNACKNOWLEDGED_MAX) break;
      await this.#room.next(either);
    }
    this.#entering += count;
  }

  async #intend(event: BoiEvent): Promise<Intent> {
    const intent = this.#nextIntent++;
    const segment = await this.#wal.append({ make: () => ({ t: 'intent', intent, event }) });
    this.#intents.set(intent, { event, segment });
    return {
      happened: () => this.#resolve(intent, 'happened'),
      didNotHappen: () => this.#resolve(intent, 'did-not-happen'),
      unknown: () => this.#resolve(intent, 'unknown'),
    };
  }

  async #resolve(intent: number, outcome: 'happened' | 'did-not-happen' | 'unknown'): Promise<void> {
    const known = this.#intents.get(intent);
    if (known === undefined) throw new Error('assertion failed: an intent is resolved once');
    if (outcome === 'did-not-happen') {
      await this.#wal.append({ make: () => ({ t: 'settled', intent, outcome }) });
      this.#intents.delete(intent);
      this.#room.wake();
      return;
    }
    const event = outcome === 'unknown' ? { ...known.event, outcome: 'unknown' as const } : known.event;
    await this.#numbered(
      (sequence) => ({ t: 'settled', intent, outcome, sequence }),
      (sequence) => {
        this.#intents.delete(intent);
        return { sequence, event, segment: known.segment };
      },
    );
  }

  #tell(event: BoiEvent): Promise<void> {
    return this.#numbered(
      (sequence) => ({ t: 'event', sequence, event }),
      (sequence, segment) => ({ sequence, event, segment }),
    );
  }

  /** Writes a record with the next sequence, and makes deliverable what it tells of. */
  async #numbered(
    record: (sequence: number) => WalRecord,
    deliverable: (sequence: number, segment: SegmentNumber) => Deliverable,
  ): Promise<void> {
    let sequence = 0;
    const segment = await this.#wal.append({
      make: () => {
        sequence = this.#nextSequence++;
        return record(sequence);
      },
      undo: () => {
        this.#nextSequence--;
      },
    });
    this.#deliverable.push(deliverable(sequence, segment));
    this.#last = sequence;
    this.#wakeup.wake();
  }

  #replay(record: WalRecord, segment: SegmentNumber): void {
    switch (record.t) {
      case 'open':
        if (record.node !== this.#options.node || record.plugin !== this.#options.plugin)
          throw new BoiError(
            'config-invalid',
            `${this.#options.directory} holds the audit log of ${record.plugin} on ${record.node}; move it away to begin a new one`,
          );
        this.#nextSequence = Math.max(this.#nextSequence, record.sequence);
        this.#nextIntent = Math.max(this.#nextIntent, record.intent);
        return;
      case 'intent':
        this.#intents.set(record.intent, { event: record.event, segment });
        this.#nextIntent = record.intent + 1;
        return;
      case 'event':
        this.#deliverable.push({ sequence: record.sequence, event: record.event, segment });
        this.#nextSequence = record.sequence + 1;
        return;
      default: {
        const known = this.#intents.get(record.intent);
        this.#intents.delete(record.intent);
        if (record.outcome === 'did-not-happen') return;
        this.#nextSequence = record.sequence + 1;
        // Its intent is in a segment that was trimmed: it was acknowledged.
        if (known === undefined) return;
        const event = record.outcome === 'unknown' ? { ...known.event, outcome: 'unknown' as const } : known.event;
        this.#deliverable.push({ sequence: record.sequence, event, segment: known.segment });
      }
    }
  }

  async #mark(): Promise<void> {
    await sleep(this.#options.clock, MARK_EVERY_MS, this.#closing.signal).catch(() => undefined);
    await this.#writeMark();
    this.#marking = undefined;
    if (this.#acknowledged > this.#recorded && !this.#closing.signal.aborted) this.#marking = this.#mark();
  }

  async #writeMark(): Promise<void> {
    const sequence = this.#acknowledged;
    if (sequence <= this.#recorded) return;
    try {
      await this.#options.marks.raise(this.#options.plugin, sequence);
      this.#recorded = sequence;
      await this.#trim();
    } catch (error) {
      this.#options.onProblem(`the mark of ${this.#options.plugin} is not recorded; it is tried again`, error);
    }
  }

  /** Only up to what is recorded: else a restart would have to deliver again what is no longer there. */
  async #trim(): Promise<void> {
    const needed = [...this.#deliverable, ...this.#intents.values()].map(({ segment }) => segment);
    await this.#wal.trimBefore(Math.min(...needed, this.#wal.current));
  }
}
