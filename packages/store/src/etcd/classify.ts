/**
 * What an error of a call means. Only what the server said in so many words, in a sentence that it says before anything is
 * applied, is definite; whatever else comes back, from a reset connection to "request timed out", leaves a write in doubt.
 */
import { BoiError } from '@boi/core';
import { type ServiceError, status } from '@grpc/grpc-js';
import { leaseNotFound, outcomeUnknown, storeUnreachable } from '../errors.ts';
import type { LeaseId } from '../port.ts';

/** Texts of etcd's `rpctypes/error.go`; the same from 3.4 to 3.6. */
const COMPACTED = 'etcdserver: mvcc: required revision has been compacted';
const FUTURE_REVISION = 'etcdserver: mvcc: required revision is a future revision';
const LEASE_NOT_FOUND = 'etcdserver: requested lease not found';
const NO_SPACE = 'etcdserver: mvcc: database space exceeded';
const PERMISSION_DENIED = 'etcdserver: permission denied';
const USER_EMPTY = 'etcdserver: user name is empty';
/** Refusals of a request by its form; the adapter's own limits are tighter, except when the server was given tighter ones. */
const MALFORMED = [
  'etcdserver: request is too large',
  'etcdserver: too many operations in txn request',
  'etcdserver: duplicate key given in txn request',
];

export function isCompacted(error: ServiceError): boolean {
  return error.details === COMPACTED;
}

export function isLeaseGone(error: ServiceError): boolean {
  return error.details === LEASE_NOT_FOUND;
}

/**
 * The database is full. Not definite: etcd looks at its quota before it takes a write and again when it makes it, and the second
 * time makes it all the same.
 */
export function isNoSpace(error: ServiceError): boolean {
  return error.details === NO_SPACE;
}

/** The reply exceeded what this client takes; the request was handled. */
export function isReplyTooLarge(error: ServiceError): boolean {
  return error.code === status.RESOURCE_EXHAUSTED && error.details.startsWith('Received message larger than max');
}

/** Whether the server itself spoke: then the connection is sound, whatever it said. */
export function isFromServer(error: ServiceError): boolean {
  return error.details.startsWith('etcdserver: ');
}

/** The error of a request that was certainly not applied, or undefined if that is not certain. */
export function definiteRefusal(error: ServiceError, leases: readonly LeaseId[] = []): BoiError | undefined {
  const { details } = error;
  if (details === LEASE_NOT_FOUND) return leaseNotFound(leases, error);
  if (details === FUTURE_REVISION) {
    return new BoiError('bad-request', 'the revision has not been yet', { cause: error });
  }
  if (details === NO_SPACE) {
    return new BoiError(
      'unavailable',
      "etcd's database is full and takes no writes. Compact and defragment it (etcdctl compact, etcdctl defrag), " +
        'raise --quota-backend-bytes if it must hold more, then clear the alarm (etcdctl alarm disarm)',
      { cause: error },
    );
  }
  if (details === PERMISSION_DENIED || details === USER_EMPTY) {
    return new BoiError('unavailable', `etcd refuses this client (${details}); check its certificate and role`, {
      cause: error,
    });
  }
  if (MALFORMED.includes(details))
    return new BoiError('too-large', `etcd refuses the request: ${details}`, { cause: error });
  return undefined;
}

export function unknownBecause(error: ServiceError): BoiError {
  return outcomeUnknown(`the store gave no answer (${error.details || error.message})`, error);
}

export function unreachableBecause(error: ServiceError): BoiError {
  return storeUnreachable(`the store cannot be reached (${error.details || error.message})`, error);
}
