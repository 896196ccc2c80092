/**
 * Time and chance as dependencies. `core`, `store` and `cluster` never read the host's clock or random source: they are
 * given a {@link Clock} and a {@link Random}, so that the real protocol code also runs in a deterministic simulation.
 * The real ones live in `@boi/system`, the virtual ones in `@boi/core/testing`.
 */

/** A pending timer. Cancelling one that has fired, or twice, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump; only for timestamps people read and for `notBefore`. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary origin. Never jumps back. For every duration and deadline. */
  mono(): number;
  /** Calls `fn` once, after at least `delayMs` (≥ 0). Never calls it synchronously. */
  timer(delayMs: number, fn: () => void): Timer;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

/** Waits `delayMs`; rejects with the signal's reason as soon as `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.timer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** `baseMs` spread uniformly over ± `fraction` (0–1), so that nodes started together do not act together. */
export function jitter(random: Random, baseMs: number, fraction: number): number {
  return baseMs * (1 + fraction * (2 * random.next() - 1));
}

/** Lowercase hexadecimal of `bytes` random bytes: claim nonces, correlation ids. */
export function randomHex(random: Random, bytes: number): string {
  return Buffer.from(random.bytes(bytes)).toString('hex');
}
