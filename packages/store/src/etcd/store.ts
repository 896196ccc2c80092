/**
 * The store port over etcd (3.4 or later). See `docs/decisions/010-etcd-client.md` for what it is built on and why: the
 * protocol of npm `etcd3`, but no client policy between a request and its outcome. Nothing is retried, every call has a
 * deadline, watches resume, and an error that does not say that nothing happened makes a write *unknown*.
 */
import { BoiError, type Clock, type Random } from '@boi/core';
import type { ServiceError } from '@grpc/grpc-js';
import { connectionClosed } from '../errors.ts';
import {
  checkBatch,
  checkKey,
  checkLease,
  checkRangeQuery,
  checkRevision,
  checkTtl,
  checkTxn,
  checkWatch,
} from '../limits.ts';
import {
  type Batch,
  type BatchAnswer,
  type CallOptions,
  CompactedError,
  DEADLINE_DEFAULT_MS,
  type KeepAliveAnswer,
  type KeyValue,
  type LeaseAnswer,
  type LeaseId,
  type Op,
  RANGE_LIMIT_MAX,
  type RangeAnswer,
  type RangeQuery,
  type Revision,
  type RevokeAnswer,
  type Store,
  type StoreStatus,
  type Txn,
  type TxnAnswer,
  type Watch,
  type WatchListener,
} from '../port.ts';
import {
  definiteRefusal,
  isCompacted,
  isLeaseGone,
  isNoSpace,
  isReplyTooLarge,
  unknownBecause,
  unreachableBecause,
} from './classify.ts';
import { Connections, type TlsCredentials } from './connections.ts';
import { KeepAliveStream } from './keep-alive-stream.ts';
import { decimal, int64, type Method, protocol, type WireTxnResponse } from './protocol.ts';
import { keyBytes, revisionOf, toAnswers, toItemAnswers, toKeyValue, toWireRange } from './translate.ts';
import { WatchStream } from './watch-stream.ts';

/** 128 reads of the largest value etcd takes (1.5 MiB) in one transaction. gRPC's default is 4 MiB. */
const REPLY_BYTES_MAX = 256 * 1024 * 1024;

export interface EtcdStoreOptions {
  /** Such as `http://127.0.0.1:2379`; several members of one cluster, at least one. `https` needs `tls`, and `tls` `https`. */
  readonly endpoints: readonly string[];
  /** PEM of the CA and of this client's certificate and key. Passwords are not supported: use certificates. */
  readonly tls?: TlsCredentials;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds of a call without a deadline of its own; default {@link DEADLINE_DEFAULT_MS}. */
  readonly deadlineMs?: number;
  /** Bytes of the largest reply taken; a page of a range that exceeds them is asked for again in smaller pages. */
  readonly replyBytesMax?: number;
  /** Told of broken streams and changes of the member in use. */
  readonly log?: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

export class EtcdStore implements Store {
  readonly #deadlineMs: number;
  readonly #connections: Connections;
  readonly #watches: WatchStream;
  readonly #keepAlives: KeepAliveStream;
  #closed = false;

  /** @throws BoiError `config-invalid` for endpoints that are none. Connects at the first call. */
  constructor(options: EtcdStoreOptions) {
    checkEndpoints(options);
    const { endpoints, tls, clock, random } = options;
    const log = options.log ?? (() => {});
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_DEFAULT_MS;
    const replyBytesMax = options.replyBytesMax ?? REPLY_BYTES_MAX;
    this.#connections = new Connections({ endpoints, tls, clock, random, replyBytesMax, log });
    this.#watches = new WatchStream({
      connections: this.#connections,
      clock,
      random,
      confirmMs: this.#deadlineMs,
      log,
    });
    this.#keepAlives = new KeepAliveStream(this.#connections, clock);
  }

  async get(key: string, options?: CallOptions): Promise<{ kv: KeyValue | undefined; revision: Revision }> {
    checkKey(key);
    const response = await this.#read(protocol().range, { key: keyBytes(key) }, options);
    const kv = response.kvs[0];
    return { kv: kv === undefined ? undefined : toKeyValue(kv), revision: revisionOf(response.header.revision) };
  }

  async range(query: RangeQuery): Promise<RangeAnswer> {
    checkRangeQuery(query);
    let limit = query.limit ?? RANGE_LIMIT_MAX;
    for (;;) {
      try {
        const { kvs, header, more } = await this.#send(protocol().range, toWireRange(query, limit), query);
        return { kvs: kvs.map(toKeyValue), revision: revisionOf(header.revision), more };
      } catch (error) {
        if (limit === 1 || !isServiceError(error) || !isReplyTooLarge(error)) throw readError(error, query.revision);
        limit = Math.ceil(limit / 4);
      }
    }
  }

  async txn(txn: Txn, options?: CallOptions): Promise<TxnAnswer> {
    checkTxn(txn);
    const written = await this.#write(txn, options, () => leasesOf([txn]));
    if (written instanceof BoiError) return { outcome: 'unknown', cause: written };
    const { response, ...doubt } = written;
    const revision = revisionOf(response.header.revision);
    return response.succeeded
      ? { outcome: 'applied', revision, answers: toAnswers(txn.success, response) }
      : { outcome: 'refused', revision, answers: toAnswers(txn.failure ?? [], response), ...doubt };
  }

  async batch(batch: Batch, options?: CallOptions): Promise<BatchAnswer> {
    checkBatch(batch);
    const written = await this.#write(batch, options, () => leasesOf([batch, ...batch.items]));
    if (written instanceof BoiError) return { outcome: 'unknown', cause: written };
    const { response, ...doubt } = written;
    const revision = revisionOf(response.header.revision);
    if (!response.succeeded) {
      return { outcome: 'refused', revision, answers: toAnswers(batch.failure ?? [], response), ...doubt };
    }
    return {
      outcome: 'applied',
      revision,
      answers: toAnswers(batch.success ?? [], response),
      items: toItemAnswers(batch, response),
    };
  }

  watch(range: { start: string; end: string; fromRevision: Revision }, listener: WatchListener): Watch {
    checkWatch(range);
    return this.#closed ? { cancel() {} } : this.#watches.add(range, listener);
  }

  async grantLease(ttlMs: number, options?: CallOptions): Promise<LeaseAnswer> {
    checkTtl(ttlMs);
    try {
      const { ID, TTL } = await this.#send(protocol().leaseGrant, { TTL: Math.ceil(ttlMs / 1000) }, options);
      return { outcome: 'applied', lease: decimal(ID) as LeaseId, ttlMs: Number(decimal(TTL)) * 1000 };
    } catch (error) {
      return { outcome: 'unknown', cause: writeError(error, []) };
    }
  }

  async keepAlive(lease: LeaseId, options?: CallOptions): Promise<KeepAliveAnswer> {
    checkLease(lease);
    return this.#keepAlives.keepAlive(lease, options?.deadlineMs ?? this.#deadlineMs);
  }

  async revokeLease(lease: LeaseId, options?: CallOptions): Promise<RevokeAnswer> {
    checkLease(lease);
    try {
      await this.#send(protocol().leaseRevoke, { ID: lease }, options);
    } catch (error) {
      if (!isServiceError(error) || !isLeaseGone(error)) {
        return { outcome: 'unknown', cause: writeError(error, []) };
      }
    }
    return { outcome: 'applied' };
  }

  async compact(revision: Revision, options?: CallOptions): Promise<void> {
    checkRevision(revision);
    try {
      await this.#send(protocol().compact, { revision: int64(revision) }, options);
    } catch (error) {
      if (!isServiceError(error) || !isCompacted(error)) throw readError(error);
    }
  }

  async status(options?: CallOptions): Promise<StoreStatus> {
    const { header, dbSize, dbSizeInUse, version, errors } = await this.#read(protocol().status, {}, options);
    return {
      revision: revisionOf(header.revision),
      dbBytes: Number(decimal(dbSize)),
      dbBytesInUse: Number(decimal(dbSizeInUse)),
      version,
      alarms: errors.map((error) => /alarm:(\w+)/.exec(error)?.[1] ?? error),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.close();
    this.#keepAlives.close();
    this.#connections.close();
  }

  #send<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions | undefined,
  ): Promise<Response> {
    return this.#connections.call(method, request, options?.deadlineMs ?? this.#deadlineMs);
  }

  async #read<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions | undefined,
  ): Promise<Response> {
    try {
      return await this.#send(method, request, options);
    } catch (error) {
      throw readError(error);
    }
  }

  /** The response, or why the outcome is unknown; throws a definite refusal. */
  async #write(
    request: Txn | Batch,
    options: CallOptions | undefined,
    leases: () => LeaseId[],
  ): Promise<Written | BoiError> {
    try {
      return { response: await this.#send(protocol().txn, request, options) };
    } catch (error) {
      if (isServiceError(error) && isNoSpace(error)) return this.#afterNoSpace(request, options, error);
      return writeError(error, leases());
    }
  }

  /**
   * Once etcd has answered so it will not make the write any more, but may have. Its own effects make its compares fail: asked
   * without its writes, which a full database still answers, they tell. Throws when it was not made.
   */
  async #afterNoSpace(
    { compares, failure = [] }: Txn | Batch,
    options: CallOptions | undefined,
    full: ServiceError,
  ): Promise<Written | BoiError> {
    const reads = failure.filter(({ op }) => op === 'get');
    let response: WireTxnResponse;
    try {
      response = await this.#send(protocol().txn, { compares, success: [], failure: reads }, options);
    } catch (error) {
      return writeError(error, []);
    }
    if (response.succeeded) throw definiteRefusal(full);
    return { response, inDoubt: true };
  }
}

interface Written {
  readonly response: WireTxnResponse;
  readonly inDoubt?: true;
}

function checkEndpoints({ endpoints, tls }: EtcdStoreOptions): void {
  if (endpoints.length === 0) throw new BoiError('config-invalid', 'no etcd endpoint is given');
  for (const endpoint of endpoints) {
    const scheme = URL.canParse(endpoint) ? new URL(endpoint).protocol : undefined;
    const wanted = tls === undefined ? 'http:' : 'https:';
    if (scheme !== wanted) {
      const why = tls === undefined ? 'without TLS credentials' : 'with TLS credentials';
      throw new BoiError('config-invalid', `etcd endpoint ${endpoint} must begin with ${wanted}// ${why}`);
    }
  }
}

function leasesOf(parts: readonly { success?: readonly Op[]; failure?: readonly Op[] }[]): LeaseId[] {
  const ops = parts.flatMap((part) => [...(part.success ?? []), ...(part.failure ?? [])]);
  return [...new Set(ops.flatMap((op) => (op.op === 'put' && op.lease !== undefined ? [op.lease] : [])))];
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.code === 'number';
}

/** What to throw for a failed read. */
function readError(error: unknown, revision?: Revision): unknown {
  if (!isServiceError(error)) return error;
  if (isCompacted(error)) return new CompactedError(revision ?? ('?' as Revision), { cause: error });
  return definiteRefusal(error) ?? unreachableBecause(error);
}

/** Why a failed write is unknown; throws if it is known, or the fault is ours. */
function writeError(error: unknown, leases: readonly LeaseId[]): BoiError {
  if (error instanceof BoiError && error.code === connectionClosed().code) return error;
  if (!isServiceError(error)) throw error;
  const definite = definiteRefusal(error, leases);
  if (definite !== undefined) throw definite;
  return unknownBecause(error);
}
