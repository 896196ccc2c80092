/**
 * The connection to one process of a plugin: calls with a deadline and limits on both directions, and one place that turns
 * what gRPC says into a {@link PluginError}. One client for each process; it never outlives it.
 */
import {
  type CallContext,
  HEALTH_SERVICE_NAME,
  type PluginKind,
  SERVICE_NAMES,
  serviceConstructor,
  toMetadata,
} from '@boi/proto';
import {
  type Client,
  type ClientDuplexStream,
  credentials,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { MESSAGE_BYTES_MAX } from './config.ts';
import { PluginError, type PluginFailure } from './errors.ts';

export interface CallOptions {
  readonly timeoutMs: number;
  readonly context?: CallContext;
  readonly signal?: AbortSignal;
}

export interface ChannelOptions {
  /** Name of the plugin, for errors. */
  readonly plugin: string;
  readonly kind: PluginKind;
  /** Path of its socket. */
  readonly socket: string;
}

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  // A call that failed is the caller's to repeat: only it knows whether that is safe.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.service_config_disable_resolution': 1,
  // Each process of a plugin has a connection of its own, also when the next one serves at the same path.
  'grpc.use_local_subchannel_pool': 1,
};

export class PluginChannel {
  readonly plugin: string;
  readonly kind: PluginKind;
  readonly #client: Client;
  readonly #health: Client;

  constructor(options: ChannelOptions) {
    this.plugin = options.plugin;
    this.kind = options.kind;
    const target = `unix:${options.socket}`;
    const insecure = credentials.createInsecure();
    this.#client = new (serviceConstructor(SERVICE_NAMES[options.kind]))(target, insecure, CHANNEL_OPTIONS);
    this.#health = new (serviceConstructor(HEALTH_SERVICE_NAME))(target, insecure, CHANNEL_OPTIONS);
  }

  /** Resolves when the socket is served; rejects with `socket-not-served` after `timeoutMs`. */
  connected(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(deadlineIn(timeoutMs), (error) => {
        if (error === undefined || error === null) resolve();
        else reject(new PluginError(this.plugin, 'socket-not-served', `within ${Math.round(timeoutMs)} ms`, error));
      });
    });
  }

  /** Calls a unary method of the contract. The answer is what came over the wire: validated by the caller. */
  call<Request extends object, Response>(method: string, request: Request, options: CallOptions): Promise<Response> {
    return this.#unary(this.#client, this.#method(SERVICE_NAMES[this.kind], method), request, options);
  }

  /** Opens a stream in both directions; errors on it are for {@link failure}. */
  stream<Request, Response>(method: string, context?: CallContext): ClientDuplexStream<Request, Response> {
    const { path, requestSerialize, responseDeserialize } = this.#method(SERVICE_NAMES[this.kind], method);
    return this.#client.makeBidiStreamRequest(
      path,
      requestSerialize as (request: Request) => Buffer,
      responseDeserialize as (bytes: Buffer) => Response,
      toMetadata(context),
    );
  }

  /** Resolves if the plugin says that it serves; rejects otherwise. */
  async checkHealth(timeoutMs: number): Promise<void> {
    const method = this.#method(HEALTH_SERVICE_NAME, 'Check');
    const request = { service: SERVICE_NAMES[this.kind] };
    const answer = await this.#unary<object, { readonly status: string }>(this.#health, method, request, { timeoutMs });
    if (answer.status !== 'SERVING') throw new PluginError(this.plugin, 'unhealthy', `it says ${answer.status}`);
  }

  close(): void {
    this.#client.close();
    this.#health.close();
  }

  /** The error for what gRPC said. */
  failure(error: ServiceError): PluginError {
    const [reason, words] = meaning(error);
    // Libraries say that there is no such method, and not which.
    const more = reason === 'wrong-contract' ? `asked for ${SERVICE_NAMES[this.kind]}: ${words}` : words;
    return new PluginError(this.plugin, reason, more, error);
  }

  #method(service: Parameters<typeof serviceConstructor>[0], name: string): MethodDefinition<object, unknown> {
    return serviceConstructor(service).service[name] as MethodDefinition<object, unknown>;
  }

  #unary<Request extends object, Response>(
    client: Client,
    method: MethodDefinition<object, unknown>,
    request: Request,
    { timeoutMs, context, signal }: CallOptions,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new PluginError(this.plugin, 'cancelled', '', signal.reason));
        return;
      }
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        toMetadata(context),
        { deadline: deadlineIn(timeoutMs) },
        (error, answer) => {
          signal?.removeEventListener('abort', cancel);
          if (error !== null) reject(this.failure(error));
          else if (answer === undefined) reject(new PluginError(this.plugin, 'invalid-answer', 'it is empty'));
          else resolve(answer as Response);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }
}

/**
 * The library takes a point of its own wall clock, Date.now(), and makes a timer of the rest at once: any other clock would be
 * another time to it. A jump of the clock while a call is under way does nothing.
 */
const deadlineIn = (timeoutMs: number) => new Date(Date.now() + timeoutMs);

/** gRPC's own errors have the codes that a plugin may also use; the words tell them apart. */
function meaning(error: ServiceError): [PluginFailure, string] {
  switch (error.code) {
    case status.DEADLINE_EXCEEDED:
      return ['timed-out', ''];
    case status.CANCELLED:
      return ['cancelled', error.details];
    case status.UNIMPLEMENTED:
      return ['wrong-contract', error.details];
    case status.RESOURCE_EXHAUSTED:
      return [/larger than max/i.test(error.details) ? 'too-large' : 'refused', error.details];
    case status.UNAVAILABLE:
      return ['unavailable', error.details];
    case status.INTERNAL:
    case status.UNKNOWN:
    case status.DATA_LOSS:
      return [/pars|deserializ|decompress|protocol/i.test(error.details) ? 'invalid-answer' : 'failed', error.details];
    default:
      return ['refused', `${status[error.code]}: ${error.details}`];
  }
}
