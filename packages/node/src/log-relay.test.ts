import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterApi, LogPlaces } from '@boi/cluster';
import type { LogEvent, NodeId, ProjectId, SpecId, TaskId, TaskState } from '@boi/core';
import { BoiError, dataLine } from '@boi/core';
import { systemClock } from '@boi/system';
import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { openAccess } from './access/open.ts';
import { RateLimiter } from './access/rate-limit.ts';
import { createHandlers } from './http/handlers.ts';
import { createServer } from './http/server.ts';
import { type LocalLogRequest, type LocalLogs, type LogLine, LogRelay } from './log-relay.ts';
import { remoteLogs } from './remote-logs.ts';
import { noPlugins } from './testing/no-plugins.ts';

// Real servers: on a busy machine they take their time.
vi.setConfig({ testTimeout: 60_000 });

const project = 'prj_01h455vb4pex5vsknk084sn02q' as ProjectId;
const spec = 'spc_01h455vb4pex5vsknk084s0000' as SpecId;
const task = 'tsk_01h455vb4pex5vsknk084s0001' as TaskId;
const A = 'nod_01h455vb4pex5vsknk084sn00a' as NodeId;
const B = 'nod_01h455vb4pex5vsknk084sn00b' as NodeId;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Logs in memory; a live one ends when `finish` is called. */
class MemoryLogs implements LocalLogs {
  readonly logs = new Map<string, { bytes: Buffer; complete: boolean; wake: Set<() => void> }>();

  put(attempt: number, delivery: number, text: string, complete: boolean): void {
    const key = `${attempt}.${delivery}`;
    const log = this.logs.get(key) ?? { bytes: Buffer.alloc(0), complete: false, wake: new Set() };
    log.bytes = Buffer.concat([log.bytes, Buffer.from(text)]);
    log.complete = complete;
    this.logs.set(key, log);
    for (const wake of [...log.wake]) wake();
  }

  async attempts() {
    return [...this.logs.keys()].map((key) => {
      const [attempt, delivery] = key.split('.').map(Number) as [number, number];
      return { attempt, delivery };
    });
  }

  async *read(request: LocalLogRequest): AsyncGenerator<LogLine> {
    const log = this.logs.get(`${request.attempt}.${request.delivery}`);
    if (log === undefined) throw new BoiError('log-unavailable', 'no such log here');
    let offset =
      request.tailBytes === undefined ? (request.offset ?? 0) : Math.max(0, log.bytes.length - request.tailBytes);
    for (;;) {
      while (offset < log.bytes.length) {
        const chunk = log.bytes.subarray(offset, offset + 5);
        const line = dataLine({ offset, stream: 'stdout' }, chunk);
        yield { type: 'data', offset, next: offset + chunk.length, line };
        offset += chunk.length;
      }
      if (log.complete || !request.follow) {
        yield { type: 'end', complete: log.complete };
        return;
      }
      await new Promise<void>((resolve, reject) => {
        log.wake.add(resolve);
        request.signal.addEventListener('abort', () => reject(request.signal.reason as Error), { once: true });
      });
    }
  }
}

/** The part of the cluster that knows where a task is; tests move it about. */
class Places {
  current: LogPlaces;
  readonly #listeners = new Set<(p: LogPlaces) => void>();

  constructor(places: LogPlaces['places'], state: TaskState) {
    this.current = { project, spec, task, state, places };
  }

  set(change: Partial<LogPlaces>): void {
    this.current = { ...this.current, ...change };
    for (const fn of this.#listeners) fn(this.current);
  }

  api(): ClusterApi {
    return {
      project: async () => ({ id: project }),
      resolveTask: async () => task,
      logPlaces: async () => this.current,
      followTask: (_p: ProjectId, _t: TaskId, fn: (p: LogPlaces) => void, signal: AbortSignal) =>
        new Promise<void>((resolve) => {
          this.#listeners.add(fn);
          signal.addEventListener('abort', () => {
            this.#listeners.delete(fn);
            resolve();
          });
        }),
    } as Partial<ClusterApi> as ClusterApi;
  }
}

async function serve(self: NodeId, local: LocalLogs, api: ClusterApi, port = 0): Promise<string> {
  const relay = new LogRelay({ api, local, self: () => self, clock: systemClock, remote: remoteLogs(() => undefined) });
  const server = createServer({
    handlers: createHandlers({ api, relay, plugins: noPlugins(api, self), version: '0', self: () => ({ id: self }) }),
    internal: relay.internalRoutes(),
    access: openAccess(new RateLimiter(systemClock, 0)),
    plain: [],
    log: pino({ level: 'silent' }),
  });
  await server.listen({ host: '127.0.0.1', port });
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
}

interface Reading {
  readonly events: LogEvent[];
  readonly text: () => string;
  readonly ended: Promise<void>;
  /** Resolves at the first event that satisfies `test`, past or future. */
  readonly seen: (test: (e: LogEvent) => boolean) => Promise<LogEvent>;
  readonly status: () => number | undefined;
}

function read(base: string, query: string): Reading {
  const events: LogEvent[] = [];
  const waiters: { test: (e: LogEvent) => boolean; done: (e: LogEvent) => void }[] = [];
  let status: number | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    http
      .get(`${base}/v1/projects/default/tasks/${task}/log?${query}`, (response) => {
        status = response.statusCode;
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            const event = JSON.parse(line) as LogEvent;
            events.push(event);
            for (const w of waiters) if (w.test(event)) w.done(event);
          }
        });
        response.on('end', resolve);
        response.on('error', reject);
      })
      .on('error', reject);
  });
  return {
    events,
    ended,
    text: () =>
      Buffer.concat(
        events.map((e) => (e.type === 'data' ? Buffer.from(e.data, 'base64') : Buffer.alloc(0))),
      ).toString(),
    seen: (test) => {
      const past = events.find(test);
      return past === undefined ? new Promise((done) => waiters.push({ test, done })) : Promise.resolve(past);
    },
    status: () => status,
  };
}

const isData = (e: LogEvent) => e.type === 'data';

test('output of a task on another node is relayed from its first to its last byte', async () => {
  const logs = new MemoryLogs();
  logs.put(1, 1, 'héllo wörld\n', true);
  const places = new Places([], 'succeeded');
  const holder = await serve(A, logs, places.api());
  places.set({ places: [{ attempt: 1, delivery: 1, node: A, address: holder }] });
  const asked = await serve(B, new MemoryLogs(), places.api());

  const reading = read(asked, '');
  await reading.ended;
  expect(reading.text()).toBe('héllo wörld\n');
  expect(reading.events[0]).toEqual({ type: 'begin', attempt: 1, delivery: 1, node: A, offset: 0 });
  expect(reading.events.at(-1)).toEqual({ type: 'end', complete: true, state: 'succeeded' });
});

test.each([0, 1, 2, 3, 7, 12])(
  'a reader resumes at byte %d without a gap or a repeat, in the middle of a character too',
  async (offset) => {
    const logs = new MemoryLogs();
    logs.put(1, 1, 'aé😀bcdefg', true);
    const places = new Places([{ attempt: 1, delivery: 1, node: A }], 'succeeded');
    const base = await serve(A, logs, places.api());
    const reading = read(base, `offset=${offset}`);
    await reading.ended;
    const bytes = Buffer.concat(
      reading.events.filter(isData).map((e) => Buffer.from((e as { data: string }).data, 'base64')),
    );
    expect(bytes).toEqual(Buffer.from('aé😀bcdefg').subarray(offset));
  },
);

test('a follower goes on over a reassignment and ends with the task', async () => {
  const onA = new MemoryLogs();
  const onB = new MemoryLogs();
  const places = new Places([], 'running');
  const a = await serve(A, onA, places.api());
  const b = await serve(B, onB, places.api());
  onA.put(1, 1, 'first try', false);
  places.set({ places: [{ attempt: 1, delivery: 1, node: A, address: a }] });

  const reading = read(b, 'follow=true');
  await reading.seen(isData);
  onA.put(1, 1, ' fails\n', true);
  onB.put(2, 1, 'second try works\n', true);
  places.set({
    state: 'succeeded',
    places: [
      { attempt: 1, delivery: 1, node: A, address: a },
      { attempt: 2, delivery: 1, node: B, address: b },
    ],
  });
  await reading.ended;
  expect(reading.text()).toBe('first try fails\nsecond try works\n');
  expect(reading.events.filter((e) => e.type === 'begin')).toHaveLength(2);
  expect(reading.events.some((e) => e.type === 'note' && e.text.includes('attempt 2'))).toBe(true);
  expect(reading.events.at(-1)).toEqual({ type: 'end', complete: true, state: 'succeeded' });
});

test('a holder that is gone is named with the last output that was kept', async () => {
  const places = new Places([{ attempt: 1, delivery: 1, node: A, goneSince: 0 }], 'succeeded');
  places.set({ tail: 'the last words' });
  const reading = read(await serve(B, new MemoryLogs(), places.api()), 'follow=true');
  await reading.ended;
  const notes = reading.events.flatMap((e) => (e.type === 'note' ? [e.text] : [])).join('\n');
  expect(notes).toContain(A);
  expect(notes).toContain('since 1970-01-01');
  expect(notes).toContain('the last words');
  expect(reading.events.at(-1)).toMatchObject({ type: 'end', complete: true });
});

test('an attempt that was never made is not answered with the output of another', async () => {
  const places = new Places([{ attempt: 1, delivery: 1, node: A }], 'failed');
  places.set({ tail: 'of the first' });
  const base = await serve(A, new MemoryLogs(), places.api());
  for (const query of ['attempt=2', 'attempt=2&follow=true']) {
    const reading = read(base, query);
    await reading.ended;
    expect(reading.status(), query).toBe(404);
    expect(reading.text(), query).toBe('');
  }
  const resumed = read(base, 'attempt=2&delivery=1&offset=5&follow=true');
  await resumed.ended;
  expect(resumed.text()).toBe('');
  expect(resumed.events.at(-1)).toEqual({ type: 'end', complete: true, state: 'failed' });
});

test('a task that ended before it ran has no output, whichever attempt is followed', async () => {
  const base = await serve(A, new MemoryLogs(), new Places([], 'cancelled').api());
  const reading = read(base, 'attempt=1&delivery=1&follow=true');
  await reading.ended;
  expect(reading.events).toEqual([{ type: 'end', complete: true, state: 'cancelled' }]);
});

test('a follower of an attempt to come waits for it', async () => {
  const logs = new MemoryLogs();
  const places = new Places([{ attempt: 1, delivery: 1, node: A }], 'running');
  const reading = read(await serve(A, logs, places.api()), 'attempt=2&follow=true');
  logs.put(2, 1, 'the second', true);
  places.set({
    state: 'succeeded',
    places: [
      { attempt: 1, delivery: 1, node: A },
      { attempt: 2, delivery: 1, node: A },
    ],
  });
  await reading.ended;
  expect(reading.text()).toBe('the second');
});

test('who follows from the first attempt on gets every one that is known, from its beginning', async () => {
  const logs = new MemoryLogs();
  for (const attempt of [1, 2, 3]) logs.put(attempt, 1, `attempt ${attempt}\n`, true);
  const made = [1, 2, 3].map((attempt) => ({ attempt, delivery: 1, node: A }));
  const places = new Places(made, 'failed');
  const base = await serve(A, logs, places.api());
  const all = read(base, 'attempt=1&delivery=1&follow=true');
  await all.ended;
  expect(all.text()).toBe('attempt 1\nattempt 2\nattempt 3\n');
  places.set({ places: made.slice(1) });
  const known = read(base, 'attempt=1&delivery=1&offset=4&follow=true');
  await known.ended;
  expect(known.text()).toBe('attempt 2\nattempt 3\n');
});

test('a follower of a holder that comes back resumes where it was', async () => {
  const logs = new MemoryLogs();
  logs.put(1, 1, 'before', false);
  const places = new Places([], 'running');
  const first = await serve(A, logs, places.api());
  const close = closers.pop() as () => Promise<unknown>;
  places.set({ places: [{ attempt: 1, delivery: 1, node: A, address: first }] });
  const reading = read(await serve(B, new MemoryLogs(), places.api()), 'follow=true');
  await reading.seen((e) => e.type === 'data' && e.offset === 5);
  await close();
  await reading.seen((e) => e.type === 'note');
  logs.put(1, 1, ' after', true);
  await serve(A, logs, places.api(), Number(new URL(first).port));
  places.set({ state: 'running' });
  await reading.seen((e) => isData(e) && reading.text().endsWith('after'));
  expect(reading.text()).toBe('before after');
  places.set({ state: 'succeeded' });
  await reading.ended;
});

test('a log that is nowhere is a problem with a status, not an empty stream', async () => {
  const places = new Places([], 'queued');
  const base = await serve(A, new MemoryLogs(), places.api());
  const response = await fetch(`${base}/internal/tail/${task}?attempt=1&delivery=1`);
  expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([404, 'log-unavailable']);
});
