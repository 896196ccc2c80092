/** The errors of the store port that both adapters raise, made in one place so that they are the same. */
import { BoiError } from '@boi/core';
import type { LeaseId } from './port.ts';

const LEASE_NOT_FOUND = 'lease-not-found';

/** A put names a lease that has ended: the request was refused whole and definitely not applied. */
export function leaseNotFound(leases: readonly LeaseId[], cause?: unknown): BoiError {
  return new BoiError('wrong-state', `the lease ${leases.join(' or ')} has ended; grant a new one`, {
    details: { reason: LEASE_NOT_FOUND, leases },
    cause,
  });
}

/** Whether a write was refused because a lease it puts with has ended. */
export function isLeaseNotFound(error: unknown): boolean {
  return error instanceof BoiError && error.details.reason === LEASE_NOT_FOUND;
}

export function connectionClosed(): BoiError {
  return new BoiError('store-unreachable', 'the connection to the store has been closed');
}

/** Whether a write was applied is not known: no answer came, or the connection broke. */
export function outcomeUnknown(message: string, cause?: unknown): BoiError {
  return new BoiError('outcome-unknown', message, { cause });
}

export function storeUnreachable(message: string, cause?: unknown): BoiError {
  return new BoiError('store-unreachable', message, { cause });
}
