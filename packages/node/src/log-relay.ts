/**
 * A task's output, from wherever it is. The node that is asked finds the holders in the store, reads its own logs from
 * disk and relays those of others from their `/internal/tail`, one attempt after the other; with `follow` it goes on over
 * reassignments until the task has ended. A reader resumes at any byte offset of an attempt's log.
 *
 * Nothing is buffered beyond what the reader's connection takes: a slow reader slows the relay, never the task, which
 * writes to its file.
 */

import type { ClusterApi, LogPlace, LogPlaces } from '@boi/cluster';
import {
  BoiError,
  type Clock,
  LOG_STREAM_TYPE,
  type LogEvent,
  LogQuery,
  type ProjectId,
  requireId,
  type SpecId,
  sleep,
  specOf,
  type TaskId,
  validateLogQuery,
} from '@boi/core';
import type { Call, InternalRoute } from './http/server.ts';
import { HEARTBEAT_MS, onceDrainedOrClosed } from './http/sse.ts';
import type { Peer } from './identity/peer-call.ts';

/**
 * An event of a log as it is relayed. Output stays the line of bytes it comes as and goes out as: nothing but its offsets is
 * looked at.
 */
export type LogLine =
  | Exclude<LogEvent, { type: 'data' }>
  | {
      readonly type: 'data';
      readonly offset: number;
      /** Offset behind its output. */
      readonly next: number;
      /** With its end of line. */
      readonly line: Buffer;
    };

/** What this node's own disk has: implemented over the worker's log store. */
export interface LocalLogs {
  /** Claims of which there is a log here, oldest first. */
  attempts(spec: SpecId, task: TaskId): Promise<readonly { attempt: number; delivery: number }[]>;
  /**
   * Events of one log: `data` and `gap` from `offset` on, then one `end` whose `complete` tells whether this log is
   * finished. Without `follow` it ends at what there is now. A log that is not there: throws `log-unavailable`.
   */
  read(request: LocalLogRequest): AsyncIterable<LogLine>;
}

export interface LocalLogRequest {
  readonly spec: SpecId;
  readonly task: TaskId;
  readonly attempt: number;
  readonly delivery: number;
  readonly offset?: number;
  readonly tailBytes?: number;
  readonly limit?: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

export interface LogRelayDeps {
  readonly api: ClusterApi;
  readonly local: LocalLogs;
  readonly self: () => string;
  readonly clock: Clock;
  /** Opens `/internal/tail/{tsk}` of another node; yields its newline-delimited events. */
  readonly remote: (
    peer: Peer,
    task: TaskId,
    request: Omit<LocalLogRequest, 'spec' | 'task'>,
  ) => AsyncIterable<LogLine>;
}

const FINAL = new Set(['succeeded', 'failed', 'timed-out', 'cancelled', 'skipped', 'poison']);
/** Between tries to reach a holder that does not answer, while following. */
const RETRY_MS = 1_000;
const NOT_YET_MS = 100;

export class LogRelay {
  readonly #deps: LogRelayDeps;

  constructor(deps: LogRelayDeps) {
    this.#deps = deps;
  }

  /** The routes other nodes use. */
  internalRoutes(): InternalRoute[] {
    return [
      {
        method: 'GET',
        path: '/internal/tail/:tsk',
        querystring: LogQuery,
        handler: async (call) => {
          const task = requireId('task', call.params.tsk as string, '/params/tsk');
          await this.streamLocal(task, validateLogQuery(call.query), call);
          return undefined;
        },
      },
    ];
  }

  /** `GET /internal/tail/{tsk}`: one log of this node, as it is on disk. */
  async streamLocal(task: TaskId, query: LogQuery, call: Call): Promise<void> {
    const spec = specOf(task);
    const { attempt, delivery } = await this.#localChoice(spec, task, query);
    const out = new NdjsonReply(call);
    await out.pump(
      this.#deps.local.read({
        spec,
        task,
        attempt,
        delivery,
        ...position(query),
        follow: query.follow === true,
        signal: call.signal,
      }),
    );
    out.end();
  }

  async #localChoice(spec: SpecId, task: TaskId, query: LogQuery): Promise<{ attempt: number; delivery: number }> {
    if (query.attempt !== undefined && query.delivery !== undefined) {
      return { attempt: query.attempt, delivery: query.delivery };
    }
    const known = await this.#deps.local.attempts(spec, task);
    const found = known.filter((a) => query.attempt === undefined || a.attempt === query.attempt).at(-1);
    return found ?? { attempt: query.attempt ?? 1, delivery: 1 };
  }

  /** `GET /v1/projects/{prj}/tasks/{tsk}/log`. */
  async stream(project: ProjectId, task: TaskId, query: LogQuery, call: Call): Promise<void> {
    const out = new NdjsonReply(call);
    const follow = query.follow === true;
    let latest = await this.#deps.api.logPlaces(project, task);
    // The last output that was kept is not that of another attempt. Who follows waits for the one asked for; who has the
    // delivery, too, had begun to read it.
    if (isOfAnother(latest, query, follow) && query.delivery === undefined && (!follow || FINAL.has(latest.state))) {
      throw new BoiError('not-found', noSuchAttempt(latest, query));
    }
    const changed = new Signal();
    const stopFollowing = new AbortController();
    const signal = AbortSignal.any([call.signal, stopFollowing.signal]);
    const following = follow
      ? this.#deps.api
          .followTask(
            project,
            task,
            (places) => {
              latest = places;
              changed.fire();
            },
            signal,
          )
          .catch((error: unknown) => {
            if (!signal.aborted) throw error;
          })
      : Promise.resolve();
    following.catch((error: unknown) => stopFollowing.abort(error));
    try {
      // The task may say nothing for hours: the reader is told at once that it is being followed.
      if (follow) out.begin();
      let shown: LogPlace | undefined;
      let first = true;
      for (;;) {
        signal.throwIfAborted();
        const next = first ? firstPlace(latest, query, follow) : placeAfter(latest, shown);
        if (next === undefined) {
          if (!follow || FINAL.has(latest.state)) break;
          await changed.wait(signal);
          continue;
        }
        if (shown !== undefined) {
          await out.write({
            type: 'note',
            text: `the task went on as attempt ${next.attempt}, delivery ${next.delivery}, on ${next.node}`,
          });
        }
        const at = first && isAsked(next, query) ? position(query) : {};
        await this.#onePlace(next, latest, at, follow, () => latest, changed, signal, out);
        shown = next;
        first = false;
        if (!follow) break;
      }
      if (first && isOfAnother(latest, query, follow))
        await out.write({ type: 'note', text: noSuchAttempt(latest, query) });
      else if (first && latest.tail !== undefined && latest.tail !== '') {
        await out.write({
          type: 'data',
          offset: 0,
          stream: 'stdout',
          data: Buffer.from(latest.tail).toString('base64'),
        });
      }
      await out.write({ type: 'end', complete: FINAL.has(latest.state), state: latest.state });
      out.end();
    } catch (error) {
      if (!out.begun) throw error;
      out.destroy();
    } finally {
      stopFollowing.abort();
      await following.catch(() => undefined);
    }
  }

  /** Streams one log to its end, over interruptions of its holder while the task may still be there. */
  async #onePlace(
    place: LogPlace,
    places: LogPlaces,
    at: { offset?: number; tailBytes?: number; limit?: number },
    follow: boolean,
    latest: () => LogPlaces,
    changed: Signal,
    signal: AbortSignal,
    out: NdjsonReply,
  ): Promise<void> {
    let position: { offset?: number; tailBytes?: number; limit?: number } = at;
    let begun = false;
    let noted = false;
    for (;;) {
      const request = { attempt: place.attempt, delivery: place.delivery, ...position, follow, signal };
      try {
        const events =
          place.node === this.#deps.self()
            ? this.#deps.local.read({ spec: places.spec, task: places.task, ...request })
            : place.address === undefined
              ? unreachable(place)
              : this.#deps.remote({ id: place.node, address: place.address }, places.task, request);
        for await (const event of events) {
          if (event.type === 'end') return;
          if (event.type === 'begin') continue;
          if (!begun && (event.type === 'data' || event.type === 'gap')) {
            begun = true;
            await out.write({
              type: 'begin',
              attempt: place.attempt,
              delivery: place.delivery,
              node: place.node,
              offset: event.offset,
            });
          }
          await out.write(event);
          if (event.type === 'data') {
            position = { offset: event.next };
          } else if (event.type === 'gap') position = { offset: event.to };
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        const gone = isGone(latest(), place);
        // Claimed a moment ago: its log begins with its process.
        const notYet = follow && !gone && error instanceof BoiError && error.code === 'log-unavailable';
        if (!noted && !notYet) {
          noted = true;
          await out.write({ type: 'note', text: unreachableText(place, latest(), error) });
          const { tail } = latest();
          if (!begun && tail !== undefined && tail !== '') {
            await out.write({ type: 'note', text: `last output that was kept:\n${tail}` });
          }
        }
        if (!follow || gone) return;
        const wait = new AbortController();
        await Promise.race([
          sleep(this.#deps.clock, notYet ? NOT_YET_MS : RETRY_MS, AbortSignal.any([signal, wait.signal])),
          changed.wait(AbortSignal.any([signal, wait.signal])),
        ]).finally(() => wait.abort());
        if (isGone(latest(), place)) return;
      }
    }
  }
}

// biome-ignore lint/correctness/useYield: it stands for a log that cannot be opened
async function* unreachable(place: LogPlace): AsyncGenerator<LogLine> {
  throw new Error(`${place.node} has no live session`);
}

function unreachableText(place: LogPlace, places: LogPlaces, error: unknown): string {
  const since = place.goneSince === undefined ? '' : ` since ${new Date(place.goneSince).toISOString()}`;
  const why = error instanceof Error ? error.message : String(error);
  return `the output of attempt ${place.attempt}, delivery ${place.delivery} is on ${place.node}, which does not give it${since} (${why}); the task is ${places.state}`;
}

/** Nothing more will come from there: the task has ended or went on elsewhere. */
function isGone(places: LogPlaces, place: LogPlace): boolean {
  return FINAL.has(places.state) || placeAfter(places, place) !== undefined;
}

/**
 * The place to begin at: the last that fits the query. Who follows begins behind the place asked for if that is not known any
 * more, since only so many of a task are.
 */
function firstPlace(latest: LogPlaces, query: LogQuery, follow: boolean): LogPlace | undefined {
  const { attempt, delivery = Number.POSITIVE_INFINITY } = query;
  const asked = latest.places.findLast((place) => isAsked(place, query));
  if (asked !== undefined || !follow || attempt === undefined) return asked;
  return placeAfter(latest, { attempt, delivery });
}

function isAsked(place: LogPlace, { attempt, delivery }: LogQuery): boolean {
  return (
    (attempt === undefined || place.attempt === attempt) && (delivery === undefined || place.delivery === delivery)
  );
}

/** There is output, and none of it that of the attempt asked for. */
function isOfAnother(latest: LogPlaces, query: LogQuery, follow: boolean): boolean {
  return query.attempt !== undefined && latest.places.length > 0 && firstPlace(latest, query, follow) === undefined;
}

function noSuchAttempt({ places, state }: LogPlaces, { attempt, delivery }: LogQuery): string {
  const asked = `attempt ${attempt}${delivery === undefined ? '' : `, delivery ${delivery}`}`;
  const last = places.at(-1);
  return `there is no ${asked} of this task: the last is attempt ${last?.attempt}, delivery ${last?.delivery}; it is ${state}`;
}

function placeAfter(
  { places }: LogPlaces,
  shown: Pick<LogPlace, 'attempt' | 'delivery'> | undefined,
): LogPlace | undefined {
  return places.find(
    (p) =>
      shown === undefined || p.attempt > shown.attempt || (p.attempt === shown.attempt && p.delivery > shown.delivery),
  );
}

function position(query: LogQuery): { offset?: number; tailBytes?: number; limit?: number } {
  return {
    ...(query.offset === undefined ? {} : { offset: query.offset }),
    ...(query.tailBytes === undefined ? {} : { tailBytes: query.tailBytes }),
    ...(query.limit === undefined ? {} : { limit: query.limit }),
  };
}

/** Wakes whoever waits; a fire with nobody waiting is kept for the next. */
class Signal {
  #fired = false;
  #wake: (() => void) | undefined;

  fire(): void {
    this.#fired = true;
    this.#wake?.();
  }

  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = () => {
        signal.removeEventListener('abort', onAbort);
        this.#fired = false;
        this.#wake = undefined;
        resolve();
      };
      const onAbort = () => {
        this.#wake = undefined;
        reject(signal.reason as Error);
      };
      if (signal.aborted) onAbort();
      else if (this.#fired) done();
      else {
        this.#wake = done;
        signal.addEventListener('abort', onAbort, { once: true });
      }
    });
  }
}

/** Newline-delimited events on a reply, with back-pressure. The status line goes out with the first event, or before. */
class NdjsonReply {
  readonly #call: Call;
  begun = false;

  constructor(call: Call) {
    this.#call = call;
  }

  /** Sends the status line: from here on nothing but events can be said. */
  begin(): void {
    if (this.begun) return;
    this.begun = true;
    const { reply } = this.#call;
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': LOG_STREAM_TYPE, 'cache-control': 'no-store' });
    reply.raw.flushHeaders();
    // Empty lines: whoever reads along knows that this node still runs, however silent the task is.
    const heartbeat = setInterval(() => {
      if (!reply.raw.writableNeedDrain && !reply.raw.writableEnded) reply.raw.write('\n');
    }, HEARTBEAT_MS);
    reply.raw.once('close', () => clearInterval(heartbeat));
  }

  async write(event: LogEvent | LogLine): Promise<void> {
    const raw = this.#call.reply.raw;
    this.begin();
    this.#call.signal.throwIfAborted();
    if (!raw.write('line' in event ? event.line : `${JSON.stringify(event)}\n`)) await onceDrainedOrClosed(raw);
  }

  async pump(events: AsyncIterable<LogLine>): Promise<void> {
    try {
      for await (const event of events) await this.write(event);
    } catch (error) {
      if (!this.begun) throw error;
      this.destroy();
    }
  }

  end(): void {
    this.#call.reply.raw.end();
  }

  destroy(): void {
    this.#call.reply.raw.destroy();
  }
}
