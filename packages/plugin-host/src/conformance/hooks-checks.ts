/** Hooks: order, acknowledgement, redelivery, and what must not end the plugin. */
import type { BoiEvent } from '@boi/core';
import { type hooks, toWireEvent } from '@boi/proto';
import type { ServiceError } from '@grpc/grpc-js';
import type { PluginChannel } from '../channel.ts';
import { BestEffortQueue } from '../hooks/best-effort-queue.ts';
import { Deliverer } from '../hooks/deliverer.ts';
import { type Bench, type Check, expect, expectFailure, until } from './kit.ts';

export const hooksChecks: readonly Check[] = [
  {
    name: 'tells its tier and kinds',
    run: async (bench) => {
      await bench.channel();
      const told = bench.supervisor.status.introduction?.hooks;
      expect(told !== undefined && told.kinds.length > 0, 'no kind of event that this version knows is wanted');
    },
  },
  {
    name: 'takes 500 events in order and acknowledges the last',
    run: (bench) => deliver(bench, 500),
  },
  {
    name: 'acknowledges, after its crash, what is delivered again',
    run: (bench) => deliver(bench, 300, 100),
  },
  {
    name: 'acknowledges an event that it had before',
    run: async (bench) => {
      const event = someEvent(bench);
      for (let i = 0; i < 2; i++)
        await sendAll(await bench.channel(), [{ event: toWireEvent({ sequence: 1, event }) }], 1);
    },
  },
  {
    name: 'passes over kinds that it does not know',
    run: async (bench) => {
      const known = toWireEvent({ sequence: 2, event: someEvent(bench) });
      const later = {
        ...toWireEvent({ sequence: 1, event: someEvent(bench) }),
        kind: 9_999 as unknown as hooks.EventKind,
      };
      await sendAll(await bench.channel(), [{ event: later }, { event: known }], 2);
    },
  },
  {
    name: 'refuses a message without an event, and lives',
    run: async (bench) => {
      const channel = await bench.channel();
      // Whatever it acknowledges is too much.
      await expectFailure(sendAll(channel, [{}], 0), 'refused', 'failed', 'invalid-answer');
      await channel.checkHealth(5_000);
    },
  },
  {
    name: 'waits for a node that reads its acknowledgements late',
    run: async (bench) => {
      const events = Array.from({ length: 1_000 }, (_, i) => ({
        event: toWireEvent({ sequence: i + 1, event: someEvent(bench) }),
      }));
      await sendAll(await bench.channel(), events, 1_000, 500);
    },
  },
];

function someEvent({ minter, clock }: Bench): BoiEvent {
  const id = minter.mint('event');
  const node = minter.mint('node');
  return { id, kind: 'node.joined', at: clock.now(), emitter: node, payload: { node, epoch: '1' } };
}

/** Through the deliverer, as a node does it; kills the plugin once `crashAt` events are acknowledged. */
async function deliver(bench: Bench, count: number, crashAt?: number): Promise<void> {
  const source = new BestEffortQueue(count);
  const problems: Error[] = [];
  const onProblem = (error: Error) => problems.push(error);
  const deliverer = new Deliverer({ plugin: bench.supervisor, source, clock: bench.clock, onProblem });
  deliverer.start();
  try {
    for (let i = 0; i < (crashAt ?? count); i++) source.push(someEvent(bench));
    if (crashAt !== undefined) {
      await until(bench, `acknowledging ${crashAt} events`, () => source.acknowledged === crashAt);
      const crashed = bench.crash();
      for (let i = crashAt; i < count; i++) source.push(someEvent(bench));
      await crashed;
    }
    await until(bench, `acknowledging ${count} events`, () => source.acknowledged === count);
    expect(crashAt !== undefined || problems.length === 0, problems[0]?.message ?? '');
  } finally {
    await deliverer.stop();
  }
}

/** Sends messages on a stream of their own, and resolves when `sequence` is acknowledged. */
function sendAll(
  channel: PluginChannel,
  messages: hooks.DeliverRequest[],
  sequence: number,
  readAfterMs = 0,
): Promise<void> {
  const stream = channel.stream<hooks.DeliverRequest, hooks.DeliverResponse__Output>('Deliver');
  return new Promise<void>((resolve, reject) => {
    stream.on('error', (error: ServiceError) => reject(channel.failure(error)));
    stream.on('end', () => reject(new Error('the stream ended before the last event was acknowledged')));
    const read = () =>
      stream.on('data', ({ acknowledgedSequence }: hooks.DeliverResponse__Output) => {
        if (Number(acknowledgedSequence) >= sequence) resolve();
      });
    if (readAfterMs === 0) read();
    else setTimeout(read, readAfterMs);
    for (const message of messages) stream.write(message);
  }).finally(() => {
    stream.on('error', () => undefined);
    stream.cancel();
  });
}
