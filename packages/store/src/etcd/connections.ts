/**
 * Connections to the members of an etcd cluster: one gRPC client a member, one member in use at a time.
 *
 * - A call or stream goes to the member in use. When it fails for the connection's sake, or because the member has no leader,
 *   the next member comes into use for what follows; nothing is sent again here.
 * - A call that ends by its deadline on a connection that has been silent since it was sent *retires* the connection: its
 *   streams are ended, new calls get a fresh one, and the old is closed when the last call on it has ended. So a half-open
 *   connection costs one deadline, and one slow call under load costs the others nothing.
 * - Every call carries `hasleader`, so that a member cut off from its cluster says so instead of keeping us waiting.
 */
import type { Clock, Random } from '@boi/core';
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { connectionClosed } from '../errors.ts';
import { isFromServer } from './classify.ts';
import type { Method } from './protocol.ts';

export interface TlsCredentials {
  /** PEM. */
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface ConnectionsOptions {
  readonly endpoints: readonly string[];
  readonly tls?: TlsCredentials | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly replyBytesMax: number;
  readonly log: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** HTTP/2 pings find a half-open connection under a stream in at most the sum of both. etcd refuses pings under 5 s apart. */
const PING_EVERY_MS = 10_000;
const PING_TIMEOUT_MS = 5000;
/** Between attempts to connect; gRPC's own defaults grow from one second to two minutes. */
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 1000;

export interface Connection {
  readonly endpoint: string;
  readonly client: Client;
  /** Monotonic time of the last message from the server. */
  heardAt: number;
  calls: number;
  readonly streams: Set<{ cancel(): void }>;
  retired: boolean;
}

export interface OpenStream<Request, Response> {
  readonly stream: ClientDuplexStream<Request, Response>;
  readonly connection: Connection;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #targets: readonly string[];
  readonly #credentials: ChannelCredentials;
  readonly #metadata = new Metadata();
  readonly #connections: (Connection | undefined)[];
  readonly #calls = new Set<ClientUnaryCall>();
  readonly #retired = new Set<Connection>();
  #used: number;
  #closed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#targets = options.endpoints.map((endpoint) => new URL(endpoint).host);
    const { tls } = options;
    this.#credentials =
      tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca, tls.key, tls.cert);
    this.#metadata.set('hasleader', 'true');
    this.#connections = options.endpoints.map(() => undefined);
    // Nodes started together spread over the members.
    this.#used = Math.floor(options.random.next() * options.endpoints.length);
  }

  /** Rejects with gRPC's error; the caller knows what it means for its request. */
  call<Request, Response>(method: Method<Request, Response>, request: Request, deadlineMs: number): Promise<Response> {
    if (this.#closed) return Promise.reject(connectionClosed());
    const { clock } = this.#options;
    const connection = this.#connection();
    const sentAt = clock.mono();
    connection.calls += 1;
    return new Promise((resolve, reject) => {
      const call = connection.client.makeUnaryRequest(
        method.path,
        method.encode,
        method.decode,
        request,
        this.#metadata,
        { deadline: clock.now() + deadlineMs },
        (error, response) => {
          this.#calls.delete(call);
          connection.calls -= 1;
          if (error === null) {
            connection.heardAt = clock.mono();
            resolve(response as Response);
          } else {
            this.failed(connection, error, sentAt);
            reject(this.#closed ? connectionClosed() : error);
          }
          this.#closeIfDone(connection);
        },
      );
      this.#calls.add(call);
    });
  }

  /** The caller listens to `error` and `end` and reports an error by `failed`. */
  open<Request, Response>(method: Method<Request, Response>): OpenStream<Request, Response> {
    const connection = this.#connection();
    const stream = connection.client.makeBidiStreamRequest(method.path, method.encode, method.decode, this.#metadata);
    connection.streams.add(stream);
    stream.on('close', () => connection.streams.delete(stream));
    stream.on('data', () => {
      connection.heardAt = this.#options.clock.mono();
    });
    return { stream, connection };
  }

  /** Learns from a failure of what was sent at the monotonic time `sentAt`. */
  failed(connection: Connection, error: ServiceError, sentAt: number): void {
    if (this.#closed) return;
    if (isFromServer(error)) connection.heardAt = this.#options.clock.mono();
    if (error.code === status.DEADLINE_EXCEEDED && connection.heardAt < sentAt) this.retire(connection);
    else if (error.code === status.UNAVAILABLE) this.#leave(connection);
  }

  /** Uses a fresh connection, to the next member if there is another, from now on. */
  retire(connection: Connection): void {
    if (connection.retired) return;
    this.#leave(connection);
    connection.retired = true;
    const index = this.#connections.indexOf(connection);
    if (index >= 0) this.#connections[index] = undefined;
    this.#retired.add(connection);
    this.#options.log('connection to etcd given up: it has fallen silent', { endpoint: connection.endpoint });
    for (const stream of [...connection.streams]) stream.cancel();
    this.#closeIfDone(connection);
  }

  close(): void {
    this.#closed = true;
    for (const call of this.#calls) call.cancel();
    for (const connection of [...this.#connections, ...this.#retired]) connection?.client.close();
    this.#retired.clear();
  }

  #connection(): Connection {
    let connection = this.#connections[this.#used];
    if (connection === undefined) {
      const endpoint = this.#options.endpoints[this.#used] as string;
      const client = new Client(this.#targets[this.#used] as string, this.#credentials, channelOptions(this.#options));
      connection = {
        endpoint,
        client,
        heardAt: Number.NEGATIVE_INFINITY,
        calls: 0,
        streams: new Set(),
        retired: false,
      };
      this.#connections[this.#used] = connection;
    }
    return connection;
  }

  #leave(connection: Connection): void {
    const { endpoints, log } = this.#options;
    if (this.#connections[this.#used] !== connection || endpoints.length === 1) return;
    this.#used = (this.#used + 1) % endpoints.length;
    log('using another member of etcd', { left: connection.endpoint, used: endpoints[this.#used] });
  }

  #closeIfDone(connection: Connection): void {
    if (!connection.retired || connection.calls > 0) return;
    this.#retired.delete(connection);
    connection.client.close();
  }
}

function channelOptions({ replyBytesMax }: ConnectionsOptions): ChannelOptions {
  return {
    'grpc.max_receive_message_length': replyBytesMax,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': PING_EVERY_MS,
    'grpc.keepalive_timeout_ms': PING_TIMEOUT_MS,
    // etcd takes pings without a stream for abuse and disconnects; `retire` finds what an idle connection hides.
    'grpc.keepalive_permit_without_calls': 0,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MIN_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
    // No sharing with another store of this process, and no detour by the environment's HTTP proxy.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
  };
}
