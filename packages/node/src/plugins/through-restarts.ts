/**
 * Calls of a plugin that hold through its restarts: what fails because its process ended is called again on the next one. Only for
 * calls that may be repeated, which all of the contracts' keyed ones may. What the plugin itself refused or got wrong is
 * the caller's to judge.
 */
import { type Clock, sleep } from '@boi/core';
import { type PluginChannel, PluginError, type PluginFailure, type PluginSupervisor } from '@boi/plugin-host';

/** Failures of the connection, not of the call. */
const BROKEN: readonly PluginFailure[] = ['crashed', 'unavailable', 'unhealthy', 'cancelled'];
/** Between a connection that broke and the word of its process's end. */
const PAUSE_MS = 50;
/** A plugin that says `unavailable` by itself for so long will not do it at all. */
const BROKEN_MS_MAX = 120_000;

export interface ThroughRestartsOptions {
  readonly supervisor: PluginSupervisor;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Rejects when the plugin cannot become ready by itself, with the call's own failure, or with the signal's reason. */
export async function throughRestarts<T>(
  { supervisor, clock, signal }: ThroughRestartsOptions,
  call: (channel: PluginChannel) => Promise<T>,
): Promise<T> {
  const giveUpAt = clock.mono() + BROKEN_MS_MAX;
  for (;;) {
    const channel = await supervisor.untilReady(signal);
    try {
      return await call(channel);
    } catch (error) {
      signal.throwIfAborted();
      if (!isBroken(error) || clock.mono() >= giveUpAt) throw error;
      await sleep(clock, PAUSE_MS, signal);
    }
  }
}

export function isBroken(error: unknown): boolean {
  return error instanceof PluginError && BROKEN.includes(error.reason);
}
