/**
 * What can go wrong with a plugin: one closed list of reasons. Every way a plugin can misbehave ends in a {@link PluginError}
 * with one of them, within a bounded time; none ends in a node that waits.
 */
import { BoiError, sanitize } from '@boi/core';

export const PLUGIN_FAILURES = {
  'cannot-start': 'its program could not be started',
  'not-ready': 'it did not print BOI_READY in time',
  garbage: 'it printed something else than BOI_READY',
  'socket-not-served': 'it printed BOI_READY but serves nothing on its socket',
  'wrong-contract': 'it serves another kind or another major version',
  'timed-out': 'it did not answer in time',
  'too-large': 'its answer is larger than is accepted',
  'invalid-answer': 'its answer is not what the contract says',
  refused: 'it refused the call',
  failed: 'it reported an error of its own',
  crashed: 'its process ended',
  unhealthy: 'it missed three health checks',
  unavailable: 'it is not ready',
  unstable: 'it crashed too often and was left stopped; see its log, then restart it',
  cancelled: 'the call was cancelled',
} as const;
export type PluginFailure = keyof typeof PLUGIN_FAILURES;

export class PluginError extends BoiError {
  readonly plugin: string;
  readonly reason: PluginFailure;

  /** `more` completes the sentence: what exactly; {@link plainWords} are made of it. */
  constructor(plugin: string, reason: PluginFailure, more = '', cause?: unknown) {
    const said = plainWords(more);
    const message = `plugin ${plugin}: ${PLUGIN_FAILURES[reason]}${said === '' ? '' : `: ${said}`}`;
    super('plugin-failed', message, { details: { plugin, reason }, ...(cause === undefined ? {} : { cause }) });
    this.name = 'PluginError';
    this.plugin = plugin;
    this.reason = reason;
  }
}

/** A plugin's words go into results, and these into the store: as much as of a task's own output. */
const WORDS_BYTES_MAX = 2_048;

/** What a plugin said, as it may be kept and shown: no escape sequences, no control characters, not without end. */
export function plainWords(said: string): string {
  const words = sanitize(said, { bytesMax: WORDS_BYTES_MAX, keep: 'head' }).trimEnd();
  return Buffer.byteLength(said) > WORDS_BYTES_MAX ? `${words}…` : words;
}
