/**
 * Keep-alives of a store's leases over one gRPC stream: each is sent and its answer awaited, with a deadline.
 *
 * States: *idle* → a keep-alive → *open* → it breaks, or an answer is late → *idle*, all that were awaited are unknown, and the
 * next keep-alive opens another. A stream with a late answer is given up because the answer could otherwise be taken for that
 * of a later keep-alive, and a lease be thought to live longer than it does. Answers come in the order of the requests.
 */
import type { Clock, Timer } from '@boi/core';
import type { ServiceError } from '@grpc/grpc-js';
import { connectionClosed, outcomeUnknown } from '../errors.ts';
import type { KeepAliveAnswer, LeaseId } from '../port.ts';
import type { Connections, OpenStream } from './connections.ts';
import { decimal, type Int64, protocol } from './protocol.ts';

interface KeepAliveResponse {
  readonly ID: Int64;
  readonly TTL: Int64;
}

interface Awaited {
  readonly lease: LeaseId;
  readonly sentAt: number;
  readonly deadline: Timer;
  readonly resolve: (answer: KeepAliveAnswer) => void;
}

export class KeepAliveStream {
  readonly #connections: Connections;
  readonly #clock: Clock;
  #open: OpenStream<{ ID: string }, KeepAliveResponse> | undefined;
  #awaited: Awaited[] = [];
  #closed = false;

  constructor(connections: Connections, clock: Clock) {
    this.#connections = connections;
    this.#clock = clock;
  }

  keepAlive(lease: LeaseId, deadlineMs: number): Promise<KeepAliveAnswer> {
    if (this.#closed) return Promise.resolve({ outcome: 'unknown', cause: connectionClosed() });
    return new Promise((resolve) => {
      const open = this.#open ?? this.#start();
      const sentAt = this.#clock.mono();
      const deadline = this.#clock.timer(deadlineMs, () => {
        if (open.connection.heardAt < sentAt) this.#connections.retire(open.connection);
        this.#broken(open, `no answer to the keep-alive within ${deadlineMs} ms`);
      });
      this.#awaited.push({ lease, sentAt, deadline, resolve });
      open.stream.write({ ID: lease });
    });
  }

  close(): void {
    this.#closed = true;
    if (this.#open !== undefined) this.#broken(this.#open, 'the connection to the store has been closed');
  }

  #start(): OpenStream<{ ID: string }, KeepAliveResponse> {
    const open = this.#connections.open(protocol().leaseKeepAlive);
    this.#open = open;
    open.stream.on('data', (response: KeepAliveResponse) => this.#receive(open, response));
    open.stream.on('error', (error: ServiceError) => {
      if (this.#open !== open) return;
      this.#connections.failed(open.connection, error, this.#awaited[0]?.sentAt ?? 0);
      this.#broken(open, error.details || error.message);
    });
    open.stream.on('end', () => this.#broken(open, 'the server ended the stream'));
    return open;
  }

  #receive(open: OpenStream<{ ID: string }, KeepAliveResponse>, response: KeepAliveResponse): void {
    if (this.#open !== open) return;
    const awaited = this.#awaited.shift();
    if (awaited === undefined) return;
    if (awaited.lease !== decimal(response.ID)) {
      this.#awaited.unshift(awaited);
      this.#broken(open, 'an answer to another keep-alive than the one awaited');
      return;
    }
    awaited.deadline.cancel();
    const ttlMs = Number(decimal(response.TTL)) * 1000;
    awaited.resolve(ttlMs > 0 ? { outcome: 'alive', ttlMs } : { outcome: 'expired' });
  }

  #broken(open: OpenStream<{ ID: string }, KeepAliveResponse>, why: string): void {
    if (this.#open !== open) return;
    this.#open = undefined;
    open.stream.cancel();
    const awaited = this.#awaited;
    this.#awaited = [];
    for (const { deadline, resolve } of awaited) {
      deadline.cancel();
      resolve({ outcome: 'unknown', cause: outcomeUnknown(`the keep-alive got no answer (${why})`) });
    }
  }
}
