/**
 * One request for each batch. The body is `{"events":[…]}`; the header `boi-signature: t=SECONDS,v1=HEX` holds an HMAC-SHA256 of
 * `SECONDS.BODY`, so that the endpoint can tell who posted and refuse what is old. Any answer of 2xx acknowledges. What may pass
 * by itself (no connection, 408, 429, 5xx) is tried again with growing pauses; what remains is left to the node,
 * which delivers again: nothing is dropped here.
 */
import { createHmac } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { SequencedEvent } from '@boi/plugin-sdk';

export interface PostOptions {
  readonly url: URL;
  readonly secret?: string;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly signal: AbortSignal;
}

const PAUSE_MS = 200;
const PAUSE_MS_MAX = 10_000;

export async function postEvents(events: readonly SequencedEvent[], options: PostOptions): Promise<void> {
  const body = JSON.stringify({ events: events.map(({ sequence, event }) => ({ sequence, ...event })) });
  for (let attempt = 1; ; attempt++) {
    const problem = await postOnce(body, options);
    if (problem === undefined) return;
    const message = `${options.url.origin}${options.url.pathname}: ${problem.message}`;
    if (!problem.mayPass || attempt >= options.attempts) throw new Error(message);
    process.stderr.write(`${message}; attempt ${attempt} of ${options.attempts}\n`);
    await pause(Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (attempt - 1)), undefined, { signal: options.signal });
  }
}

export function sign(body: string, secret: string, seconds: number): string {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

interface Problem {
  readonly message: string;
  readonly mayPass: boolean;
}

async function postOnce(body: string, { url, secret, timeoutMs, signal }: PostOptions): Promise<Problem | undefined> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (secret !== undefined) headers['boi-signature'] = sign(body, secret, Math.floor(Date.now() / 1_000));
  try {
    const either = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    // A redirect would carry the signed body to where nobody configured.
    const response = await fetch(url, { method: 'POST', body, headers, redirect: 'error', signal: either });
    await response.body?.cancel();
    if (response.ok) return undefined;
    const mayPass = response.status >= 500 || response.status === 408 || response.status === 429;
    return { message: `it answered ${response.status}`, mayPass };
  } catch (error) {
    if (signal.aborted) throw error;
    const cause = (error as Error).cause;
    return { message: cause instanceof Error ? cause.message : String(error), mayPass: true };
  }
}
