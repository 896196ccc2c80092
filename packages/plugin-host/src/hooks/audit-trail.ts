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
 * {@link UNACKNOWLEDGED_MAX} events outstanding, intents counted, whoever would emit more waits its turn (a batch is let in
 * whole as soon as there is room for one, so the number can be exceeded by one batch; what is urgent does not wait).
 */
import {
  BoiError,
  type BoiEvent,
  type Clock,
  type EmitOptions,
  type EventIntent,
  type IntendedEvent,
  type Settlement,
  sleep,
} from '@boi/core';
import type { SequencedEvent } from '@boi/proto';
import type { HighWaterMarks, SettleIntent } from './ports.ts';
import { RoomGate } from './room-gate.ts';
import { type DeliverySource, Wakeup } from './source.ts';
import { type Entry, type SegmentNumber, WriteAheadLog } from './wal.ts';
import type { WalRecord } from './wal-format.ts';

/** Outstanding events at which the work that emits them waits. */
export const UNACKNOWLEDGED_MAX = 100;
/** The mark is written at most this often: it goes to the store, and only saves repeats after a crash. */
const MARK_EVERY_MS = 1_000;
/** After a write that the disk refused. */
const WRITE_AGAIN_MS = 5_000;

export interface AuditTrailOptions {
  readonly directory: string;
  readonly node: string;
  readonly plugin: string;
  readonly clock: Clock;
  readonly marks: HighWaterMarks;
  readonly settle: SettleIntent;
  /** Torn ends, lost sequences, a mark that cannot be written: for the log. */
  readonly onProblem: (message: string, error?: unknown) => void;
  /** The work has had to wait for a while without a pause (true), or is let in again (false). */
  readonly onSaturated?: (saturated: boolean) => void;
  readonly segmentBytesMax?: number;
}

interface Deliverable extends SequencedEvent {
  /** Where the event's bytes lie. */
  readonly segment: SegmentNumber;
}

export class AuditTrail implements DeliverySource {
  readonly #options: AuditTrailOptions;
  readonly #wal: WriteAheadLog;
  readonly #wakeup = new Wakeup();
  readonly #room: RoomGate;
  readonly #closing = new AbortController();
  readonly #intents = new Map<number, IntendedEvent & { readonly segment: SegmentNumber }>();
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
    this.#room = new RoomGate({
      clock: options.clock,
      outstandingMax: UNACKNOWLEDGED_MAX,
      outstanding: () => this.outstanding,
      onSaturated: options.onSaturated ?? (() => undefined),
    });
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
    try {
      await this.#open(await this.#options.marks.read(this.#options.plugin));
    } catch (error) {
      await this.#wal.close();
      throw error;
    }
  }

  async #open(mark: number): Promise<void> {
    const { plugin, onProblem } = this.#options;
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
    for (const [intent, { event, trace }] of [...this.#intents]) {
      const settlement: Settlement = await this.#options
        .settle({ event, ...(trace === undefined ? {} : { trace }) })
        .catch(() => ({ outcome: 'unknown' }));
      await this.#resolve(intent, settlement);
    }
    this.#room.look();
  }

  /** Whether an event would be let in at once. */
  get hasRoom(): boolean {
    return this.#room.isOpen;
  }

  /** Resolves when there may be room, or the signal aborts. */
  untilRoom(signal: AbortSignal): Promise<void> {
    return this.#room.untilOpen(signal);
  }

  /** Records that `events` are about to happen; waits for room. Resolves when they are on disk: only then make the change. */
  async intend(events: readonly IntendedEvent[], options?: EmitOptions): Promise<readonly EventIntent[]> {
    await this.#enter(events.length, options);
    const made: EventIntent[] = [];
    try {
      const tries = await Promise.allSettled(events.map((event) => this.#intend(event)));
      for (const tried of tries) if (tried.status === 'fulfilled') made.push(tried.value);
      const failed = tries.find((tried) => tried.status === 'rejected');
      if (failed === undefined) return made;
      // Some of a batch that went to the disk in two groups: the change is not made, so none of them happens.
      await Promise.allSettled(made.map((intent) => intent.didNotHappen()));
      throw failed.reason;
    } finally {
      this.#entering -= events.length;
      this.#room.look();
    }
  }

  /** Records that `events` happened; waits for room and for a full disk. Resolves when they are on disk and will be delivered. */
  async tell(events: readonly BoiEvent[], options?: EmitOptions): Promise<void> {
    await this.#enter(events.length, options);
    try {
      await Promise.all(events.map((event) => this.#tell(event)));
    } finally {
      this.#entering -= events.length;
      this.#room.look();
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
    this.#room.look();
    this.#marking ??= this.#mark();
  }

  async more(sequence: number, signal: AbortSignal): Promise<void> {
    while (this.#last <= sequence && !signal.aborted) await this.#wakeup.next(signal);
  }

  /** Writes the mark and closes the log. What waits for room is refused; unresolved intents stay for the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new BoiError('unavailable', 'the audit trail is closed'));
    this.#room.close();
    await this.#marking;
    await this.#writeMark();
    await this.#wal.close();
  }

  async #enter(count: number, { signal, urgent = false }: EmitOptions = {}): Promise<void> {
    this.#closing.signal.throwIfAborted();
    signal?.throwIfAborted();
    const enter = () => {
      this.#entering += count;
    };
    // A combined signal for each event would be kept by those it is made of: only who waits needs one.
    if (urgent || this.#room.isOpen) enter();
    else {
      const closing = this.#closing.signal;
      await this.#room.enter(enter, signal === undefined ? closing : AbortSignal.any([signal, closing]));
    }
    this.#room.look();
  }

  async #intend({ event, trace }: IntendedEvent): Promise<EventIntent> {
    const intent = this.#nextIntent++;
    const traced = trace === undefined ? {} : { trace };
    const segment = await this.#wal.append({ make: () => ({ t: 'intent', intent, event, ...traced }) });
    this.#intents.set(intent, { event, ...traced, segment });
    return {
      happened: (final) => this.#resolve(intent, { outcome: 'happened', ...(final === undefined ? {} : { final }) }),
      didNotHappen: () => this.#resolve(intent, { outcome: 'did-not-happen' }),
      unknown: () => this.#resolve(intent, { outcome: 'unknown' }),
    };
  }

  async #resolve(intent: number, settlement: Settlement): Promise<void> {
    const known = this.#intents.get(intent);
    if (known === undefined) throw new Error('assertion failed: an intent is resolved once');
    const { outcome } = settlement;
    if (outcome === 'did-not-happen') {
      await this.#write({ make: () => ({ t: 'settled', intent, outcome }) });
      this.#intents.delete(intent);
      this.#room.look();
      return;
    }
    const final =
      settlement.outcome === 'happened' && settlement.final !== undefined ? { event: settlement.final } : {};
    const event = asTold({ ...known, ...final }, outcome);
    await this.#numbered(
      (sequence) => ({ t: 'settled', intent, outcome, sequence, ...final }),
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
    const segment = await this.#write({
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

  /** What has happened must be told: a disk that is full is waited for. Rejects when the trail is closed meanwhile. */
  async #write(entry: Entry): Promise<SegmentNumber> {
    const { clock, plugin, onProblem } = this.#options;
    for (;;) {
      try {
        return await this.#wal.append(entry);
      } catch (error) {
        onProblem(`an event for ${plugin} is not on disk yet; it is tried again`, error);
        await sleep(clock, WRITE_AGAIN_MS, this.#closing.signal);
      }
    }
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
        this.#intents.set(record.intent, {
          event: record.event,
          ...(record.trace === undefined ? {} : { trace: record.trace }),
          segment,
        });
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
        const event = asTold({ event: record.event ?? known.event }, record.outcome);
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

function asTold({ event }: Pick<IntendedEvent, 'event'>, outcome: 'happened' | 'unknown'): BoiEvent {
  return outcome === 'unknown' ? { ...event, outcome } : event;
}
