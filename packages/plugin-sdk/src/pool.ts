/**
 * Pool plugins. A tail is an asynchronous iterable: the SDK writes what it yields at the pace of the reader, so a slow node
 * holds the iteration back and not the task.
 */
import { fromMetadata, type pool } from '@boi/proto';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type Call, Refusal, required, requiredFence, toStatus, unary } from './call.ts';
import { handshake } from './handshake.ts';
import { type PluginInfo, serve } from './serve.ts';

type Answer<T> = Promise<T> | T;

/** A run of a task: the same pair is the same run. */
export interface RunKey {
  readonly taskId: string;
  /** Decimal. */
  readonly fence: string;
}

export interface PoolPlugin extends PluginInfo {
  /** Starts a run, once for each key, however often it is called. */
  spawn(request: pool.SpawnRequest__Output, call: Call): Answer<pool.SpawnResponse>;
  /** Yields the output from `fromOffset` on as it is written, then the end. Stops when the signal aborts. */
  tail(key: RunKey, fromOffset: number, call: Call): AsyncIterable<pool.TailResponse>;
  /** The node keeps everything before `offset`. */
  acknowledge(key: RunKey, offset: number): Answer<void>;
  cancel(key: RunKey, graceMs: number, call: Call): Answer<pool.CancelResponse>;
  list(call: Call): Answer<readonly pool.ListedTask[]>;
  /** Forgets a run, stopping it first if need be. */
  release(key: RunKey, call: Call): Answer<void>;
}

type Stream = ServerDuplexStream<pool.TailRequest__Output, pool.TailResponse>;

export function servePool(plugin: PoolPlugin): Promise<void> {
  return serve('pool', plugin, {
    Handshake: handshake('pool', plugin),
    Spawn: unary((request: pool.SpawnRequest__Output, call) => {
      keyOf(request);
      required(request.argv[0], 'argv');
      return plugin.spawn(request, call);
    }),
    Tail: (stream: Stream) => {
      void tail(plugin, stream);
    },
    Cancel: unary((request: pool.CancelRequest__Output, call) => plugin.cancel(keyOf(request), request.graceMs, call)),
    List: unary(async (_: pool.ListRequest__Output, call) => ({ tasks: [...(await plugin.list(call))] })),
    Release: unary(async (request: pool.ReleaseRequest__Output, call) => {
      await plugin.release(keyOf(request), call);
      return {};
    }),
  });
}

function keyOf({ taskId, fence }: RunKey): RunKey {
  return { taskId: required(taskId, 'task_id'), fence: requiredFence(fence) };
}

async function tail(plugin: PoolPlugin, stream: Stream): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort(new Error('the node ended the stream'));
  stream.on('cancelled', leave).on('error', leave);
  try {
    const first = await new Promise<pool.TailRequest__Output>((resolve, reject) => {
      stream.once('data', resolve);
      stream.once('end', () => reject(new Refusal('invalid-argument', 'the first message names no task')));
    });
    const key = keyOf(first);
    stream.on('data', (request: pool.TailRequest__Output) => {
      Promise.resolve(plugin.acknowledge(key, Number(request.acknowledgedOffset))).catch((error: unknown) =>
        stream.emit('error', toStatus(error)),
      );
    });
    const call = { ...fromMetadata(stream.metadata), signal: gone.signal };
    for await (const response of plugin.tail(key, Number(first.fromOffset), call)) {
      if (gone.signal.aborted) return;
      if (!stream.write(response)) await drained(stream, gone.signal);
    }
    // A reader behind the end still acknowledges what it reads: a call that was over would fail it in the middle of that.
    await over(stream, gone.signal);
    stream.end();
  } catch (error) {
    if (!gone.signal.aborted) stream.emit('error', toStatus(error));
  }
}

/** The other side sends nothing more, or has gone. */
function over(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || stream.readableEnded) resolve();
    stream.once('end', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function drained(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    stream.on('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
