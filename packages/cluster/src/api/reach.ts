/**
 * How long a caller waits for the store: not at all while it is known to be away, and 2.5 s beyond its last answer
 * otherwise, so that with the network's share everybody has an answer within three seconds; a large dispatch, whose many
 * requests are answered one after the other, takes the time it needs. Used by guarded-api.ts for each operation.
 */
import { BoiError, type Timer } from '@boi/core';
import type { StoreHealth } from '../base/store-health.ts';
import type { ClusterContext } from '../context.ts';

/** Below the three seconds promised, above a usual election. */
const SILENCE_MAX_MS = 2_500;
const RETRY_AFTER_S = 2;

/** Whoever asked. Not an abort signal: there is one for each operation, and nothing here listens. */
interface Caller {
  /** What it was told when it stopped waiting. */
  gone?: BoiError;
}

interface Ask<T> {
  readonly work: (caller: Readonly<Caller>) => Promise<T>;
  /** What the caller is told when the store fell silent meanwhile. Default: `store-unreachable`, nothing was changed. */
  readonly silent?: () => BoiError;
  /** When the store last answered this very request, on the monotonic clock. Default: when it answered any. */
  readonly answeredMono?: () => number | undefined;
  /** The caller has another answer: not counted as a rejection. */
  readonly spared?: boolean;
}

export class Reach {
  readonly #ctx: Pick<ClusterContext, 'clock' | 'metrics'>;
  readonly #health: StoreHealth;

  constructor(ctx: Pick<ClusterContext, 'clock' | 'metrics'>, health: StoreHealth) {
    this.#ctx = ctx;
    this.#health = health;
  }

  /** Rejects with `store-unreachable` or what `silent` says; counts each such answer once, wherever it arose. */
  async ask<T>(asked: Ask<T>): Promise<T> {
    const { work, silent, answeredMono, spared } = asked;
    try {
      if (!this.#health.reachable) throw storeAway(this.#health);
      return await this.#limited(work, silent ?? (() => storeAway(this.#health)), answeredMono);
    } catch (error) {
      const code = error instanceof BoiError ? error.code : undefined;
      if (!spared && (code === 'store-unreachable' || code === 'outcome-unknown')) {
        this.#ctx.metrics.count('boi_core_store_rejections_total', 1, { code });
      }
      throw error;
    }
  }

  #limited<T>(work: Ask<T>['work'], silent: () => BoiError, answeredMono: Ask<T>['answeredMono']): Promise<T> {
    const { clock } = this.#ctx;
    const health = this.#health;
    const startedMono = clock.mono();
    const silenceMs = () =>
      answeredMono === undefined ? health.ageMs : clock.mono() - (answeredMono() ?? startedMono);
    const caller: Caller = {};
    return new Promise<T>((resolve, reject) => {
      let timer: Timer;
      const look = (delayMs: number) => {
        timer = clock.timer(delayMs, () => {
          const leftMs = SILENCE_MAX_MS - silenceMs();
          if (leftMs > 0) {
            // Whole milliseconds: a remainder below the clock's resolution would never pass.
            look(Math.ceil(leftMs));
            return;
          }
          caller.gone = silent();
          reject(caller.gone);
        });
      };
      look(SILENCE_MAX_MS);
      work(caller)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }
}

/** The store does not answer this node, and nothing was changed. */
function storeAway(health: StoreHealth): BoiError {
  const seconds = Math.round((health.awayMs ?? health.ageMs) / 1000);
  return new BoiError(
    'store-unreachable',
    `this node has not reached the store for ${seconds} s and nothing was changed: ask another node, or the same again later`,
    { retryAfterS: RETRY_AFTER_S, details: { unreachableMs: health.awayMs ?? health.ageMs } },
  );
}

/** It was sent, and no answer came. */
export function outcomeUnknown(what: string, details: Readonly<Record<string, unknown>> = {}): BoiError {
  return new BoiError('outcome-unknown', `the store fell silent after the request was sent; ${what}`, {
    retryAfterS: RETRY_AFTER_S,
    details,
  });
}
