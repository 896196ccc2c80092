/**
 * Where every part of a node says what happens. What has no transaction is `tell`-ed. For what a transaction brings about:
 *
 *   intend ──on disk──► the transaction ──applied──► happened
 *                                       ──refused──► didNotHappen
 *                                       ──no answer, ever──► leave: the store is read later; at a stop, at the next start
 *
 * Only an audit plugin makes `intend` do anything: without one it answers undefined at once, and `happened` is all there is. An
 * intent waits while a plugin is behind, unless it is urgent; who must never wait asks `hasRoom` before.
 *
 * Made by node.ts, given to everything with the context. Ids, times and the form of events are made here and nowhere else.
 */
import {
  BoiError,
  type BoiEvent,
  type Clock,
  type EmitOptions,
  type EventIntent,
  type EventKind,
  type EventPort,
  IdMinter,
  type IntendedEvent,
  type NodeId,
  type Random,
  type Settlement,
  sleep,
} from '@boi/core';
import type { Logger, MetricSink } from '../context.ts';
import { type ClusterEvent, type Foretold, partsOf } from './cluster-event.ts';

/**
 * A transaction without an answer when its session ended may yet be applied as long as its request is under way. Longer than
 * requests to the store may take, and than a store that was away needs to come back in most cases.
 */
const SETTLE_AFTER_MS = 30_000;
const SETTLE_AGAIN_MS = 10_000;

export interface EventsOptions {
  readonly port: EventPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: NodeId;
  readonly log: Logger;
  readonly metrics: MetricSink;
  /** What became of a transaction that has had no answer. Rejects while the store is away. */
  readonly settle: (intended: IntendedEvent) => Promise<Settlement>;
}

/** What a transaction is to bring about; `events` is called again when it has. */
export interface Bringing {
  readonly kinds: readonly EventKind[];
  readonly events: () => readonly Foretold[];
  readonly options?: EmitOptions;
}

/** For an answer that is its own. */
export function appliedOrNot({
  outcome,
  resent,
}: {
  readonly outcome: string;
  readonly resent: boolean;
}): boolean | undefined {
  return outcome === 'applied' ? true : resent ? undefined : false;
}

interface Open {
  readonly intended: IntendedEvent;
  readonly intent: EventIntent;
}

export class Events {
  readonly #options: EventsOptions;
  readonly #minter: IdMinter;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  /** Without an answer, by the time they are due. */
  readonly #left: (Open & { dueMono: number })[] = [];
  #settling = false;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#minter = new IdMinter(options.clock, options.random);
  }

  /** What happened and has no transaction. Never throws; who tells does not wait. */
  tell(event: ClusterEvent): void {
    this.#count(event);
    this.#pass(event);
  }

  /** Whether work that emits these kinds may go on; while not, {@link untilRoom} waits. */
  hasRoom(kinds: readonly EventKind[]): boolean {
    return this.#options.port.hasRoom(kinds);
  }

  untilRoom(kinds: readonly EventKind[], signal: AbortSignal): Promise<void> {
    return this.#options.port.untilRoom(kinds, AbortSignal.any([signal, this.#stopping.signal]));
  }

  /**
   * Announces what a transaction will bring about; undefined, at once, when nobody audits any of `kinds`. Resolves when it is on
   * disk: only then is the transaction to be sent. Rejects when `signal` aborts or the disk refuses: then it is not to be sent.
   */
  intend(
    kinds: readonly EventKind[],
    make: () => readonly Foretold[],
    options: EmitOptions = {},
  ): Promise<Intents> | undefined {
    const { port } = this.#options;
    return kinds.some((kind) => port.audits(kind)) ? this.#intend(make(), options) : undefined;
  }

  /** `event` happened; `i` is its place among the intents of its transaction, if there are any. */
  happened(event: ClusterEvent, intents?: Intents, i = 0): void {
    this.#count(event);
    if (intents?.happened(event, i) !== true) this.#pass(event);
  }

  /**
   * A transaction with which all of these events happen, or none: announced, sent, told. `became`: whether it was applied;
   * undefined where the answer does not tell, as a refusal on a second sending.
   */
  async bringing<A>(
    { kinds, events, options = {} }: Bringing,
    send: () => Promise<A>,
    became: (answer: A) => boolean | undefined,
  ): Promise<A> {
    const intending = this.intend(kinds, events, options);
    const intents = intending === undefined ? undefined : await intending;
    try {
      const answer = await send();
      const applied = became(answer);
      if (applied === true) for (const [i, { event }] of events().entries()) this.happened(event, intents, i);
      else if (applied === false) intents?.noneHappened();
      return answer;
    } finally {
      intents?.leave();
    }
  }

  /** What is not on disk yet is given up; open intents are settled at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'));
    await Promise.all(this.#underWay);
  }

  async #intend(foretold: readonly Foretold[], { signal, urgent }: EmitOptions): Promise<Intents> {
    const { port } = this.#options;
    const intended: IntendedEvent[] = [];
    const places: number[] = [];
    for (const [i, { event, trace }] of foretold.entries()) {
      if (!port.audits(event.kind)) continue;
      intended.push({ event: this.#made(event), ...(trace === undefined ? {} : { trace }) });
      places.push(i);
    }
    if (intended.length === 0) return new Intents(new Map(), noTrack, noTrack);
    const made = await port.intend(intended, {
      signal: signal ?? this.#stopping.signal,
      ...(urgent === undefined ? {} : { urgent }),
    });
    const open = new Map<number, Open>();
    made.forEach((intent, n) => {
      open.set(places[n] as number, { intent, intended: intended[n] as IntendedEvent });
    });
    return new Intents(
      open,
      (work) => this.#track(work),
      (left) => this.#settleLater(left),
    );
  }

  #count(event: ClusterEvent): void {
    const { log, metrics } = this.#options;
    metrics.count('boi_core_events_total', 1, { kind: event.kind });
    log.debug({ event }, 'event');
  }

  #pass(event: ClusterEvent): void {
    const { port } = this.#options;
    if (port.wants(event.kind)) this.#track(port.tell([this.#made(event)], { signal: this.#stopping.signal }));
  }

  #made(event: ClusterEvent): BoiEvent {
    const { clock, node } = this.#options;
    return { id: this.#minter.mint('event'), at: clock.now(), emitter: node, ...partsOf(event) };
  }

  #track(work: Promise<void>): void {
    const { log } = this.#options;
    const settled: Promise<void> = work
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) log.error({ err: error }, 'an event could not be told');
      })
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }

  #settleLater(left: Iterable<Open>): void {
    const dueMono = this.#options.clock.mono() + SETTLE_AFTER_MS;
    for (const open of left) this.#left.push({ ...open, dueMono });
    if (this.#left.length === 0 || this.#settling) return;
    this.#settling = true;
    this.#track(this.#settleAll());
  }

  /** One after another, oldest first. */
  async #settleAll(): Promise<void> {
    const { clock, settle } = this.#options;
    const { signal } = this.#stopping;
    for (let next = this.#left[0]; next !== undefined; next = this.#left[0]) {
      await sleep(clock, Math.max(0, next.dueMono - clock.mono()), signal);
      let settlement: Settlement;
      try {
        settlement = await settle(next.intended);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof BoiError && error.code === 'store-unreachable') {
          next.dueMono = clock.mono() + SETTLE_AGAIN_MS;
          continue;
        }
        settlement = { outcome: 'unknown' };
      }
      this.#left.shift();
      if (settlement.outcome === 'happened') await next.intent.happened(settlement.final);
      else if (settlement.outcome === 'did-not-happen') await next.intent.didNotHappen();
      else await next.intent.unknown();
    }
    this.#settling = false;
  }
}

const noTrack = () => undefined;

/** The intents of one transaction, each resolved once by what became of it. */
export class Intents {
  readonly #open: Map<number, Open>;
  readonly #track: (work: Promise<void>) => void;
  readonly #settleLater: (left: Iterable<Open>) => void;

  constructor(open: Map<number, Open>, track: (work: Promise<void>) => void, later: (left: Iterable<Open>) => void) {
    this.#open = open;
    this.#track = track;
    this.#settleLater = later;
  }

  /** Answers whether there was an intent. Called by {@link Events.happened}. */
  happened(event: ClusterEvent, i: number): boolean {
    const open = this.#take(i);
    if (open === undefined) return false;
    const { event: before } = open.intended;
    const { payload } = partsOf(event);
    const same = JSON.stringify(payload) === JSON.stringify(before.payload);
    this.#track(open.intent.happened(same ? undefined : ({ ...before, payload } as BoiEvent)));
    return true;
  }

  didNotHappen(i = 0): void {
    const open = this.#take(i);
    if (open !== undefined) this.#track(open.intent.didNotHappen());
  }

  /** Nothing of what is left happened: the transaction was refused as a whole. */
  noneHappened(): void {
    for (const i of [...this.#open.keys()]) this.didNotHappen(i);
  }

  /** There will be no answer: called at the end in any case, it does nothing to what is resolved. */
  leave(): void {
    this.#settleLater(this.#open.values());
    this.#open.clear();
  }

  #take(i: number): Open | undefined {
    const open = this.#open.get(i);
    this.#open.delete(i);
    return open;
  }
}
