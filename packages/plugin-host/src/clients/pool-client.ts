/**
 * Calls of a pool plugin. All may be repeated after any failure: the key is (task id, fence). A tail checks every offset, so
 * that a gap or a repeat in what a plugin sends is an error and never a wrong log.
 */
import type { CallContext, pool } from '@boi/proto';
import type { ServiceError } from '@grpc/grpc-js';
import type { PluginChannel } from '../channel.ts';
import { PluginError, plainWords } from '../errors.ts';
import { Answer } from './answer.ts';

/** Starting a container can mean fetching its image. */
const SPAWN_TIMEOUT_MS = 300_000;
const CALL_TIMEOUT_MS = 10_000;
/** A running one is stopped by force first. */
const RELEASE_TIMEOUT_MS = 30_000;
const CHUNK_BYTES_MAX = 1_048_576;
/** Real-time ones are told as SIGRTMIN+1 and the like. */
const SIGNAL = /^SIG[A-Z0-9+-]{1,16}$/;

export interface PoolCallOptions {
  readonly timeoutMs?: number;
  readonly context?: CallContext;
  readonly signal?: AbortSignal;
}

/** A run of a task. */
export interface RunKey {
  readonly taskId: string;
  /** Decimal. */
  readonly fence: string;
}

export async function spawnTask(
  channel: PluginChannel,
  request: pool.SpawnRequest,
  options: PoolCallOptions = {},
): Promise<pool.SpawnResponse__Output> {
  const wire = await channel.call<pool.SpawnRequest, pool.SpawnResponse__Output>('Spawn', request, {
    timeoutMs: SPAWN_TIMEOUT_MS,
    ...options,
  });
  const answer = new Answer(channel.plugin, 'Spawn');
  answer.text('handle', wire.handle);
  answer.done();
  return wire;
}

export function cancelTask(
  channel: PluginChannel,
  key: RunKey,
  graceMs: number,
  options: PoolCallOptions = {},
): Promise<pool.CancelResponse__Output> {
  return channel.call('Cancel', { ...key, graceMs }, { timeoutMs: CALL_TIMEOUT_MS, ...options });
}

export async function releaseTask(channel: PluginChannel, key: RunKey, options: PoolCallOptions = {}): Promise<void> {
  await channel.call('Release', key, { timeoutMs: RELEASE_TIMEOUT_MS, ...options });
}

export async function listTasks(channel: PluginChannel): Promise<readonly pool.ListedTask__Output[]> {
  const wire = await channel.call<object, pool.ListResponse__Output>('List', {}, { timeoutMs: CALL_TIMEOUT_MS });
  const answer = new Answer(channel.plugin, 'List');
  for (const { taskId, fence } of wire.tasks)
    answer.holds(taskId !== '' && fence !== '0', 'tasks', 'named by task_id and fence');
  answer.done();
  return wire.tasks;
}

/** How a run ended; exactly one of the first four. */
export type TaskEnd = pool.TaskEnd__Output;

export interface TailOptions {
  readonly fromOffset: number;
  readonly context?: CallContext;
  readonly signal?: AbortSignal;
  /**
   * Called for each piece in order; the next is read when it has resolved, and then this one is acknowledged, with all before
   * it; unless it answers false: it is not kept yet.
   */
  onOutput(chunk: {
    readonly offset: number;
    readonly stream: 'stdout' | 'stderr';
    readonly data: Buffer;
  }): Promise<boolean> | boolean;
}

/** Follows a run to its end. Rejects if the stream breaks: call again with the offset after the last piece handled. */
export async function tailTask(channel: PluginChannel, key: RunKey, options: TailOptions): Promise<TaskEnd> {
  const stream = channel.stream<pool.TailRequest, pool.TailResponse__Output>('Tail', options.context);
  const cancel = () => stream.cancel();
  options.signal?.addEventListener('abort', cancel, { once: true });
  if (options.signal?.aborted) cancel();
  let offset = options.fromOffset;
  try {
    stream.write({ ...key, fromOffset: String(offset) });
    for await (const item of stream as AsyncIterable<pool.TailResponse__Output>) {
      const answer = new Answer(channel.plugin, 'Tail');
      if (item.end !== undefined && item.end !== null) {
        checkEnd(answer, item.end, offset);
        answer.done();
        return inPlainWords(item.end);
      }
      const { chunk } = item;
      answer.holds(chunk !== undefined && chunk !== null, 'item', 'a chunk or the end');
      answer.holds(Number(chunk?.offset) === offset, 'chunk.offset', `${offset}, where the one before ended`);
      const size = chunk?.data.length ?? 0;
      answer.holds(size > 0 && size <= CHUNK_BYTES_MAX, 'chunk.data', `1 to ${CHUNK_BYTES_MAX} bytes`);
      answer.matches(
        'chunk.stream',
        String(chunk?.stream),
        /^OUTPUT_STREAM_(STDOUT|STDERR)$/,
        'standard output or error',
      );
      answer.done();
      if (chunk === undefined || chunk === null) continue;
      const name = chunk.stream === 'OUTPUT_STREAM_STDERR' ? 'stderr' : 'stdout';
      const kept = await options.onOutput({ offset, stream: name, data: chunk.data });
      offset += size;
      if (kept) stream.write({ acknowledgedOffset: String(offset) });
    }
  } catch (error) {
    throw isServiceError(error) ? channel.failure(error) : error;
  } finally {
    options.signal?.removeEventListener('abort', cancel);
    // What comes after the end, or after an error of ours, is nobody's.
    stream.on('error', () => undefined);
    stream.cancel();
  }
  throw new PluginError(channel.plugin, 'invalid-answer', 'Tail: the stream ended without the end of the task');
}

/** What stands in results and is taken for an exit code by shells: a value out of range would be read as another. */
function checkEnd(answer: Answer, { how, exitCode, signal, endOffset }: TaskEnd, offset: number): void {
  answer.holds(how !== undefined, 'end.how', 'set');
  answer.holds(exitCode === undefined || exitCode <= 255, 'end.exit_code', 'from 0 to 255');
  if (signal !== undefined) answer.matches('end.signal', signal, SIGNAL, 'the name of a signal, for instance SIGKILL');
  answer.holds(Number(endOffset) === offset, 'end.end_offset', `${offset}, after what was sent`);
}

function inPlainWords(end: TaskEnd): TaskEnd {
  const { startFailure, lost } = end;
  return {
    ...end,
    ...(startFailure === undefined ? {} : { startFailure: plainWords(startFailure) }),
    ...(lost === undefined ? {} : { lost: plainWords(lost) }),
  };
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.code === 'number';
}
