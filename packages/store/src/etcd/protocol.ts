/**
 * etcd's wire protocol: the message types and methods of the `.proto` files that npm `etcd3` ships, read by protobufjs. Field
 * names are those of the files. 64-bit numbers arrive as `Long` and leave as decimal strings or safe numbers, never as
 * floating-point approximations. Loaded at first use, not at import.
 */
import { createRequire } from 'node:module';
import Long from 'long';
import protobuf from 'protobufjs';
import type { Batch, Txn } from '../port.ts';
import { TxnEncoder } from './encode-txn.ts';

/** What protobufjs decodes an int64 to. */
export interface Int64 {
  readonly low: number;
  readonly high: number;
  toString(): string;
}

export interface WireHeader {
  readonly revision: Int64;
}

export interface WireKeyValue {
  readonly key: Buffer;
  readonly value: Uint8Array;
  readonly create_revision: Int64;
  readonly mod_revision: Int64;
  readonly lease: Int64;
}

export interface WireRangeRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  readonly limit?: number;
  readonly revision?: string | number;
  readonly keys_only?: boolean;
}

export interface WireRangeResponse {
  readonly header: WireHeader;
  readonly kvs: readonly WireKeyValue[];
  readonly more: boolean;
}

export interface WireResponseOp {
  readonly response_range: WireRangeResponse | null;
  readonly response_delete_range: { readonly deleted: Int64 } | null;
  readonly response_txn: WireTxnResponse | null;
}

export interface WireTxnResponse {
  readonly header: WireHeader;
  readonly succeeded: boolean;
  readonly responses: readonly WireResponseOp[];
}

export interface WireWatchRequest {
  readonly create_request?: {
    readonly key: Buffer;
    readonly range_end: Buffer;
    readonly start_revision: string | number;
    readonly watch_id: number;
    readonly fragment: boolean;
  };
  readonly cancel_request?: { readonly watch_id: number };
}

export interface WireWatchResponse {
  readonly watch_id: Int64;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: Int64;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  /** `type` 1 is a deletion. */
  readonly events: readonly { readonly type: number; readonly kv: WireKeyValue }[];
}

export interface WireStatusResponse {
  readonly header: WireHeader;
  readonly version: string;
  readonly dbSize: Int64;
  readonly dbSizeInUse: Int64;
  readonly errors: readonly string[];
}

/** A method as gRPC's generic client wants it. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

export interface Protocol {
  readonly range: Method<WireRangeRequest, WireRangeResponse>;
  readonly txn: Method<Txn | Batch, WireTxnResponse>;
  readonly compact: Method<{ revision: string | number }, object>;
  readonly watch: Method<WireWatchRequest, WireWatchResponse>;
  readonly leaseGrant: Method<{ TTL: number }, { readonly ID: Int64; readonly TTL: Int64 }>;
  readonly leaseRevoke: Method<{ ID: string }, object>;
  readonly leaseKeepAlive: Method<{ ID: string }, { readonly ID: Int64; readonly TTL: Int64 }>;
  readonly status: Method<object, WireStatusResponse>;
}

let loaded: Protocol | undefined;

export function protocol(): Protocol {
  loaded ??= load();
  return loaded;
}

function load(): Protocol {
  const file = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
  // protobufjs looks for `long` by an evaluated `require`, which some loaders leave it without: it would use lossy numbers.
  protobuf.util.Long = Long;
  protobuf.configure();
  const root = new protobuf.Root().loadSync(file, { keepCase: true });
  const method = <Request extends object, Response>(service: string, name: string): Method<Request, Response> => {
    const definition = root.lookupService(`etcdserverpb.${service}`).methods[name];
    if (definition === undefined) throw new Error(`${file} has no method ${service}.${name}`);
    const request = root.lookupType(`etcdserverpb.${definition.requestType}`);
    const response = root.lookupType(`etcdserverpb.${definition.responseType}`);
    return {
      path: `/etcdserverpb.${service}/${name}`,
      encode: (message) => request.encode(message).finish() as Buffer,
      decode: (bytes) => response.decode(bytes) as Response,
    };
  };
  const transactions = new TxnEncoder();
  return {
    range: method('KV', 'Range'),
    txn: { ...method<Txn, WireTxnResponse>('KV', 'Txn'), encode: (request) => transactions.encode(request) },
    compact: method('KV', 'Compact'),
    watch: method('Watch', 'Watch'),
    leaseGrant: method('Lease', 'LeaseGrant'),
    leaseRevoke: method('Lease', 'LeaseRevoke'),
    leaseKeepAlive: method('Lease', 'LeaseKeepAlive'),
    status: method('Maintenance', 'Status'),
  };
}

/** An int64 as it came, in decimal. */
export function decimal(value: Int64): string {
  return value.high === 0 && value.low >= 0 ? String(value.low) : value.toString();
}

/** A decimal int64 as protobufjs encodes it exactly: small ones as a number, which is faster than parsing the string. */
export function int64(value: string): string | number {
  return value.length < 16 ? Number(value) : value;
}
