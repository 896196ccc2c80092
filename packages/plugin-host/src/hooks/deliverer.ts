/**
 * Brings events to one hooks plugin: waits until it is ready, opens a stream, sends what is not acknowledged, in order, never more
 * than {@link WINDOW} ahead; whatever breaks, begins again after the last acknowledgement. A plugin that takes events and
 * acknowledges none of them for 30 s, or acknowledges what it was not sent, has its stream closed with a typed error and is
 * tried again: delivery is at least once and in order, and never gives up by itself.
 */
import { type Clock, sleep } from '@boi/core';
import { type hooks, toWireEvent } from '@boi/proto';
import type { ServiceError } from '@grpc/grpc-js';
import type { PluginChannel } from '../channel.ts';
import { PluginError } from '../errors.ts';
import { type DeliverySource, Wakeup } from './source.ts';

/** Events under way at most: as many as may be unacknowledged in the audit tier. */
const WINDOW = 100;
const ACKNOWLEDGE_TIMEOUT_MS = 30_000;
/** A plugin may say again what it said; one that does nothing else would take up the node. */
const REPEATS_MAX = 1_000;
/** Between the break of a stream and the next; doubles to the maximum while nothing is acknowledged. */
const RETRY_MS = 100;
const RETRY_MS_MAX = 5_000;

/** The part of a supervisor that delivery needs. */
export interface ReadyPlugin {
  untilReady(signal?: AbortSignal): Promise<PluginChannel>;
  changed(signal?: AbortSignal): Promise<void>;
}

export interface DelivererOptions {
  readonly plugin: ReadyPlugin;
  readonly source: DeliverySource;
  readonly clock: Clock;
  readonly onProblem: (error: PluginError) => void;
  /** Default 30 s. */
  readonly acknowledgeTimeoutMs?: number;
}

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: DelivererOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the stream; what is not acknowledged stays with the source. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('delivery is being stopped'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { plugin, source, clock, onProblem } = this.#options;
    const { signal } = this.#stopping;
    let retryMs = RETRY_MS;
    while (!signal.aborted) {
      let channel: PluginChannel;
      try {
        channel = await plugin.untilReady(signal);
      } catch {
        // It cannot become ready by itself: an operator will change that, or `stop` will.
        await plugin.changed(signal);
        continue;
      }
      const before = source.acknowledged;
      try {
        await new Stream(channel, this.#options, signal).run();
      } catch (error) {
        if (signal.aborted) return;
        onProblem(
          error instanceof PluginError ? error : new PluginError(channel.plugin, 'failed', String(error), error),
        );
      }
      retryMs = source.acknowledged > before ? RETRY_MS : Math.min(RETRY_MS_MAX, retryMs * 2);
      await sleep(clock, retryMs, signal).catch(() => undefined);
    }
  }
}

/** One stream, from its opening until it breaks or `signal` aborts. */
class Stream {
  readonly #channel: PluginChannel;
  readonly #options: DelivererOptions;
  readonly #stream: ReturnType<typeof openStream>;
  readonly #wakeup = new Wakeup();
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  #sent: number;
  #acknowledged: number;
  #progressAtMs: number;
  /** Responses in a row that acknowledged nothing new. */
  #repeats = 0;
  #failure: PluginError | undefined;

  constructor(channel: PluginChannel, options: DelivererOptions, signal: AbortSignal) {
    this.#channel = channel;
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#over.signal]);
    this.#sent = this.#acknowledged = options.source.acknowledged;
    this.#progressAtMs = options.clock.mono();
    this.#stream = openStream(channel);
    this.#stream.on('data', (response: hooks.DeliverResponse__Output) => this.#onAcknowledgement(response));
    this.#stream.on('error', (error: ServiceError) => this.#fail(channel.failure(error)));
    this.#stream.on('end', () => this.#fail(new PluginError(channel.plugin, 'failed', 'it ended the stream')));
  }

  async run(): Promise<void> {
    try {
      while (this.#failure === undefined && !this.#signal.aborted) {
        const { source } = this.#options;
        // The source passes over what it had to drop.
        this.#sent = Math.max(this.#sent, source.acknowledged);
        const events = source.after(this.#sent, WINDOW - (this.#sent - source.acknowledged));
        for (const event of events) {
          if (this.#failure !== undefined) break;
          if (this.#sent === source.acknowledged) this.#progressAtMs = this.#options.clock.mono();
          this.#sent = event.sequence;
          if (!this.#stream.write({ event: toWireEvent(event) })) await this.#drained();
        }
        if (events.length === 0) await this.#waitForMore();
      }
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      this.#over.abort();
      this.#stream.cancel();
    }
  }

  /** Until there is something to do: more events, an acknowledgement, a failure, or an acknowledgement that is overdue. */
  async #waitForMore(): Promise<void> {
    const { source, clock, acknowledgeTimeoutMs = ACKNOWLEDGE_TIMEOUT_MS } = this.#options;
    const isWaiting = this.#sent > source.acknowledged;
    const leftMs = this.#progressAtMs + acknowledgeTimeoutMs - clock.mono();
    if (isWaiting && leftMs <= 0) {
      this.#fail(
        new PluginError(this.#channel.plugin, 'timed-out', `event ${source.acknowledged + 1} is not acknowledged`),
      );
      return;
    }
    const done = new AbortController();
    const either = AbortSignal.any([this.#signal, done.signal]);
    const waits: Promise<unknown>[] = [this.#wakeup.next(either)];
    if (this.#sent - source.acknowledged < WINDOW) waits.push(source.more(this.#sent, either));
    if (isWaiting) waits.push(sleep(clock, leftMs, either).catch(() => undefined));
    await Promise.race(waits);
    done.abort();
  }

  #onAcknowledgement({ acknowledgedSequence }: hooks.DeliverResponse__Output): void {
    const sequence = Number(acknowledgedSequence);
    if (!Number.isSafeInteger(sequence) || sequence < this.#acknowledged || sequence > this.#sent) {
      const allowed = `${this.#acknowledged} to ${this.#sent}`;
      const message = `Deliver: it acknowledged ${acknowledgedSequence}, allowed was ${allowed}`;
      this.#fail(new PluginError(this.#channel.plugin, 'invalid-answer', message));
      return;
    }
    if (sequence === this.#acknowledged) {
      // Says nothing: no progress, and not for ever.
      if (++this.#repeats > REPEATS_MAX)
        this.#fail(
          new PluginError(
            this.#channel.plugin,
            'invalid-answer',
            `Deliver: it acknowledged ${sequence} more than ${REPEATS_MAX} times`,
          ),
        );
      return;
    }
    this.#repeats = 0;
    this.#acknowledged = sequence;
    this.#progressAtMs = this.#options.clock.mono();
    this.#options.source.acknowledge(sequence);
    this.#wakeup.wake();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#stream.off('drain', done);
        this.#signal.removeEventListener('abort', done);
        resolve();
      };
      this.#stream.on('drain', done);
      this.#signal.addEventListener('abort', done, { once: true });
      if (this.#signal.aborted) done();
    });
  }

  #fail(failure: PluginError): void {
    this.#failure ??= failure;
    this.#over.abort(failure);
    this.#wakeup.wake();
  }
}

function openStream(channel: PluginChannel) {
  return channel.stream<hooks.DeliverRequest, hooks.DeliverResponse__Output>('Deliver');
}
