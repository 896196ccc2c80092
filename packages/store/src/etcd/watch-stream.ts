/**
 * All watches of a store over one gRPC stream.
 *
 * States of the stream: *idle* (nobody watches) → a watch is added → *open* → it breaks → *waiting* (100 ms, doubling to 1 s,
 * spread by chance) → *open* again on the next member; when nobody watches any more it ends → *idle*.
 *
 * Each watcher knows the revision it is told next: one more than the last it was told. Whenever the stream is opened every
 * watcher is created anew from there, so a cut at any moment, in the middle of a catch-up or of a fragmented reply too, costs
 * no event and repeats none. Watcher ids are ours and never used twice; a reply to one we do not know breaks the stream.
 *
 * A watcher is asked for from the revision before the one wanted, and that one is dropped: etcd 3.4 no longer has the
 * deletions of the compacted revision itself but would serve a watch from there without a word.
 */
import { type Clock, jitter, type Random, type Timer } from '@boi/core';
import type { ServiceError } from '@grpc/grpc-js';
import {
  compareRevisions,
  nextRevision,
  type Revision,
  toRevision,
  type Watch,
  type WatchEvent,
  type WatchListener,
} from '../port.ts';
import type { Connection, Connections, OpenStream } from './connections.ts';
import { decimal, int64, protocol, type WireWatchRequest, type WireWatchResponse } from './protocol.ts';
import { keyBytes, toWatchEvents } from './translate.ts';

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 1000;

export interface WatchStreamOptions {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds the server has to confirm a watcher. */
  readonly confirmMs: number;
  readonly log: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

interface Watcher {
  readonly id: number;
  readonly start: string;
  readonly end: string;
  readonly listener: WatchListener;
  next: Revision;
  /** Confirmed by the server on the present stream. */
  created: boolean;
  /** Events of a reply whose later fragments have not come yet. */
  fragments: WatchEvent[];
}

export class WatchStream {
  readonly #options: WatchStreamOptions;
  readonly #watchers = new Map<number, Watcher>();
  /** Cancelled on the present stream; the server may still speak of them. */
  readonly #cancelled = new Set<number>();
  #ids = 0;
  #open: OpenStream<WireWatchRequest, WireWatchResponse> | undefined;
  #openedAt = 0;
  #retry: Timer | undefined;
  #confirm: Timer | undefined;
  #failures = 0;

  constructor(options: WatchStreamOptions) {
    this.#options = options;
  }

  add(range: { start: string; end: string; fromRevision: Revision }, listener: WatchListener): Watch {
    this.#ids += 1;
    const { start, end, fromRevision: next } = range;
    const watcher: Watcher = { id: this.#ids, start, end, listener, next, created: false, fragments: [] };
    this.#watchers.set(watcher.id, watcher);
    if (this.#open !== undefined) this.#create(watcher);
    else if (this.#retry === undefined) this.#start();
    return { cancel: () => this.#cancel(watcher) };
  }

  close(): void {
    this.#watchers.clear();
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#end();
  }

  #start(): void {
    this.#retry = undefined;
    const open = this.#options.connections.open(protocol().watch);
    this.#open = open;
    this.#openedAt = this.#options.clock.mono();
    open.stream.on('data', (response: WireWatchResponse) => {
      if (this.#open === open) this.#receive(response);
    });
    open.stream.on('error', (error: ServiceError) => {
      if (this.#open !== open) return;
      this.#options.connections.failed(open.connection, error, this.#openedAt);
      this.#broken(error.details || error.message);
    });
    open.stream.on('end', () => {
      if (this.#open === open) this.#broken('the server ended the stream');
    });
    for (const watcher of this.#watchers.values()) this.#create(watcher);
  }

  #create(watcher: Watcher): void {
    watcher.created = false;
    watcher.fragments = [];
    const before = BigInt(watcher.next) - 1n;
    this.#open?.stream.write({
      create_request: {
        key: keyBytes(watcher.start),
        range_end: keyBytes(watcher.end),
        start_revision: int64(toRevision(before > 0n ? before : 1n)),
        watch_id: watcher.id,
        fragment: true,
      },
    });
    if (this.#confirm === undefined) this.#awaitConfirmation();
  }

  /** Confirmations come in order: one within every `confirmMs`, or the stream is broken. */
  #awaitConfirmation(): void {
    this.#confirm?.cancel();
    this.#confirm = undefined;
    const { clock, confirmMs, connections } = this.#options;
    if (![...this.#watchers.values()].some(({ created }) => !created)) return;
    this.#confirm = clock.timer(confirmMs, () => {
      const connection = this.#open?.connection as Connection;
      if (connection.heardAt < this.#openedAt) connections.retire(connection);
      this.#broken(`a watch was not confirmed within ${confirmMs} ms`);
    });
  }

  #cancel(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher.id)) return;
    if (this.#watchers.size === 0) {
      this.#end();
      return;
    }
    if (this.#open === undefined) return;
    this.#cancelled.add(watcher.id);
    this.#open.stream.write({ cancel_request: { watch_id: watcher.id } });
    this.#awaitConfirmation();
  }

  #receive(response: WireWatchResponse): void {
    const watcher = this.#watcherOf(response);
    if (watcher === 'cancelled') return;
    if (watcher === undefined) {
      this.#broken(`a reply to an unknown watch ${decimal(response.watch_id)}`);
      return;
    }
    if (response.canceled) {
      this.#cancelledByServer(watcher, response);
      return;
    }
    if (response.created) {
      watcher.created = true;
      this.#failures = 0;
      this.#awaitConfirmation();
    }
    if (response.events.length > 0) watcher.fragments.push(...toWatchEvents(response));
    if (!response.fragment && watcher.fragments.length > 0) handOver(watcher);
  }

  #watcherOf(response: WireWatchResponse): Watcher | 'cancelled' | undefined {
    const id = Number(decimal(response.watch_id));
    const watcher = this.#watchers.get(id);
    if (watcher !== undefined) return watcher;
    if (this.#cancelled.has(id)) {
      if (response.canceled) this.#cancelled.delete(id);
      return 'cancelled';
    }
    // A watcher refused at its creation is answered without its id; answers to creations come in order.
    if (id === -1 && response.canceled) return [...this.#watchers.values()].find(({ created }) => !created);
    return undefined;
  }

  #cancelledByServer(watcher: Watcher, response: WireWatchResponse): void {
    const compacted = decimal(response.compact_revision);
    if (compacted === '0' && response.cancel_reason === '') {
      this.#broken('the server cancelled a watch without a reason');
      return;
    }
    this.#watchers.delete(watcher.id);
    this.#awaitConfirmation();
    if (this.#watchers.size === 0) this.#end();
    if (compacted !== '0') watcher.listener.onLost('compacted', `revision ${watcher.next} has been compacted`);
    else watcher.listener.onLost('refused', response.cancel_reason);
  }

  #broken(why: string): void {
    this.#end();
    if (this.#watchers.size === 0) return;
    const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#options.log('the watch stream broke; it resumes where it was', { why, watches: this.#watchers.size });
    this.#retry = this.#options.clock.timer(jitter(this.#options.random, delayMs, 0.5), () => this.#start());
  }

  #end(): void {
    const open = this.#open;
    this.#open = undefined;
    this.#confirm?.cancel();
    this.#confirm = undefined;
    this.#cancelled.clear();
    open?.stream.cancel();
  }
}

/** All of a whole reply, which never ends within a revision. */
function handOver(watcher: Watcher): void {
  const { next } = watcher;
  const events = watcher.fragments.filter((event) => compareRevisions(revisionOfEvent(event), next) >= 0);
  watcher.fragments = [];
  const last = events.at(-1);
  if (last === undefined) return;
  const revision = revisionOfEvent(last);
  watcher.next = nextRevision(revision);
  watcher.listener.onEvents(events, revision);
}

function revisionOfEvent(event: WatchEvent): Revision {
  return event.type === 'put' ? event.kv.modRevision : event.modRevision;
}
