/** Calls of etcd's administrative methods that the port has no use for: users, roles and permissions. */
import { createRequire } from 'node:module';
import { Client, credentials } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { TlsCredentials } from '../etcd/connections.ts';

export interface EtcdAdmin {
  /** Such as `call('Auth', 'RoleAdd', { name: 'r' })`; field names as in rpc.proto. */
  call(service: string, method: string, request: Record<string, unknown>): Promise<void>;
  close(): void;
}

export function etcdAdmin(endpoint: string, tls: TlsCredentials): EtcdAdmin {
  const file = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
  const root = new protobuf.Root().loadSync(file, { keepCase: true });
  const client = new Client(new URL(endpoint).host, credentials.createSsl(tls.ca, tls.key, tls.cert));
  return {
    call: (service, name, request) => {
      const method = root.lookupService(`etcdserverpb.${service}`).methods[name];
      if (method === undefined) throw new Error(`etcd has no ${service}.${name}`);
      const type = root.lookupType(`etcdserverpb.${method.requestType}`);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          `/etcdserverpb.${service}/${name}`,
          (message: Record<string, unknown>) => type.encode(message).finish() as Buffer,
          (bytes: Buffer) => bytes,
          request,
          (error) => (error === null ? resolve() : reject(error)),
        );
      });
    },
    close: () => client.close(),
  };
}
