/**
 * A server that speaks etcd's watch protocol and says whatever a test wants: for what a real etcd cannot be brought to say.
 */

import { createRequire } from 'node:module';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** Field names as in rpc.proto; 64-bit numbers as numbers. */
export interface FakeWatchReply {
  readonly watch_id: number;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  readonly events?: readonly {
    readonly type: number;
    readonly kv: { readonly key: Buffer; readonly mod_revision: number };
  }[];
}

export interface FakeWatchRequest {
  readonly create_request?: {
    readonly watch_id: { toNumber(): number };
    readonly start_revision: { toNumber(): number };
  };
  readonly cancel_request?: object;
}

export interface FakeEtcd {
  readonly endpoint: string;
  stop(): void;
}

/** `onRequest` is told the number of the stream, from 1, with each request. */
export async function startFakeEtcd(
  onRequest: (stream: number, request: FakeWatchRequest, reply: (message: FakeWatchReply) => void) => void,
): Promise<FakeEtcd> {
  const file = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
  const root = new protobuf.Root().loadSync(file, { keepCase: true });
  const request = root.lookupType('etcdserverpb.WatchRequest');
  const response = root.lookupType('etcdserverpb.WatchResponse');
  const server = new Server();
  let streams = 0;
  server.addService(
    {
      watch: {
        path: '/etcdserverpb.Watch/Watch',
        requestStream: true,
        responseStream: true,
        requestSerialize: () => Buffer.alloc(0),
        requestDeserialize: (bytes: Buffer) => request.decode(bytes),
        responseSerialize: (message: FakeWatchReply) => response.encode(message).finish() as Buffer,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      watch: (stream: ServerDuplexStream<FakeWatchRequest, FakeWatchReply>) => {
        streams += 1;
        const own = streams;
        stream.on('error', () => {});
        stream.on('data', (message: FakeWatchRequest) => onRequest(own, message, (reply) => stream.write(reply)));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { endpoint: `http://127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}
