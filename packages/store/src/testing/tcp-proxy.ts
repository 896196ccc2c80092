/**
 * A TCP proxy that misbehaves on command, between a client under test and a real server. Each direction of every
 * connection, present and future, is in one mode: *flow*; *hold* (bytes wait, in order, and come when it flows again);
 * *swallow* (bytes vanish: a black hole). New connections can be refused, and all of them cut at once.
 */
import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';
import type { Clock } from '@boi/core';

export type Direction = 'to-server' | 'to-client';
export type FlowMode = 'flow' | 'hold' | 'swallow';

export interface TcpProxyOptions {
  /** Loopback port of the server. */
  readonly port: number;
  /** Needed for `delay` only. */
  readonly clock?: Clock;
}

interface Pipe {
  readonly direction: Direction;
  readonly to: Socket;
  held: Buffer[];
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: readonly Pipe[];
}

export class TcpProxy {
  /** Such as `http://127.0.0.1:4711`. */
  readonly endpoint: string;
  /** Connections accepted so far. */
  accepted = 0;
  readonly bytes: Record<Direction, number> = { 'to-server': 0, 'to-client': 0 };
  readonly #listener: Server;
  readonly #options: TcpProxyOptions;
  readonly #connections = new Set<Connection>();
  readonly #modes: Record<Direction, FlowMode> = { 'to-server': 'flow', 'to-client': 'flow' };
  #delayMs = 0;
  #refusing = false;
  /** Bytes to the client left before every connection is cut. */
  #cutAfter = Number.POSITIVE_INFINITY;
  /** The last bytes before a cut are on their way; what comes behind them vanishes. */
  #cutting = false;
  #acceptWaiters: (() => void)[] = [];

  static async start(options: TcpProxyOptions): Promise<TcpProxy> {
    const listener = createServer();
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    return new TcpProxy(listener, options);
  }

  private constructor(listener: Server, options: TcpProxyOptions) {
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    this.endpoint = `http://127.0.0.1:${address.port}`;
    this.#listener = listener;
    this.#options = options;
    listener.on('connection', (client) => this.#accept(client));
  }

  /** Resets every connection; new ones are accepted. */
  cut(): void {
    for (const { client, server } of [...this.#connections]) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    this.#connections.clear();
    if (this.#cutting) this.#modes['to-client'] = 'flow';
    this.#cutting = false;
  }

  /** Resets every connection and, until `accept`, each new one as soon as it comes. */
  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  accept(): void {
    this.#refusing = false;
  }

  set(mode: FlowMode, direction: Direction | 'both' = 'both'): void {
    for (const one of direction === 'both' ? (['to-server', 'to-client'] as const) : [direction]) {
      this.#modes[one] = mode;
    }
    if (mode !== 'flow') return;
    for (const { pipes } of this.#connections) {
      for (const pipe of pipes) {
        if (this.#modes[pipe.direction] === 'flow') for (const bytes of pipe.held.splice(0)) pipe.to.write(bytes);
      }
    }
  }

  /** Every byte takes this much longer in each direction. */
  delay(ms: number): void {
    if (this.#options.clock === undefined) throw new Error('a proxy without a clock cannot delay');
    this.#delayMs = ms;
  }

  /** Forwards this many more bytes to clients, then cuts once and lets new connections flow. */
  cutAfter(bytesToClient: number): void {
    this.#cutAfter = bytesToClient;
  }

  /** Resolves when the next connection has been accepted. */
  nextConnection(): Promise<void> {
    return new Promise((resolve) => this.#acceptWaiters.push(resolve));
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    this.accepted += 1;
    for (const tell of this.#acceptWaiters.splice(0)) tell();
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = tcpConnect({ port: this.#options.port, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    server.on('error', () => {});
    const pipes: Pipe[] = [
      { direction: 'to-server', to: server, held: [] },
      { direction: 'to-client', to: client, held: [] },
    ];
    const connection = { client, server, pipes };
    this.#connections.add(connection);
    client.on('data', (bytes) => this.#carry(pipes[0] as Pipe, bytes));
    server.on('data', (bytes) => this.#carry(pipes[1] as Pipe, bytes));
    const end = () => {
      this.#connections.delete(connection);
      client.destroy();
      server.destroy();
    };
    client.on('close', end);
    server.on('close', end);
  }

  #carry(pipe: Pipe, bytes: Buffer): void {
    if (this.#delayMs > 0) this.#options.clock?.timer(this.#delayMs, () => this.#pass(pipe, bytes));
    else this.#pass(pipe, bytes);
  }

  #pass(pipe: Pipe, bytes: Buffer): void {
    const mode = this.#modes[pipe.direction];
    if (mode === 'swallow') return;
    if (mode === 'hold') {
      pipe.held.push(bytes);
      return;
    }
    this.bytes[pipe.direction] += bytes.length;
    if (pipe.direction === 'to-client') {
      if (bytes.length > this.#cutAfter) {
        pipe.to.write(bytes.subarray(0, this.#cutAfter), () => this.cut());
        this.#cutAfter = Number.POSITIVE_INFINITY;
        this.#modes['to-client'] = 'swallow';
        this.#cutting = true;
        return;
      }
      this.#cutAfter -= bytes.length;
    }
    pipe.to.write(bytes);
  }
}
