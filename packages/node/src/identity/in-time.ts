/**
 * The desk as the API serves it: while the store is away its answer comes as soon as that of every other operation
 * (`api/reach.ts` of the cluster), not when the client of the store gives up.
 *
 * What is asked while the store is known to be away was not sent, and changes nothing. What was sent before that is not waited
 * for longer than the others wait; of a change nobody knows then what became of it.
 */
import { BoiError, type Clock, type Timer } from '@boi/core';
import type { IdentityDesk } from './desk.ts';

export interface InTimeOptions {
  /** How long the store has not answered this node; undefined while it does, or while nobody knows. */
  readonly awayMs: () => Promise<number | undefined>;
  readonly clock: Clock;
  /** Called once for each answer that is refused for the store. */
  readonly onRejected: (code: RejectedBecause) => void;
}

type RejectedBecause = 'store-unreachable' | 'outcome-unknown';

/** As long as `api/reach.ts` waits: below the three seconds promised, above a usual election. */
const WAIT_MS = 2_500;
const LOOK_EVERY_MS = 250;
const RETRY_AFTER_S = 2;

/** They change nothing. */
const READS: ReadonlySet<keyof IdentityDesk> = new Set(['ca', 'admins', 'tokens', 'users', 'audit', 'followAudit']);

export function inTime(desk: IdentityDesk, options: InTimeOptions): IdentityDesk {
  return new Proxy(desk, {
    get: (target, name: keyof IdentityDesk) => {
      return async (...args: unknown[]) => {
        const awayMs = await options.awayMs();
        if (awayMs !== undefined) throw rejected(options, storeAway(awayMs));
        const work = (target[name] as (...args: unknown[]) => Promise<unknown>).apply(target, args);
        return whileReached(work, READS.has(name), options);
      };
    },
  });
}

function whileReached<T>(work: Promise<T>, read: boolean, options: InTimeOptions): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let timer: Timer;
    let over = false;
    const look = (delayMs: number) => {
      timer = options.clock.timer(delayMs, async () => {
        const awayMs = await options.awayMs();
        if (over) return;
        if (awayMs === undefined) look(LOOK_EVERY_MS);
        else reject(rejected(options, read ? storeAway(awayMs) : outcomeUnknown()));
      });
    };
    look(WAIT_MS);
    const ended = () => {
      over = true;
      timer.cancel();
    };
    work.finally(ended).then(resolve, reject);
  });
}

function rejected({ onRejected }: InTimeOptions, error: BoiError): BoiError {
  onRejected(error.code as RejectedBecause);
  return error;
}

function storeAway(awayMs: number): BoiError {
  const seconds = Math.round(awayMs / 1000);
  return new BoiError(
    'store-unreachable',
    `this node has not reached the store for ${seconds} s and nothing was changed: ask another node, or the same again later`,
    { retryAfterS: RETRY_AFTER_S, details: { unreachableMs: awayMs } },
  );
}

function outcomeUnknown(): BoiError {
  return new BoiError(
    'outcome-unknown',
    'the store fell silent after the request was sent; look before you repeat it',
    { retryAfterS: RETRY_AFTER_S },
  );
}
