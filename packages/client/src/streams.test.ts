import type { ServerResponse } from 'node:http';
import { BoiError, type LogEvent, type SpecEvent } from '@boi/core';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { BoiClient } from './client.ts';
import { type LogItem, LogPosition, readLog } from './log-stream.ts';
import { followSpec } from './spec-events.ts';
import { NODE_ID, SPEC_ID, StubApi, specView, TASK_ID, taskView } from './testing/index.ts';

let api: StubApi;
let client: BoiClient;

async function start(): Promise<void> {
  api = await StubApi.start();
  client = new BoiClient({ endpoints: [api.url] });
}

afterEach(async () => {
  client.close();
  await api.stop();
  expect(api.violations).toEqual([]);
});

const b64 = (text: string) => Buffer.from(text).toString('base64');

function ndjson(response: ServerResponse, events: readonly LogEvent[], cut: boolean): undefined {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const text = events.map((e) => `${JSON.stringify(e)}\n`).join('');
  if (cut) response.write(text, () => response.destroy());
  else response.end(text);
  return undefined;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const text = (items: readonly LogItem[]) => items.map((i) => (i.type === 'data' ? i.bytes.toString() : '')).join('');

const begin = (attempt: number, offset: number, delivery = 1) => ({
  type: 'begin' as const,
  attempt,
  delivery,
  node: NODE_ID,
  offset,
});
const data = (offset: number, content: string): LogEvent => ({
  type: 'data',
  offset,
  stream: 'stdout',
  data: b64(content),
});
const end: LogEvent = { type: 'end', complete: true, state: 'succeeded' };
const log = (query = {}) => readLog(client, { project: 'default', task: TASK_ID, query });

describe('a log', () => {
  it('goes on where it was cut, without a gap or a repeat', async () => {
    await start();
    api.on('task.log', ({ earlier, response }) => {
      if (earlier === 0) return ndjson(response, [begin(1, 0), data(0, 'hello '), data(6, 'wor')], true);
      // The daemon begins a little earlier than asked: what came already is not given out again.
      return ndjson(response, [begin(1, 6), data(6, 'world'), data(11, '!'), end], false);
    });
    const items = await collect(log({ follow: true }));
    expect(text(items)).toBe('hello world!');
    expect(api.calls[1]?.query).toEqual({ attempt: '1', delivery: '1', offset: '9', follow: 'true' });
    expect(items.map((i) => i.type)).toEqual(['begin', 'data', 'data', 'link', 'link', 'data', 'data', 'end']);
  });

  it('is given up at a line that is longer than any node writes, and is not kept in memory', async () => {
    await start();
    let written = 0;
    api.on('task.log', ({ response }) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const more = () => {
        while (written < 64 * 2 ** 20 && !response.destroyed) {
          written += 2 ** 20;
          if (!response.write(Buffer.alloc(2 ** 20, 0x20))) return void response.once('drain', more);
        }
        response.end();
      };
      more();
      return undefined;
    });
    await expect(collect(log())).rejects.toMatchObject({
      message: expect.stringContaining('longer than 4194304 bytes'),
    });
    expect(written).toBeLessThan(32 * 2 ** 20);
  });

  it('drops a line that was cut in the middle and asks for it again', async () => {
    await start();
    api.on('task.log', ({ earlier, response }) => {
      if (earlier > 0) return ndjson(response, [begin(1, 0), data(0, 'abc'), end], false);
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(begin(1, 0))}\n{"type":"data","off`, () => response.destroy());
      return undefined;
    });
    expect(text(await collect(log()))).toBe('abc');
  });

  it('goes over to the next attempt, and does not return to an older one', async () => {
    await start();
    api.on('task.log', ({ earlier, response }) =>
      earlier === 0
        ? ndjson(response, [begin(1, 0), data(0, 'one,'), begin(2, 0), data(0, 'two')], true)
        : ndjson(response, [begin(1, 0), data(0, 'one,'), begin(2, 0), data(0, 'two,'), end], false),
    );
    expect(text(await collect(log({ follow: true })))).toBe('one,two,');
  });

  it('asks past an end that is not complete while following, and stops at it otherwise', async () => {
    await start();
    const short: LogEvent = { type: 'end', complete: false, state: 'running' };
    api.on('task.log', ({ earlier, response }) =>
      ndjson(response, earlier === 0 ? [begin(1, 0), data(0, 'a'), short] : [begin(1, 0), data(0, 'ab'), end], false),
    );
    expect(text(await collect(log({ follow: true })))).toBe('ab');
    api.on('task.log', ({ response }) => ndjson(response, [begin(1, 0), data(0, 'a'), short], false));
    expect((await collect(log())).at(-1)).toEqual(short);
  });

  it('fails at once for a task that is not there', async () => {
    await start();
    api.on('task.log', () => {
      throw new BoiError('not-found', 'no such task');
    });
    await expect(collect(log())).rejects.toMatchObject({ code: 'not-found' });
    expect(api.calls).toHaveLength(1);
  });

  it('is given up when nothing comes back for long enough', async () => {
    await start();
    api.on('task.log', ({ response }) => ndjson(response, [begin(1, 0)], true));
    const items = readLog(client, { project: 'default', task: TASK_ID, reconnectForMs: 150 });
    await expect(collect(items)).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('gives each byte once, in order, however the stream is cut', () => {
    // Law: whatever prefix of the log each connection delivers, and wherever the daemon begins at or before the wanted byte.
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.array(fc.record({ back: fc.nat(10), take: fc.nat(20), chunk: fc.integer({ min: 1, max: 7 }) }), {
          maxLength: 12,
        }),
        (whole, connections) => {
          const position = new LogPosition({ follow: true });
          const got: number[] = [];
          for (const { back, take, chunk } of [...connections, { back: 0, take: 60, chunk: 60 }]) {
            const from = Math.max(0, (position.query().offset ?? 0) - back);
            position.take(begin(1, from));
            for (let at = from; at < Math.min(whole.length, from + back + take); at += chunk) {
              const bytes = whole.subarray(at, Math.min(at + chunk, whole.length));
              const item = position.take({ type: 'data', offset: at, stream: 'stdout', bytes: Buffer.from(bytes) });
              if (item?.type === 'data') got.push(...item.bytes);
            }
          }
          expect(got).toEqual([...whole]);
        },
      ),
    );
  });
});

describe('a followed spec', () => {
  const sse = (event: SpecEvent) => `: alive\n\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

  it('ends with its end event, over a cut', async () => {
    await start();
    api.on('spec.events', ({ earlier, response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (earlier === 0) response.write(sse({ type: 'spec', spec: specView() }), () => response.destroy());
      else
        response.end(
          sse({ type: 'task', task: taskView() }) + sse({ type: 'end', spec: specView({ state: 'succeeded' }) }),
        );
      return undefined;
    });
    const events = await collect(followSpec(client, { project: 'default', spec: SPEC_ID }));
    expect(events.map((e) => e.type)).toEqual(['spec', 'link', 'link', 'task', 'end']);
    expect(events.at(-1)).toMatchObject({ spec: { state: 'succeeded' } });
  });

  it('waits for a store that is away, also from its first moment on, and is given up after a while', async () => {
    await start();
    let away = 3;
    api.on('spec.events', ({ response }) => {
      if (away-- > 0) throw new BoiError('store-unreachable', 'the store is away');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(sse({ type: 'end', spec: specView({ state: 'succeeded' }) }));
      return undefined;
    });
    const events = await collect(followSpec(client, { project: 'default', spec: SPEC_ID }));
    expect(events.map((e) => e.type)).toEqual(['link', 'link', 'end']);
    away = Number.POSITIVE_INFINITY;
    const given = followSpec(client, { project: 'default', spec: SPEC_ID, reconnectForMs: 100 });
    await expect(collect(given)).rejects.toMatchObject({ code: 'store-unreachable' });
  });

  it('is opened again when not even a heartbeat comes', async () => {
    await start();
    api.on('spec.events', ({ earlier, response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (earlier === 0) response.write(sse({ type: 'spec', spec: specView() }));
      else response.end(sse({ type: 'end', spec: specView({ state: 'succeeded' }) }));
      return undefined;
    });
    const events = await collect(followSpec(client, { project: 'default', spec: SPEC_ID, silentForMs: 100 }));
    expect(events.map((e) => e.type)).toEqual(['spec', 'link', 'link', 'end']);
  });

  it('is not given up while its reader takes its time', async () => {
    await start();
    const whole = 'x'.repeat(200_000);
    api.on('task.log', ({ response }) => ndjson(response, [begin(1, 0), data(0, whole), end], false));
    const items: LogItem[] = [];
    for await (const item of readLog(client, { project: 'default', task: TASK_ID, silentForMs: 50 })) {
      items.push(item);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(items.map(({ type }) => type)).toEqual(['begin', 'data', 'end']);
    expect(api.calls).toHaveLength(1);
  });

  it('passes over events of unknown types', async () => {
    await start();
    api.on('spec.events', ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const last: SpecEvent = { type: 'end', spec: specView({ state: 'failed' }) };
      response.end(`event: weather\ndata: {}\n\nevent: end\ndata: ${JSON.stringify(last)}\n\n`);
      return undefined;
    });
    const events = await collect(followSpec(client, { project: 'default', spec: SPEC_ID }));
    expect(events).toEqual([{ type: 'end', spec: specView({ state: 'failed' }) }]);
  });

  it('warns of no leak when one signal ends many streams', async () => {
    await start();
    const stop = new AbortController();
    const warnings: string[] = [];
    const onWarning = (warning: Error) => warnings.push(warning.name);
    process.on('warning', onWarning);
    api.on('spec.events', ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(sse({ type: 'spec', spec: specView() }));
      return undefined;
    });
    const streams = Array.from({ length: 20 }, () =>
      followSpec(client, { project: 'default', spec: SPEC_ID, signal: stop.signal }),
    );
    await Promise.all(streams.map((stream) => stream.next()));
    stop.abort(new Error('enough'));
    await Promise.allSettled(streams.map((stream) => stream.next()));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('ends with the signal, also while the stream is silent', async () => {
    await start();
    const stop = new AbortController();
    api.on('spec.events', ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(sse({ type: 'spec', spec: specView() }));
      return undefined;
    });
    const reading = (async () => {
      for await (const _ of followSpec(client, { project: 'default', spec: SPEC_ID, signal: stop.signal }))
        stop.abort(new Error('enough'));
    })();
    await expect(reading).rejects.toThrow('enough');
  });
});
