/** This node's log store as the events of a log stream. */
import { dataLine, type SpecId, type TaskId } from '@boi/core';
import type { LogChunk, LogStore } from '@boi/worker';
import type { LocalLogRequest, LocalLogs, LogLine } from './log-relay.ts';

/** Output in one event: keeps lines of the stream within what a reader must hold. */
const EVENT_BYTES_MAX = 64 * 1024;

export class StoredLogs implements LocalLogs {
  readonly #store: LogStore;

  constructor(store: LogStore) {
    this.#store = store;
  }

  attempts(spec: SpecId, task: TaskId): Promise<readonly { attempt: number; delivery: number }[]> {
    return this.#store.attempts(spec, task);
  }

  async *read(request: LocalLogRequest): AsyncGenerator<LogLine> {
    const { spec, task, attempt, delivery, tailBytes, follow, signal } = request;
    const place = { spec, task, attempt, delivery };
    const { size } = await this.#store.state(place);
    const offset = tailBytes === undefined ? (request.offset ?? 0) : Math.max(0, size - tailBytes);
    let left = request.limit ?? Number.POSITIVE_INFINITY;
    if (follow) {
      for await (const chunk of this.#store.follow({ ...place, offset, signal })) {
        for (const event of eventsOf(chunk, left)) {
          yield event;
          if (event.type === 'data') left -= event.next - event.offset;
        }
        if (left <= 0) break;
      }
      yield { type: 'end', complete: left > 0 };
      return;
    }
    // Without follow it ends at what there was when it was asked for: a task that writes on would never let it end.
    for await (const chunk of this.#store.scan({ ...place, offset, to: size, limit: left, signal }))
      yield* eventsOf(chunk, left);
    yield { type: 'end', complete: (await this.#store.state(place)).ended };
  }
}

function* eventsOf(chunk: LogChunk, limit: number): Generator<LogLine> {
  if (chunk.gap !== undefined) yield { type: 'gap', offset: chunk.gap.offset, to: chunk.gap.to };
  const end = chunk.offset + Math.min(chunk.bytes.length, limit);
  for (const [i, segment] of chunk.segments.entries()) {
    const segmentEnd = Math.min(end, chunk.segments[i + 1]?.offset ?? end);
    for (let at = segment.offset; at < segmentEnd; at += EVENT_BYTES_MAX) {
      const next = Math.min(segmentEnd, at + EVENT_BYTES_MAX);
      const head = { offset: at, stream: segment.stream, ...(segment.at === undefined ? {} : { at: segment.at }) };
      const line = dataLine(head, chunk.bytes.subarray(at - chunk.offset, next - chunk.offset));
      yield { type: 'data', offset: at, next, line };
    }
  }
}
