/**
 * Hooks plugins: events arrive in batches, each of what came while the one before was worked on, and are acknowledged when
 * `deliver` resolves. If it rejects, the stream ends with that error and the node delivers again from where it was.
 */
import type { EventKind } from '@boi/core';
import { fromWireEvent, type hooks, type SequencedEvent, toWireKind } from '@boi/proto';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { Refusal, toStatus } from './call.ts';
import { handshake } from './handshake.ts';
import { type PluginInfo, serve } from './serve.ts';

export interface HooksPlugin extends PluginInfo {
  /** `audit` only if what `deliver` resolved is durable. */
  readonly tier: 'best_effort' | 'audit';
  /** What it wants. Default: everything. */
  readonly kinds?: readonly EventKind[];
  /** Takes events in order, never concurrently. One can come again after a fault; its sequence and id are the same. */
  deliver(events: readonly SequencedEvent[], signal: AbortSignal): Promise<void>;
}

type Stream = ServerDuplexStream<hooks.DeliverRequest__Output, hooks.DeliverResponse>;

/** The plugin's `deliver`, a call at a time. */
type Deliver = HooksPlugin['deliver'];

export function serveHooks(plugin: HooksPlugin): Promise<void> {
  const deliver = inTurn(plugin);
  return serve('hooks', plugin, {
    Handshake: handshake('hooks', plugin, {
      tier: plugin.tier === 'audit' ? 'DELIVERY_TIER_AUDIT' : 'DELIVERY_TIER_BEST_EFFORT',
      kinds: (plugin.kinds ?? []).map(toWireKind),
    }),
    Deliver: (stream: Stream) => {
      void deliverAll(deliver, stream);
    },
  });
}

/** A stream that the node gave up may have left a call under way: what comes again on the next one waits for its end. */
function inTurn(plugin: HooksPlugin): Deliver {
  let last: Promise<void> = Promise.resolve();
  return (events, signal) => {
    const mine = last.then(() => (signal.aborted ? undefined : plugin.deliver(events, signal)));
    last = mine.catch(() => undefined);
    return mine;
  };
}

async function deliverAll(deliver: Deliver, stream: Stream): Promise<void> {
  const gone = new AbortController();
  stream.on('cancelled', () => gone.abort(new Error('the node ended the stream')));
  let waiting: hooks.DeliverRequest__Output[] = [];
  let wake: (() => void) | undefined;
  let ended = false;
  stream.on('data', (request: hooks.DeliverRequest__Output) => {
    waiting.push(request);
    wake?.();
  });
  for (const last of ['end', 'error', 'cancelled'])
    stream.on(last, () => {
      ended = true;
      wake?.();
    });
  try {
    for (;;) {
      if (waiting.length === 0) {
        if (ended) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const batch = waiting;
      waiting = [];
      const events = batch.flatMap(({ event }) => {
        if (event === null) throw new Refusal('invalid-argument', 'event is missing');
        return fromWireEvent(event) ?? [];
      });
      const acknowledgedSequence = batch.at(-1)?.event?.sequence ?? '0';
      if (events.length > 0) await deliver(events, gone.signal);
      if (!gone.signal.aborted) stream.write({ acknowledgedSequence });
    }
    stream.end();
  } catch (error) {
    process.stderr.write(`delivery failed: ${(error as Error)?.stack ?? String(error)}\n`);
    stream.emit('error', toStatus(error));
  }
}
