import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdMinter, type SpecId, taskId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LogPlace, parseLogFile } from './log-place.ts';
import { LogStore } from './log-store.ts';
import type { LogWriter } from './log-writer.ts';
import { planSweep, RetentionService, type StoredLog, type SweepReport, sweepLogs } from './retention.ts';

// Real files: on a busy machine they take their time.
vi.setConfig({ testTimeout: 60_000 });

let base: string;
let store: LogStore;
let clock: VirtualClock;
const random = new SeededRandom(1);
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'boi-logs-'));
});
afterAll(() => rm(base, { recursive: true }));
beforeEach(() => {
  clock = new VirtualClock();
});

const minter = new IdMinter(new VirtualClock(), random);
function place(spec: SpecId = minter.mint('spec'), index = 1): LogPlace {
  return { spec, task: taskId(spec, index), attempt: 1, delivery: 1 };
}

async function readAll(of: LogStore, at: LogPlace): Promise<{ text: string; streams: string; gap: number }> {
  let text = '';
  let streams = '';
  let gap = 0;
  for await (const chunk of of.follow({ ...at, offset: 0, signal: new AbortController().signal })) {
    gap += chunk.gap === undefined ? 0 : chunk.gap.to - chunk.gap.offset;
    text += chunk.bytes.toString('latin1');
    for (const [i, segment] of chunk.segments.entries()) {
      const end = chunk.segments[i + 1]?.offset ?? chunk.offset + chunk.bytes.length;
      streams += (segment.stream[3] as string).repeat(end - segment.offset);
    }
  }
  return { text, streams, gap };
}

const writes = fc.array(fc.tuple(fc.constantFrom('stdout' as const, 'stderr' as const), fc.nat(50)), { maxLength: 40 });

describe('a log', () => {
  test('is gone on with by another life of the daemon as if nothing had been, wherever the first one died', async () => {
    const cap = fc.constantFrom(2 ** 30, 1_000);
    await fc.assert(
      fc.asyncProperty(writes, fc.nat(40), fc.nat(2), cap, async (given, kept, died, bytesMax) => {
        const options = { dataDir: base, clock, bytesMax };
        const pieces = given.map(([stream, length], i) => [stream, Buffer.alloc(length, 97 + (i % 26))] as const);
        const write = (writer: LogWriter, some: typeof pieces) => {
          for (const [stream, bytes] of some) writer.write(stream, bytes);
          return writer.flushed();
        };
        const whole = place();
        const unbroken = new LogStore(options);
        const writer = unbroken.create(whole);
        await write(writer, pieces);
        await writer.end();
        unbroken.forget(whole);

        const broken = place();
        const first = new LogStore(options).create(broken);
        await write(first, pieces.slice(0, kept));
        const { size } = first;
        await write(first, pieces.slice(kept, kept + died));
        await first.end();
        const after = new LogStore(options);
        const second = await after.resume(broken, size);
        expect(second.size).toBe(size);
        const following = readAll(after, broken);
        await write(second, pieces.slice(kept));
        await second.end();
        after.forget(broken);
        const ends = await Promise.all([unbroken.state(whole), after.state(broken)]);
        expect(ends[1]).toEqual(ends[0]);
        const { text, streams } = await readAll(unbroken, whole);
        expect(await readAll(after, broken)).toMatchObject({ text, streams });
        if (bytesMax > 1_000) expect((await following).text).toBe(text);
        else await following;
      }),
      { numRuns: 20 },
    );
  });

  test('is not gone on with behind its end', async () => {
    const at = place();
    const writer = new LogStore({ dataDir: base, clock }).create(at);
    writer.write('stdout', Buffer.from('four'));
    await writer.end();
    await expect(new LogStore({ dataDir: base, clock }).resume(at, 5)).rejects.toThrow('4 bytes of the 5');
    await expect(new LogStore({ dataDir: base, clock }).resume(place(), 1)).rejects.toThrow('0 bytes of the 1');
  });

  test('tells the stream of every byte, however many marks there are and wherever one begins to read', async () => {
    const logs = new LogStore({ dataDir: base, clock });
    const at = place();
    const writer = logs.create(at);
    const lengths = Array.from({ length: 5_000 }, (_, i) => 1 + ((i * 7) % 5));
    for (const [i, length] of lengths.entries())
      writer.write(i % 2 === 0 ? 'stdout' : 'stderr', Buffer.alloc(length, 'x'));
    const streams = lengths.map((length, i) => (i % 2 === 0 ? 'o' : 'e').repeat(length)).join('');
    await writer.end();
    logs.forget(at);
    const size = streams.length;
    await fc.assert(
      fc.asyncProperty(fc.nat(size), fc.integer({ min: 1, max: size }), async (offset, limit) => {
        const { bytes, segments } = await logs.read({ ...at, offset, limit });
        const found = segments.map(({ offset: from, stream }, i) =>
          (stream[3] as string).repeat((segments[i + 1]?.offset ?? offset + bytes.length) - from),
        );
        expect(found.join('')).toBe(streams.slice(offset, offset + limit));
      }),
      {
        numRuns: 60,
        examples: [
          [0, size],
          [size - 1, 1],
          [size, 1],
        ],
      },
    );
  });

  test('keeps nothing open for a reader that went away in the middle', async () => {
    const logs = new LogStore({ dataDir: base, clock, bytesMax: 4_000_000 });
    const at = place();
    const writer = logs.create(at);
    for (let i = 0; i < 6; i++) if (!writer.write('stdout', Buffer.alloc(1_000_000, 97 + i))) await writer.drained();
    await writer.flushed();
    const read = { ...at, offset: 0, to: writer.size, signal: new AbortController().signal };
    const descriptors = async () => (await readdir('/proc/self/fd')).length;
    const before = await descriptors();
    const chunks = logs.scan(read);
    await chunks.next();
    expect(await descriptors()).toBe(before + 2);
    await chunks.return();
    expect(await descriptors()).toBe(before);
    let seen = 0;
    for await (const { bytes, gap } of logs.scan(read))
      seen += bytes.length + (gap === undefined ? 0 : gap.to - gap.offset);
    expect(seen).toBe(writer.size);
    expect(await descriptors()).toBe(before);
    await writer.end();
  });

  test('comes back as it was written, each byte with its stream, whatever the sizes; a stranger reads the same from disk', async () => {
    await fc.assert(
      fc.asyncProperty(writes, async (given) => {
        const live = new LogStore({ dataDir: base, clock });
        const at = place();
        const writer = live.create(at);
        const following = readAll(live, at);
        let text = '';
        let streams = '';
        for (const [i, [stream, length]] of given.entries()) {
          const bytes = String.fromCharCode(97 + (i % 26)).repeat(length);
          text += bytes;
          streams += (stream[3] as string).repeat(length);
          if (!writer.write(stream, Buffer.from(bytes))) await writer.drained();
        }
        await writer.end();
        live.forget(at);
        const expected = { text, streams, gap: 0 };
        expect(await following).toEqual(expected);
        expect(await readAll(new LogStore({ dataDir: base, clock }), at)).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  test('beyond its cap keeps head, marker and newest part; what is kept plus the gap is all that was written', async () => {
    store = new LogStore({ dataDir: base, clock, bytesMax: 4_000 });
    const at = place();
    const writer = store.create(at);
    for (let i = 0; i < 1_000; i++) {
      if (!writer.write('stdout', Buffer.from(`line ${i}\n`))) await writer.drained();
    }
    await writer.end();
    store.forget(at);
    const { text, gap } = await readAll(store, at);
    expect(text.startsWith('line 0\n')).toBe(true);
    expect(text).toContain('[boi] the output reached its cap of 4000 bytes');
    expect(text.endsWith('line 999\n')).toBe(true);
    expect(text.length + gap).toBe(writer.size);
    expect(text.length).toBeLessThan(5_000);
    expect((await readdir(join(store.root, at.spec))).length).toBeLessThan(9);
  });

  test('reading at an offset beyond the end is empty, a malformed offset or id is refused, an absent log unavailable', async () => {
    store = new LogStore({ dataDir: base, clock });
    const at = place();
    const writer = store.create(at);
    writer.write('stdout', Buffer.from('abc'));
    await writer.end();
    expect((await store.read({ ...at, offset: 3, limit: 10 })).bytes.length).toBe(0);
    await expect(store.read({ ...at, offset: -1, limit: 10 })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(store.state({ ...at, attempt: 2 })).rejects.toMatchObject({ code: 'log-unavailable' });
    await expect(store.state(place())).rejects.toMatchObject({ code: 'log-unavailable' });
    for (const wrong of [
      { spec: '../etc' as SpecId },
      { attempt: 0 },
      { attempt: 1.5 },
      { spec: minter.mint('spec') },
    ]) {
      await expect(store.state({ ...at, ...wrong })).rejects.toMatchObject({ code: 'bad-request' });
    }
  });

  test('a follower that is aborted while it waits stops at once', async () => {
    store = new LogStore({ dataDir: base, clock });
    const at = place();
    const writer = store.create(at);
    const abort = new AbortController();
    const next = store.follow({ ...at, offset: 0, signal: abort.signal }).next();
    abort.abort(new Error('reader left'));
    await expect(next).rejects.toThrow('reader left');
    await writer.end();
  });
});

test('only names this store makes are taken for logs', () => {
  const { task } = place();
  expect(parseLogFile(`${task}.2.3.log`)).toMatchObject({ task, attempt: 2, delivery: 3, start: 0 });
  expect(parseLogFile(`${task}.2.3.log.500`)?.start).toBe(500);
  expect(parseLogFile(`${task}.2.3.idx`)).toMatchObject({ start: undefined });
  for (const name of [
    'x',
    `${task}.log`,
    `${task}.0.1.log`,
    `${task}.1.1.log.0`,
    `../${task}.1.1.log`,
    `${task}.1.1.log\n`,
  ]) {
    expect(parseLogFile(name)).toBeUndefined();
  }
});

describe('retention', () => {
  const log = (change: Partial<StoredLog>): StoredLog => ({
    ...place(),
    files: [],
    bytes: 10,
    endedAt: 0,
    running: false,
    ...change,
  });

  test('the old go by age, then the oldest of a spec by size; a running task is never touched but counts', () => {
    const { spec } = place();
    const logs = [
      log({ spec, endedAt: 100, bytes: 30 }),
      log({ spec, endedAt: 900, bytes: 30 }),
      log({ spec, endedAt: 800, bytes: 30 }),
      log({ spec, endedAt: 1, bytes: 50, running: true }),
      log({ endedAt: 950, bytes: 90 }),
    ];
    const swept = planSweep(logs, { keepMs: 500, keepBytes: 90 }, 1_000);
    expect(swept.map((s) => [s.endedAt, s.why])).toEqual([
      [100, 'age'],
      [800, 'size'],
    ]);
  });

  async function stored(at: LogPlace, ageMs: number): Promise<void> {
    const dir = join(base, 'swept/logs', at.spec);
    await mkdir(dir, { recursive: true });
    for (const ending of ['log', 'idx', 'log.4096']) {
      const path = join(dir, `${at.task}.1.1.${ending}`);
      await writeFile(path, 'x'.repeat(100));
      const when = (clock.now() - ageMs) / 1_000;
      await utimes(path, when, when);
    }
  }

  test('a dry run removes nothing and says what would go; the real one removes every file of a log and empty directories', async () => {
    const swept = new LogStore({ dataDir: join(base, 'swept'), clock });
    const old = place();
    const young = place();
    await stored(old, 10_000);
    await stored(young, 10);
    const limits = { keepMs: 5_000, keepBytes: 1e6 };
    const dry = await sweepLogs(swept, limits, clock, { dryRun: true });
    expect(dry).toMatchObject({ bytes: 300, swept: [{ task: old.task, why: 'age' }] });
    expect((await readdir(join(base, 'swept/logs'))).sort()).toEqual([old.spec, young.spec].sort());
    const real = await sweepLogs(swept, limits, clock);
    expect(real.swept).toEqual(dry.swept);
    expect(await readdir(join(base, 'swept/logs'))).toEqual([young.spec]);
  });

  test('the service sweeps by itself, again after its interval, and stops', async () => {
    const swept = new LogStore({ dataDir: join(base, 'swept'), clock });
    await stored(place(), 10_000);
    const reports: (SweepReport | Error)[] = [];
    let heard: () => void = () => undefined;
    const report = () => new Promise<void>((resolve) => (heard = resolve));
    const onSweep = (result: SweepReport | Error) => {
      reports.push(result);
      heard();
    };
    const limits = { keepMs: 5_000, keepBytes: 1e6 };
    const service = new RetentionService({ store: swept, limits, clock, random, onSweep });
    let next = report();
    service.start();
    await next;
    await stored(place(), 10_000);
    next = report();
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(720_000);
    await next;
    await service.stop();
    expect(reports).toMatchObject([
      { bytes: 300, keptBytes: 300 },
      { bytes: 600, keptBytes: 0 },
    ]);
  });
});
