/**
 * Leases of a memory server. As in etcd: times to live are whole seconds and at least two; a lease past its time is
 * revoked at the next look, every 500 ms, and until then still holds its keys; a keep-alive that comes in between waits
 * for the revocation and then answers that the lease has expired.
 */
import type { Clock, Timer } from '@boi/core';
import type { LeaseId } from '../port.ts';

/** `revokeExpiredLeases` of etcd's lessor. */
const LOOK_EVERY_MS = 500;
/** etcd: one and a half election timeouts (1 s by default), rounded up to a second. */
const TTL_MIN_MS = 2000;
/** Above 2^53, as etcd's random ids mostly are: who parses one as a number is found out. */
const FIRST_ID = 7_587_870_000_000_000_001n;

interface Lease {
  readonly id: LeaseId;
  readonly ttlMs: number;
  readonly keys: Set<string>;
  expiresAt: number;
  readonly awaitingEnd: (() => void)[];
}

export class Leases {
  readonly #clock: Clock;
  readonly #origin: number;
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #revoke: (lease: LeaseId) => void;
  #next = FIRST_ID;
  #look: { readonly at: number; readonly timer: Timer } | undefined;

  /** `revoke` is asked for each lease that expired. */
  constructor(clock: Clock, revoke: (lease: LeaseId) => void) {
    this.#clock = clock;
    this.#origin = clock.mono();
    this.#revoke = revoke;
  }

  grant(ttlMs: number): { lease: LeaseId; ttlMs: number } {
    const granted = Math.max(TTL_MIN_MS, Math.ceil(ttlMs / 1000) * 1000);
    const id = String(this.#next) as LeaseId;
    this.#next += 1n;
    const expiresAt = this.#clock.mono() + granted;
    this.#leases.set(id, { id, ttlMs: granted, keys: new Set(), expiresAt, awaitingEnd: [] });
    this.#schedule(expiresAt);
    return { lease: id, ttlMs: granted };
  }

  has(lease: LeaseId): boolean {
    return this.#leases.has(lease);
  }

  attach(lease: LeaseId, key: string): void {
    this.#leases.get(lease)?.keys.add(key);
  }

  detach(lease: LeaseId, key: string): void {
    this.#leases.get(lease)?.keys.delete(key);
  }

  /** Milliseconds it now lives, or undefined if it has ended; answers late only while an expired lease awaits its end. */
  renew(id: LeaseId): number | undefined | Promise<undefined> {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    if (lease.expiresAt <= this.#clock.mono()) {
      return new Promise((resolve) => lease.awaitingEnd.push(() => resolve(undefined)));
    }
    lease.expiresAt = this.#clock.mono() + lease.ttlMs;
    return lease.ttlMs;
  }

  /** Forgets the lease; answers its keys in order, or undefined if there is no such lease. */
  end(id: LeaseId): string[] | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    this.#leases.delete(id);
    for (const tell of lease.awaitingEnd) tell();
    return [...lease.keys].sort();
  }

  stop(): void {
    this.#look?.timer.cancel();
    this.#look = undefined;
  }

  /** Looks at the first multiple of 500 ms, counted from the server's start, at which a lease may have expired. */
  #schedule(expiresAt: number): void {
    const at = this.#origin + Math.ceil((expiresAt - this.#origin) / LOOK_EVERY_MS) * LOOK_EVERY_MS;
    if (this.#look !== undefined && this.#look.at <= at) return;
    this.#look?.timer.cancel();
    const timer = this.#clock.timer(Math.max(0, at - this.#clock.mono()), () => this.#lookForExpired());
    this.#look = { at, timer };
  }

  #lookForExpired(): void {
    this.#look = undefined;
    const now = this.#clock.mono();
    let soonest = Number.POSITIVE_INFINITY;
    for (const lease of [...this.#leases.values()]) {
      if (lease.expiresAt <= now) this.#revoke(lease.id);
      else soonest = Math.min(soonest, lease.expiresAt);
    }
    if (soonest !== Number.POSITIVE_INFINITY) this.#schedule(soonest);
  }
}
